"""Malicious pickles, made by code: each would make the canary file, or take all memory or time, if it could."""

# ruff: noqa: E501 - one line a pickle reads better than four

from __future__ import annotations

import importlib
import io
import os
import pickle
import struct
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse


class Calls:
    """Pickles as a call of ``function`` with ``arguments``, and what else ``__reduce__`` may return."""

    def __init__(self, function: Any, *arguments: Any, more: tuple[Any, ...] = ()) -> None:
        self.reduced = (function, arguments, *more)

    def __reduce__(self) -> Any:
        return self.reduced


def text(value: str) -> bytes:
    """Return the instruction that pushes a string."""
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def name(module: str, attribute: str) -> bytes:
    """Return the instruction GLOBAL."""
    return f"c{module}\n{attribute}\n".encode()


def stack_name(module: str, attribute: str) -> bytes:
    """Return the instructions that end in STACK_GLOBAL."""
    return text(module) + text(attribute) + b"\x93"


def call(function: bytes, *arguments: bytes) -> bytes:
    """Return the instructions of a call."""
    return function + b"(" + b"".join(arguments) + b"tR"


def pickled(body: bytes, protocol: int = 2) -> bytes:
    """Return a whole pickle around a body."""
    return bytes([0x80, protocol]) + body + b"."


def honest(protocol: int = 2) -> bytes:
    return pickle.dumps(scipy.sparse.coo_matrix(np.eye(2)), protocol=protocol)


_DTYPE = call(name("numpy", "dtype"), text("f8"), b"I0\n", b"I1\n")


def array(state: bytes, kind: bytes = b"cnumpy\nndarray\n") -> bytes:
    """Return the instructions of an array as NumPy pickles it, with a state of one's own."""
    return call(name("numpy.core.multiarray", "_reconstruct"), kind, b"(I0\nt", b"U\x01b") + state + b"b"


