"""What a pickle may stand for: inert records of NumPy arrays, their types and scipy.sparse matrices.

The table of allowed names and the allowed calls are here; the machine that walks a pickle's
instructions stands in ``unpickling``. No name in a pickle is ever imported or called.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

DEPTH_LIMIT = 200
SPARSE_NAMES = frozenset(f"{kind}_{form}" for kind in ("coo", "csr", "csc") for form in ("matrix", "array"))
SPARSE_MODULES = frozenset(
    ["scipy.sparse"] + [f"scipy.sparse.{mark}{kind}" for kind in ("coo", "csr", "csc") for mark in ("", "_")]
)
_DTYPE = re.compile(r"[<>|=]?(b1|i[1248]|u[1248]|f[248]|\?)")


class RefusedError(Exception):
    """Why the pickle is not acceptable, as the end of the sentence "it holds ..."."""


@dataclass(frozen=True)
class Name:
    """A global that a pickle mentions: a meaning from the table, never the thing itself."""

    meaning: str


@dataclass
class Dtype:
    """The element type of an array: NumPy's code and byte order."""

    code: str
    order: str = "="

    def resolve(self) -> np.dtype[Any]:
        """Return the NumPy type."""
        plain = np.dtype(self.code)
        if self.order == "<":
            return plain.newbyteorder("<")
        return plain.newbyteorder(">") if self.order == ">" else plain


@dataclass
class Array:
    """An array, or the shell of one whose content is still to come."""

    value: npt.NDArray[Any] | None = None


@dataclass(frozen=True)
class SparseRecord:
    """What a pickled scipy.sparse matrix holds, not yet checked: its format and its attributes."""

    form: str
    state: dict[str, Any] = field(default_factory=dict)


@dataclass
class Budget:
    """How many bytes of array content may still be copied.

    A pickle can mention the same bytes a million times; each mention may become an array of its own.
    """

    room: int

    def spend(self, count: int) -> None:
        """Take ``count`` bytes.

        Raises:
            RefusedError: If there is no room for them.
        """
        self.room -= count
        if self.room < 0:
            raise RefusedError("arrays much larger than the file")


def meaning_of(module: str, name: str) -> str:
    """Return what an allowed global stands for, or refuse it by name."""
    if module in SPARSE_MODULES and name in SPARSE_NAMES:
        return f"sparse:{name[:3]}"
    if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name in ("_reconstruct", "scalar"):
        return name
    if module in ("numpy.core.numeric", "numpy._core.numeric") and name == "_frombuffer":
        return name
    if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")):
        return name
    if module in ("copyreg", "copy_reg") and name == "_reconstructor":
        return name
    if module in ("builtins", "__builtin__") and name == "object":
        return name
    raise RefusedError(ascii(f"a reference to {module}.{name}"[:200])[1:-1])


def call(meaning: str, arguments: tuple[Any, ...], budget: Budget) -> Any:
    """Return the record that an allowed call stands for."""
    if meaning == "dtype":
        code = arguments[0] if arguments else None
        if type(code) is not str:
            # Never shown: a list that holds itself twice at every level has no end when printed.
            raise RefusedError(f"an array whose type is a {type(code).__name__.strip('_')}")
        if not _DTYPE.fullmatch(code):
            raise RefusedError(f"an array of type {ascii(code)[:40]}")
        return Dtype(code)
    if meaning == "_reconstruct" and len(arguments) == 3 and arguments[0] == Name("ndarray"):
        return Array()
    if meaning == "scalar" and len(arguments) == 2:
        return array_of((1,), arguments[0], arguments[1], "C", budget)[0].item()
    if meaning == "_frombuffer" and len(arguments) == 4 and arguments[3] in ("C", "F"):
        content, dtype, shape, order = arguments
        return Array(array_of(shape, dtype, content, order, budget))
    if meaning == "encode" and len(arguments) == 2 and arguments[1] in ("latin1", "latin-1"):
        return _bytes(arguments[0], budget)
    if meaning == "_reconstructor" and len(arguments) == 3:
        target, base, state = arguments
        is_sparse = isinstance(target, Name) and target.meaning.startswith("sparse:")
        if is_sparse and base == Name("object") and state is None:
            return SparseRecord(target.meaning[-3:])
    raise RefusedError(f"a call of {meaning} that no array or matrix makes")


def set_state(target: Any, state: Any, budget: Budget) -> None:
    """Give a matrix its attributes, an array its content or a type its byte order."""
    if isinstance(target, SparseRecord) and type(state) is dict and not target.state:
        target.state.update(state)
    elif isinstance(target, Array) and target.value is None and type(state) is tuple and len(state) == 5:
        _, shape, dtype, column_major, content = state
        target.value = array_of(shape, dtype, content, "F" if column_major else "C", budget)
    elif isinstance(target, Dtype) and type(state) is tuple and len(state) >= 8:
        if state[1] not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
            raise RefusedError("an array of records")
        target.order = state[1]
    else:
        raise RefusedError("a state set on something that takes none")


def array_of(shape: Any, dtype: Any, content: Any, order: str, budget: Budget) -> npt.NDArray[Any]:
    """Return the stored array in this machine's byte order, read-only where it needs no copy."""
    if not isinstance(dtype, Dtype):
        raise RefusedError("an array without an allowed type")
    if type(shape) is not tuple or not all(type(side) is int and side >= 0 for side in shape):
        raise RefusedError("an array without a shape")
    values = np.frombuffer(_bytes(content, budget), dtype=dtype.resolve())
    native = values.dtype.newbyteorder("=")
    if native != values.dtype:
        budget.spend(values.nbytes)
    return values.astype(native, copy=False).reshape(shape, order="F" if order == "F" else "C")


def _bytes(content: Any, budget: Budget) -> bytes:
    if type(content) is bytes:
        return content
    if not isinstance(content, str | bytearray):
        raise RefusedError(f"array content of type {type(content).__name__.strip('_')}")
    budget.spend(len(content))
    # Python 2 and protocols below 3 store bytes as latin-1 text.
    return content.encode("latin-1") if isinstance(content, str) else bytes(content)


def finish(value: Any, depth: int, done: dict[int, Any] | None = None) -> Any:
    """Return ``value`` with array records replaced by their arrays; leftovers are refused.

    ``done`` keeps what was finished, so that a container shared a million times costs one visit.
    """
    done = {} if done is None else done
    if depth > DEPTH_LIMIT:
        raise RefusedError(f"containers nested more than {DEPTH_LIMIT} deep")
    if id(value) in done:
        return done[id(value)]
    if isinstance(value, Array):
        if value.value is None:
            raise ValueError("an array without content")
        return value.value
    if isinstance(value, Dtype):
        return value.resolve()
    if value is None or type(value) in (str, int, float, bool, bytes, bytearray):
        return value
    finished: Any
    if isinstance(value, SparseRecord):
        finished = SparseRecord(value.form, finish(value.state, depth + 1, done))
    elif type(value) is dict:
        finished = {key: finish(part, depth + 1, done) for key, part in value.items()}
    elif type(value) in (list, tuple):
        finished = type(value)(finish(part, depth + 1, done) for part in value)
    else:
        raise RefusedError("a bare reference instead of data")
    done[id(value)] = finished
    return finished
