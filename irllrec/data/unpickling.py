"""A reader of pickles that cannot execute anything.

Python's own unpickler imports and calls what a pickle names. This one never does: it walks the
opcodes with :mod:`pickletools`, keeps inert records on its own stack, and understands exactly
the shapes in which NumPy arrays and scipy.sparse matrices are stored, beside str, int, float,
bool, None, bytes, list, tuple and dict. A global outside the table of ``pickled_records``, or an
opcode that could call, subclass or look up anything else, ends the reading with
:class:`UnsafePickleError`.

Memory stays within a few times the size of the file and 100 bytes for each of at most
``OPCODE_LIMIT`` instructions.
"""

from __future__ import annotations

import mmap
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from irllrec.data.pickled_records import (
    Budget,
    Name,
    RefusedError,
    SparseRecord,
    call,
    finish,
    meaning_of,
    set_state,
)
from irllrec.errors import DataError, UnsafePickleError

OPCODE_LIMIT = 5_000_000
KEY_LIMIT = 2**60
MOST_LARGE_KEYS = 1000
"""Whole numbers beyond the limit can share hashes; filling a dict with such takes the square of their number."""
_MARK = object()
_PUSHED = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING",
    "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
}  # fmt: skip


def read_pickle(content: bytes, name: str) -> Any:
    """Return the plain value in a pickle: arrays, sparse records, containers, strings, numbers.

    Args:
        content: The bytes of the file.
        name: How the file is called in an error.

    Raises:
        UnsafePickleError: If the pickle names or does anything outside the allowed list.
        DataError: If the pickle is truncated or malformed.
    """
    return _read(content, len(content), name)


def read_pickle_file(path: Path) -> Any:
    """Return the plain value in a pickle file, which is never in memory as a whole beside its value.

    Arrays may be read-only.

    Raises:
        UnsafePickleError: As :func:`read_pickle`.
        DataError: If the file is missing, empty, truncated or malformed.
    """
    try:
        with path.open("rb") as handle:
            if not path.stat().st_size:
                raise DataError(f"{path} is empty: fetch the file again.")
            with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return _read(content, len(content), str(path))
    except FileNotFoundError:
        raise DataError(f"{path} is missing: fetch it with `repro data fetch`.") from None


def _read(content: Any, size: int, name: str) -> Any:
    # Text protocols need one copy of an array's bytes, a foreign byte order another.
    machine = _Machine(Budget(2 * size))
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(content)):
            if count > OPCODE_LIMIT:
                raise RefusedError(f"more than {OPCODE_LIMIT} instructions")
            machine.step(opcode.name, argument)
        return finish(machine.result, 0)
    except RefusedError as error:
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


class _Machine:
    """The stack and the memo of one reading."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.result: Any = None
        self.large_keys = 0
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
            raise RefusedError(f"the instruction {opcode}")

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
            raise RefusedError("an append to something that is not a list")
        self.stack[-1].extend(values)

    def _fill_dict(self, values: list[Any], new: bool = False) -> None:
        if new:
            self.stack.append({})
        if type(self.stack[-1]) is not dict:
            raise RefusedError("an item assignment to something that is not a dict")
        for key, value in zip(values[::2], values[1::2], strict=True):
            if type(key) not in (str, int, float):
                raise RefusedError(f"a dict key of type {type(key).__name__.strip('_')}")
            if type(key) is int and abs(key) > KEY_LIMIT:
                self.large_keys += 1
                if self.large_keys > MOST_LARGE_KEYS:
                    raise RefusedError("dict keys beyond any number of a node")
            self.stack[-1][key] = value

    def _put(self, key: Any) -> None:
        self.memo[int(key)] = self.stack[-1]

    def _get(self, key: Any) -> None:
        self.stack.append(self.memo[int(key)])

    def _global(self, argument: Any) -> None:
        module, _, name = str(argument).partition(" ")
        self.stack.append(Name(meaning_of(module, name)))

    def _stack_global(self, _: Any) -> None:
        module, name = self._take(2)
        if type(module) is not str or type(name) is not str:
            raise RefusedError("a reference whose name is not a string")
        self.stack.append(Name(meaning_of(module, name)))

    def _reduce(self) -> None:
        target, arguments = self._take(2)
        if not isinstance(target, Name) or type(arguments) is not tuple:
            raise RefusedError("a call of something that is not an allowed name")
        self.stack.append(call(target.meaning, arguments, self.budget))

    def _new(self) -> None:
        target, arguments = self._take(2)
        if not (isinstance(target, Name) and target.meaning.startswith("sparse:") and arguments == ()):
            raise RefusedError("an object made in a way no sparse matrix is")
        self.stack.append(SparseRecord(target.meaning[-3:]))

    def _build(self) -> None:
        (state,) = self._take(1)
        set_state(self.stack[-1], state, self.budget)