def executing(canary: Path) -> dict[str, bytes]:
    """Return pickles that would make ``canary`` if any part of them were executed."""
    command = f"touch {canary}"
    code = f"open({str(canary)!r}, 'w').close()"
    lines = f"import os\nos.system({command!r})"
    run = call(name("posix", "system"), text(command))
    made: dict[str, bytes] = {}
    for protocol in range(6):
        for label, value in (
            ("os.system", Calls(os.system, command)),
            ("subprocess", Calls(subprocess.check_call, ["touch", str(canary)])),
            ("eval", Calls(eval, code)),
        ):
            made[f"{label}, protocol {protocol}"] = pickle.dumps(value, protocol=protocol)
    made |= {
        "exec": pickle.dumps(Calls(exec, lines)),
        "__import__": pickled(call(name("builtins", "__import__"), text("os"))),
        "getattr of a module": pickled(
            call(call(name("builtins", "getattr"), call(name("builtins", "__import__"), text("os")), text("system")), text(command))
        ),
        "open for writing": pickle.dumps(Calls(open, str(canary), "w")),
        "pathlib's touch": pickled(call(name("pathlib", "Path.touch"), call(name("pathlib", "Path"), text(str(canary)))), 4),
        "dotted name": pickled(stack_name("os", "path.os.system") + text(command) + b"\x85R", 4),
        "dotted name below scipy": pickled(stack_name("scipy.sparse", "coo_matrix.__class__") + text(command) + b"\x85R", 4),
        "dotted name below numpy": pickled(stack_name("numpy", "ndarray.__reduce__") + b")R", 4),
        "functools.partial": pickled(call(call(name("functools", "partial"), name("posix", "system"), text(command)))),
        "operator.methodcaller": pickled(
            call(call(name("operator", "methodcaller"), text("touch")), call(name("pathlib", "Path"), text(str(canary))))
        ),
        "operator.attrgetter": pickled(call(call(name("operator", "attrgetter"), text("system")), text("os"))),
        "importlib.import_module": pickle.dumps(Calls(importlib.import_module, "os")),
        "runpy": pickled(call(name("runpy", "run_path"), text(str(canary)))),
        "code.interact": pickled(call(name("code", "InteractiveInterpreter"))),
        "pickle.loads inside": pickled(call(name("pickle", "loads"), b"B" + struct.pack("<I", len(run) + 1) + run + b".")),
        "_pickle.loads inside": pickled(call(name("_pickle", "loads"), text("x"))),
        "marshal and types": pickled(call(name("types", "FunctionType"), call(name("marshal", "loads"), text("x")))),
        "ctypes": pickled(call(name("ctypes", "CDLL"), text("libc.so.6"))),
        "numpy.load": pickled(call(name("numpy", "load"), text(str(canary)), b"N", b"\x88")),
        "numpy.fromfile": pickled(call(name("numpy", "fromfile"), text("/etc/passwd"))),
        "numpy.memmap": pickled(call(name("numpy", "memmap"), text(str(canary)), text("u1"), text("w+"), b"K\x00", b"(K\x01t")),
        "numpy's runstring": pickled(call(name("numpy.testing._private.utils", "runstring"), text(lines), b"}")),
        "numpy's compile": pickled(call(name("numpy.f2py", "compile"), text(lines))),
        "scipy.sparse.load_npz": pickled(call(name("scipy.sparse", "load_npz"), text(str(canary)))),
        "pandas.read_pickle": pickled(call(name("pandas", "read_pickle"), text(str(canary)))),
        "pandas.eval": pickled(call(name("pandas", "eval"), text(code))),
        "torch.load": pickled(call(name("torch", "load"), text(str(canary)))),
        "INST": b"(S" + repr(command).encode() + b"\niposix\nsystem\n.",
        "OBJ": b"(" + name("posix", "system") + b"S" + repr(command).encode() + b"\no.",
        "NEWOBJ": pickled(name("subprocess", "Popen") + text(command) + b"\x85\x81"),
        "NEWOBJ_EX": pickled(name("subprocess", "Popen") + text(command) + b"\x85}\x92", 4),
        "NEWOBJ of a name from the memo": pickled(name("subprocess", "Popen") + b"q\x000h\x00" + text(command) + b"\x85\x81"),
        "STACK_GLOBAL": pickled(stack_name("posix", "system") + text(command) + b"\x85R", 4),
        "STACK_GLOBAL of names from the memo": pickled(
            text("system") + b"\x94" + text("posix") + b"\x94" + b"00h\x01h\x00\x93" + text(command) + b"\x85R", 4
        ),
        "STACK_GLOBAL of no strings": pickled(b"K\x01K\x02\x93", 4),
        "EXT1": pickled(b"\x82\x01"), "EXT2": pickled(b"\x83\x01\x02"), "EXT4": pickled(b"\x84\x01\x02\x03\x04"),
        "persistent id": b"Pos.system\n.",
        "binary persistent id": pickled(text("os.system") + b"Q"),
        "next buffer": pickled(b"\x97", 5), "read-only buffer": pickled(b"K\x01\x98", 5),
        "BUILD with a __setstate__ of one's own": pickled(
            name("scipy.sparse", "coo_matrix") + b")\x81}" + text("__setstate__") + name("posix", "system") + b"sb"
        ),
        "BUILD after BUILD": pickled(
            name("scipy.sparse", "coo_matrix") + b")\x81}" + text("__setstate__") + run + b"sb" + text(command) + b"b"
        ),
        "BUILD on a module": pickled(name("numpy", "dtype") + b"}" + text("__call__") + run + b"sb"),
        "BUILD with a pair of states": pickled(
            name("scipy.sparse", "coo_matrix") + b")\x81N}" + text("__class__") + run + b"s\x86b"
        ),
        "BUILD of an array by a call": pickled(array(run)),
        "content of an array from a call": pickled(array(b"(I1\n(I1\nt" + _DTYPE + b"I00\n" + run + b"t")),
        "state of a type from a call": pickled(_DTYPE + b"(K\x03" + text("<") + run + b"tb"),
        "hidden in the matrix": pickled(name("scipy.sparse", "csr_matrix") + b")\x81}" + text("data") + run + b"sb"),
        "_reconstruct of a foreign class": pickled(array(b"N", kind=name("subprocess", "Popen"))),
        "_reconstruct of a subclass": pickled(array(b"N", kind=name("numpy", "memmap"))),
        "array of objects": pickle.dumps(np.array([Calls(os.system, command)], dtype=object)),
        "empty array of objects": pickle.dumps(np.array([], dtype=object)),
        "array of records": pickle.dumps(np.zeros(2, dtype=[("a", "O")])),
        "type of objects": pickle.dumps(np.dtype("O")),
        "type with metadata": pickle.dumps(np.dtype("f8", metadata={"a": 1})),
        "scalar of an object": pickled(
            call(name("numpy.core.multiarray", "scalar"), call(name("numpy", "dtype"), text("O"), b"I0\n", b"I1\n"), run)
        ),
        "copyreg of a foreign class": pickled(
            call(name("copy_reg", "_reconstructor"), name("subprocess", "Popen"), name("__builtin__", "object"), b"N")
        ),
        "copyreg with a state": pickled(
            call(name("copyreg", "_reconstructor"), name("scipy.sparse", "coo_matrix"), name("builtins", "object"), run)
        ),
        "copyreg.__newobj__": pickled(call(name("copyreg", "__newobj__"), name("subprocess", "Popen"), text(command))),
        "a codec that runs": pickled(call(name("_codecs", "encode"), text("abc"), text("zlib"))),
        "state, items and pairs of __reduce__": pickle.dumps(
            Calls(dict, more=({"a": 1}, iter([Calls(os.system, command)]), None))
        ),
        "as a key": pickled(b"}" + run + b"K\x01s"),
        "as a shape": pickled(array(b"(I1\n" + run + _DTYPE + b"I00\nC\x00t")),
        "behind an honest matrix": honest()[:-1] + b"0" + run + b".",
        "before an honest matrix": pickled(run + b"0") [:-1] + honest()[2:],
        "frame that hides what follows": b"\x80\x04\x95" + struct.pack("<Q", 1) + b"N" + stack_name("posix", "system") + b".",
    }  # fmt: skip
    return made


