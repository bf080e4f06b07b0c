"""A reader of pickles that cannot execute anything.

Python's own unpickler imports and calls what a pickle names. This one never does: it walks the
opcodes with :mod:`pickletools`, keeps inert records on its own stack, and understands exactly
the shapes in which NumPy arrays and scipy.sparse matrices are stored, beside str, int, float,
bool, None, bytes, list, tuple and dict. A global outside the table below, or an opcode that could
call, subclass or look up anything else, ends the reading with :class:`UnsafePickleError`.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from irllrec.errors import DataError, UnsafePickleError

OPCODE_LIMIT = 20_000_000
DEPTH_LIMIT = 200
SPARSE_NAMES = frozenset(f"{kind}_{form}" for kind in ("coo", "csr", "csc") for form in ("matrix", "array"))
SPARSE_MODULES = frozenset(
    ["scipy.sparse"] + [f"scipy.sparse.{mark}{kind}" for kind in ("coo", "csr", "csc") for mark in ("", "_")]
)
_MARK = object()
_PUSHED = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING",
    "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
}  # fmt: skip
_DTYPE = re.compile(r"[<>|=]?(b1|i[1248]|u[1248]|f[248]|\?)")


@dataclass(frozen=True)
class _Name:
    """A global that a pickle mentions: a meaning from the table, never the thing itself."""

    meaning: str


@dataclass
class _Dtype:
    code: str
    order: str = "="

    def resolve(self) -> np.dtype[Any]:
        plain = np.dtype(self.code)
        if self.order == "<":
            return plain.newbyteorder("<")
        return plain.newbyteorder(">") if self.order == ">" else plain


@dataclass
class _Array:
    value: npt.NDArray[Any] | None = None


@dataclass(frozen=True)
class SparseRecord:
    """What a pickled scipy.sparse matrix holds, not yet checked: its format and its attributes."""

    form: str
    state: dict[str, Any] = field(default_factory=dict)


class _RefusedError(Exception):
    """Internal: why the pickle is not acceptable."""


def read_pickle(content: bytes, name: str) -> Any:
    """Return the plain value in a pickle: arrays, sparse records, containers, strings, numbers.

    Args:
        content: The bytes of the file.
        name: How the file is called in an error.

    Raises:
        UnsafePickleError: If the pickle names or does anything outside the allowed list.
        DataError: If the pickle is truncated or malformed.
    """
    machine = _Machine()
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(content)):
            if count > OPCODE_LIMIT:
                raise _RefusedError(f"more than {OPCODE_LIMIT} instructions")
            machine.step(opcode.name, argument)
        return _finish(machine.result, 0)
    except _RefusedError as error:
        raise UnsafePickleError(
            f"{name} is refused, and nothing of it was executed: it holds {error}, where only numpy arrays, "
            "scipy.sparse matrices, str, int, float, list and dict are allowed; get the file from its "
            "original source again."
        ) from None
    except (
        ValueError,
        TypeError,
        IndexError,
        KeyError,
        OverflowError,
        AttributeError,
        RecursionError,
    ) as error:
        reason = (str(error).splitlines() or ["unknown"])[0][:120]
        raise DataError(
            f"{name} is a truncated or malformed pickle ({reason}): fetch the file again."
        ) from None


def _meaning(module: str, name: str) -> str:
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
    raise _RefusedError(f"a reference to {module}.{name}"[:200])


class _Machine:
    """The stack and the memo of one reading."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.result: Any = None
        self.actions: dict[str, Callable[[Any], None]] = {
            "PROTO": lambda _: None, "FRAME": lambda _: None, "STOP": self._stop,
            "MARK": lambda _: self.stack.append(_MARK),
            "POP": lambda _: self._drop(), "POP_MARK": lambda _: self._drop_to_mark(),
            "DUP": lambda _: self.stack.append(self.stack[-1]),
            "NONE": lambda _: self.stack.append(None),
            "NEWTRUE": lambda _: self.stack.append(True), "NEWFALSE": lambda _: self.stack.append(False),
            "EMPTY_LIST": lambda _: self.stack.append([]), "EMPTY_DICT": lambda _: self.stack.append({}),
            "EMPTY_TUPLE": lambda _: self.stack.append(()),
            "LIST": lambda _: self.stack.append(self._since_mark()),
            "TUPLE": lambda _: self.stack.append(tuple(self._since_mark())),
            "TUPLE1": lambda _: self._tuple(1), "TUPLE2": lambda _: self._tuple(2),
            "TUPLE3": lambda _: self._tuple(3),
            "DICT": lambda _: self._fill_dict(self._since_mark(), new=True),
            "SETITEM": lambda _: self._fill_dict(self._take(2)),
            "SETITEMS": lambda _: self._fill_dict(self._since_mark()),
            "APPEND": lambda _: self._extend(self._take(1)),
            "APPENDS": lambda _: self._extend(self._since_mark()),
            "PUT": self._put, "BINPUT": self._put, "LONG_BINPUT": self._put,
            "MEMOIZE": lambda _: self._put(len(self.memo)),
            "GET": self._get, "BINGET": self._get, "LONG_BINGET": self._get,
            "GLOBAL": self._global, "STACK_GLOBAL": self._stack_global,
            "REDUCE": lambda _: self._reduce(), "NEWOBJ": lambda _: self._new(),
            "BUILD": lambda _: self._build(),
        }  # fmt: skip

    def step(self, opcode: str, argument: Any) -> None:
        if opcode in _PUSHED:
            self.stack.append(argument)
        elif opcode in self.actions:
            self.actions[opcode](argument)
        else:
            raise _RefusedError(f"the instruction {opcode}")

    def _stop(self, _: Any) -> None:
        (self.result,) = self.stack
        if self.result is _MARK:
            raise ValueError("it ends in the middle of a list")

    def _drop(self) -> None:
        self.stack.pop()

    def _drop_to_mark(self) -> None:
        self._since_mark()

    def _take(self, count: int) -> list[Any]:
        if len(self.stack) < count or any(value is _MARK for value in self.stack[-count:]):
            raise ValueError("an instruction finds too few values")
        taken = self.stack[-count:]
        del self.stack[-count:]
        return taken

    def _since_mark(self) -> list[Any]:
        taken: list[Any] = []
        while (value := self.stack.pop()) is not _MARK:
            taken.append(value)
        return taken[::-1]

    def _tuple(self, count: int) -> None:
        self.stack.append(tuple(self._take(count)))

    def _extend(self, values: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise _RefusedError("an append to something that is not a list")
        self.stack[-1].extend(values)

    def _fill_dict(self, values: list[Any], new: bool = False) -> None:
        if new:
            self.stack.append({})
        if type(self.stack[-1]) is not dict:
            raise _RefusedError("an item assignment to something that is not a dict")
        for key, value in zip(values[::2], values[1::2], strict=True):
            if type(key) not in (str, int, float):
                raise _RefusedError(f"a dict key of type {type(key).__name__.strip('_')}")
            self.stack[-1][key] = value

    def _put(self, key: Any) -> None:
        self.memo[int(key)] = self.stack[-1]

    def _get(self, key: Any) -> None:
        self.stack.append(self.memo[int(key)])

    def _global(self, argument: Any) -> None:
        module, _, name = str(argument).partition(" ")
        self.stack.append(_Name(_meaning(module, name)))

    def _stack_global(self, _: Any) -> None:
        module, name = self._take(2)
        if type(module) is not str or type(name) is not str:
            raise _RefusedError("a reference whose name is not a string")
        self.stack.append(_Name(_meaning(module, name)))

    def _reduce(self) -> None:
        target, arguments = self._take(2)
        if not isinstance(target, _Name) or type(arguments) is not tuple:
            raise _RefusedError("a call of something that is not an allowed name")
        self.stack.append(_call(target.meaning, arguments))

    def _new(self) -> None:
        target, arguments = self._take(2)
        if not (isinstance(target, _Name) and target.meaning.startswith("sparse:") and arguments == ()):
            raise _RefusedError("an object made in a way no sparse matrix is")
        self.stack.append(SparseRecord(target.meaning[-3:]))

    def _build(self) -> None:
        (state,) = self._take(1)
        target = self.stack[-1]
        if isinstance(target, SparseRecord) and type(state) is dict and not target.state:
            target.state.update(state)
        elif isinstance(target, _Array) and target.value is None and type(state) is tuple and len(state) == 5:
            _, shape, dtype, column_major, content = state
            target.value = _array(shape, dtype, content, "F" if column_major else "C")
        elif isinstance(target, _Dtype) and type(state) is tuple and len(state) >= 8:
            if state[1] not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
                raise _RefusedError("an array of records")
            target.order = state[1]
        else:
            raise _RefusedError("a state set on something that takes none")


def _call(meaning: str, arguments: tuple[Any, ...]) -> Any:
    """Return the record that an allowed call stands for."""
    if meaning == "dtype":
        code = arguments[0] if arguments else None
        if type(code) is not str or not _DTYPE.fullmatch(code):
            raise _RefusedError(f"an array of type {code!r:.40}")
        return _Dtype(code)
    if meaning == "_reconstruct" and len(arguments) == 3 and arguments[0] == _Name("ndarray"):
        return _Array()
    if meaning == "scalar" and len(arguments) == 2:
        return _array((1,), arguments[0], arguments[1], "C")[0].item()
    if meaning == "_frombuffer" and len(arguments) == 4 and arguments[3] in ("C", "F"):
        content, dtype, shape, order = arguments
        return _Array(_array(shape, dtype, content, order))
    if meaning == "encode" and len(arguments) == 2 and arguments[1] in ("latin1", "latin-1"):
        return _bytes(arguments[0])
    if meaning == "_reconstructor" and len(arguments) == 3:
        target, base, state = arguments
        is_sparse = isinstance(target, _Name) and target.meaning.startswith("sparse:")
        if is_sparse and base == _Name("object") and state is None:
            return SparseRecord(target.meaning[-3:])
    raise _RefusedError(f"a call of {meaning} that no array or matrix makes")


def _bytes(content: Any) -> bytes:
    if isinstance(content, str):  # Python 2 and protocols below 3 store bytes as latin-1 text
        return content.encode("latin-1")
    if isinstance(content, bytes | bytearray):
        return bytes(content)
    raise _RefusedError(f"array content of type {type(content).__name__.strip('_')}")


def _array(shape: Any, dtype: Any, content: Any, order: str) -> npt.NDArray[Any]:
    """Return a copy of the stored array; its size never exceeds that of the bytes it came in."""
    if not isinstance(dtype, _Dtype):
        raise _RefusedError("an array without an allowed type")
    if type(shape) is not tuple or not all(type(side) is int and side >= 0 for side in shape):
        raise _RefusedError("an array without a shape")
    values = np.frombuffer(_bytes(content), dtype=dtype.resolve())
    wide = values.astype(values.dtype.newbyteorder("="))
    return wide.reshape(shape, order="F" if order == "F" else "C")


def _finish(value: Any, depth: int, done: dict[int, Any] | None = None) -> Any:
    """Return ``value`` with array records replaced by their arrays; leftovers are refused.

    ``done`` keeps what was finished, so that a container shared a million times costs one visit.
    """
    done = {} if done is None else done
    if depth > DEPTH_LIMIT:
        raise _RefusedError(f"containers nested more than {DEPTH_LIMIT} deep")
    if id(value) in done:
        return done[id(value)]
    if isinstance(value, _Array):
        if value.value is None:
            raise ValueError("an array without content")
        return value.value
    if isinstance(value, _Dtype):
        return value.resolve()
    if value is None or type(value) in (str, int, float, bool, bytes, bytearray):
        return value
    finished: Any
    if isinstance(value, SparseRecord):
        finished = SparseRecord(value.form, _finish(value.state, depth + 1, done))
    elif type(value) is dict:
        finished = {key: _finish(part, depth + 1, done) for key, part in value.items()}
    elif type(value) in (list, tuple):
        finished = type(value)(_finish(part, depth + 1, done) for part in value)
    else:
        raise _RefusedError("a bare reference instead of data")
    done[id(value)] = finished
    return finished