def exhausting() -> dict[str, bytes]:
    """Return pickles that would take all memory, all time or the whole stack."""
    laugh = b"]q\x00" + b"".join(
        b"](h" + bytes([i]) + b"h" + bytes([i]) + b"eq" + bytes([i + 1]) for i in range(200)
    )
    tuples = b"K\x01" + b"2\x86" * 200
    buffer, huge = b"B" + struct.pack("<I", 1 << 19) + bytes(1 << 19), 1 << 62
    collide = b"".join(
        b"\x8a\x0a" + (n * (2**61 - 1)).to_bytes(10, "little") + b"N" for n in range(1, 60_000)
    )
    shape_of = name("scipy.sparse", "coo_matrix") + b")\x81}" + text("shape")
    return {
        "laughing lists": pickled(laugh), "laughing tuples": pickled(tuples),
        "laughing type": pickled(call(name("numpy", "dtype"), laugh)),
        "laughing shape": pickled(shape_of + laugh + b"sb"), "laughing tuple as shape": pickled(shape_of + tuples + b"sb"),
        "laughing content": pickled(array(b"(I1\n(I1\nt" + _DTYPE + b"I00\n" + laugh + b"t")),
        "deep list": pickled(b"]" * 300_000 + b"a" * 299_999), "deep tuple": pickled(b")" + b"\x85" * 300_000),
        "deep dict": pickled(b"K\x01" * 100_000), "marks": pickled(b"(" * 400_000),
        "holds itself": pickled(b"]q\x00h\x00a"), "holds itself by a dict": pickled(b"}q\x00K\x00h\x00s"),
        "matrix in itself": pickled(name("scipy.sparse", "coo_matrix") + b")\x81q\x00}" + text("data") + b"h\x00sb"),
        "DUP without end": pickled(b"K\x01" + b"2" * 5_000_001),
        "LONG4 of two gigabytes": pickled(b"\x8b\xff\xff\xff\x7f" + bytes(9)),
        "LONG4 of a negative length": pickled(b"\x8b\xff\xff\xff\xff" + bytes(9)),
        "LONG of a million digits": b"L" + b"9" * 1_000_000 + b"L\n.", "INT of a million digits": b"I" + b"9" * 1_000_000 + b"\n.",
        "BINUNICODE8 of exabytes": pickled(b"\x8d" + struct.pack("<Q", huge) + b"abc", 4),
        "BINBYTES8 of exabytes": pickled(b"\x8e" + struct.pack("<Q", huge) + b"abc", 4),
        "BYTEARRAY8 of exabytes": pickled(b"\x96" + struct.pack("<Q", huge) + b"abc", 5),
        "BINSTRING of a negative length": pickled(b"T\xff\xff\xff\xff"), "FRAME of exabytes": pickled(b"\x95" + struct.pack("<Q", huge), 4),
        "memo number of four billion": pickled(b"K\x01r\xff\xff\xff\xff"), "memo that is not there": pickled(b"j\xff\xff\xff\xff"),
        "PUT of a huge number": b"I1\np" + b"9" * 5000 + b"\n.", "PUT on nothing": pickled(b"q\x00"),
        "array of exabytes": pickled(array(b"(I1\n(L99999999999999999L\nt" + _DTYPE + b"I00\nC\x08" + bytes(8) + b"t")),
        "array of many sides": pickled(array(b"(I1\n(" + b"I1\n" * 5000 + b"t" + _DTYPE + b"I00\nC\x08" + bytes(8) + b"t")),
        "array of a negative side": pickled(array(b"(I1\n(I-1\nt" + _DTYPE + b"I00\nC\x08" + bytes(8) + b"t")),
        "matrix of a huge side": pickled(shape_of + b"(L" + b"9" * 300 + b"L\nI2\ntsb"),
        "one content in a thousand arrays": pickled(
            buffer + b"q\x000](" + array(b"(I1\n(J\x00\x00\x01\x00t" + call(name("numpy", "dtype"), text(">f8"))
            + b"I00\nh\x00t") * 1000 + b"e", 3),
        "keys of one hash": pickled(b"}(" + collide + b"u"),
        "keys that are huge": pickled(b"}\x8b" + struct.pack("<i", 10_000) + b"\x7f" * 10_000 + b"Ns"),
    }  # fmt: skip


def malformed() -> dict[str, bytes]:
    """Return pickles that are cut, patched together, or in another file's clothes."""
    whole = honest(4)
    made = {f"cut to {part} of 7": whole[: len(whole) * part // 7] for part in range(1, 7)}
    nested = pickle.dumps(pickle.dumps(Calls(os.system, "true")))
    return {
        **made,
        "empty": b"", "only the end": b".", "nothing on the stack": pickled(b""), "too much on the stack": pickled(b"NN"),
        "a mark as value": pickled(b"("), "POP of nothing": pickled(b"0"), "POP_MARK of nothing": pickled(b"1"),
        "SETITEM on a list": pickled(b"]NNs"), "APPEND to a dict": pickled(b"}Na"), "odd items": pickled(b"}(Nu"),
        "protocol 255": pickled(b"N", 255), "unknown instruction": pickled(b"\xff"), "a tuple as key": pickled(b"})Ns"),
        "no number": b"Iabc\n.", "no float": b"Fabc\n.", "no string": b"Sabc\n.", "no UTF-8": pickled(b"X\x01\x00\x00\x00\xff"),
        "escape sequences in a name": pickled(stack_name("\x1b]0;x\x07\x1b[2J", "\u202e\nsystem"), 4),
        "half of a pair in a name": pickled(b"\x8c\x03\xed\xa0\x80" + text("x") + b"\x93", 4),
        "a pickle in a pickle": nested, "a set": pickle.dumps({1, 2}), "a class": pickle.dumps(Path("x")),
        "in a zip": _zipped(honest()), "in a tar": _tarred(honest()), "in an npz": _npz(),
        "a torch checkpoint": _zipped(pickle.dumps(Calls(os.system, "true")), "archive/data.pkl"),
    }  # fmt: skip


def _zipped(content: bytes, member: str = "x.pkl") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(member, content)
    return buffer.getvalue()


def _tarred(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("x.pkl")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def trailing() -> dict[str, Callable[[], bytes]]:
    """Return honest pickles with something behind their end, which no reader of pickles looks at."""
    return {"one more pickle": lambda: honest() + pickled(b"N"), "a byte": lambda: honest() + b"x"}
