"""Hostile, odd and honest pickles; a canary file proves that nothing in a pickle ever ran."""

import os
import pickle
import pickletools
import struct
import subprocess
import tracemalloc
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from irllrec.data.reading import read_matrix
from irllrec.data.unpickling import read_pickle, read_pickle_file
from irllrec.errors import DataError, UnsafePickleError

FORMS = ("coo_matrix", "csr_matrix", "csc_matrix", "coo_array", "csr_array", "csc_array")


class _Calls:
    """Pickles as a call of ``function`` with ``arguments``."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.reduced = (function, arguments)

    def __reduce__(self) -> Any:
        return self.reduced


def _hostile(canary: Path) -> dict[str, bytes]:
    """Return pickles that would make ``canary`` if any byte of them were executed."""
    command = f"touch {canary}"
    code = f"open({str(canary)!r}, 'w').close()"
    quoted = repr(command).encode()
    text = command.encode()
    honest = scipy.sparse.coo_matrix(np.eye(2))
    system = b"cposix\nsystem\n"
    corpus = {
        "os.system": pickle.dumps(_Calls(os.system, command)),
        "os.system, protocol 0": pickle.dumps(_Calls(os.system, command), protocol=0),
        "eval": pickle.dumps(_Calls(eval, code)),
        "exec": pickle.dumps(_Calls(exec, code)),
        "getattr": b"cbuiltins\ngetattr\n.",
        "subprocess": pickle.dumps(_Calls(subprocess.check_call, ["touch", str(canary)])),
        "inside a list": pickle.dumps([1, {"a": [_Calls(os.system, command)]}]),
        "beside a matrix": pickle.dumps([honest, _Calls(os.system, command)]),
        "as a dict key": pickle.dumps({"ok": 1, "x": _Calls(os.system, command)}),
        "numpy.load": b"cnumpy\nload\n(V" + text + b"\ntR.",
        "numpy.f2py": b"cnumpy.f2py\ncompile\n.",
        "scipy attribute": b"cscipy.sparse\nload_npz\n.",
        "dotted name": b"\x80\x04\x8c\x0cscipy.sparse\x94\x8c\x0bcoo.os.path\x94\x93.",
        "stack global by memo": b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x940h\x00h\x01\x93"
        + b"\x8c"
        + bytes([len(text)])
        + text
        + b"\x85R.",
        "INST": b"(S" + quoted + b"\niposix\nsystem\n.",
        "OBJ": b"(" + system + b"S" + quoted + b"\no.",
        "NEWOBJ of a foreign class": b"\x80\x02csubprocess\nPopen\nX"
        + struct.pack("<I", len(text))
        + text
        + b"\x85\x81.",
        "NEWOBJ_EX": b"\x80\x04cscipy.sparse\ncoo_matrix\n)}\x92.",
        "REDUCE of a matrix class": b"cscipy.sparse\ncoo_matrix\n((I9999999\nI9999999\nttR.",
        "REDUCE of ndarray": b"cnumpy\nndarray\n((I99999999\ntI1\ntR.",
        "EXT1": b"\x80\x02\x82\x01.",
        "EXT4": b"\x80\x02\x84\x01\x00\x00\x00.",
        "persistent id": b"Pabc\n.",
        "binary persistent id": b"\x80\x02X\x01\x00\x00\x00aQ.",
        "BUILD on a name": b"\x80\x02cnumpy\ndtype\n}X\x08\x00\x00\x00__call__K\x01sb.",
        "BUILD of a class's setstate": b"\x80\x02cscipy.sparse\ncoo_matrix\n}X\x0c\x00\x00\x00__setstate__"
        + system
        + b"sb.",
        "hidden in matrix state": b"\x80\x02cscipy.sparse\ncoo_matrix\n)\x81}X\x04\x00\x00\x00data"
        + system
        + b"(S"
        + quoted
        + b"\ntRsb.",
        "object array": pickle.dumps(np.array([_Calls(os.system, command)], dtype=object)),
        "empty object array": pickle.dumps(np.array([], dtype=object)),
        "object dtype": pickle.dumps(np.dtype("O")),
        "record dtype": pickle.dumps(np.zeros(2, dtype=[("a", "i4")])),
        "scalar of an object": b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'O'\nI0\nI1\ntRI1\ntR.",
        "_reconstruct of a foreign class": b"cnumpy.core.multiarray\n_reconstruct\n("
        + system
        + b"(I0\ntS'b'\ntR.",
        "copyreg of a foreign class": b"ccopy_reg\n_reconstructor\n("
        + system
        + b"c__builtin__\nobject\nNtR.",
        "codec of another kind": b"c_codecs\nencode\n(Vabc\nVrot13\ntR.",
        "a class of the library": pickle.dumps(OrderedDict(a=1)),
        "a set": pickle.dumps({1, 2}),
        "bare name": b"cnumpy\nndarray\n.",
        "a tuple as key": pickle.dumps({(1, 2): 3}),
    }
    corpus["several pickles in one"] = corpus["stack global by memo"] + pickle.dumps(1)
    return corpus


NAMES = sorted(_hostile(Path("unused")))


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_pickle_is_refused_without_executing_a_byte_of_it(name: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    path = tmp_path / "bad.pkl"
    path.write_bytes(_hostile(canary)[name])
    with pytest.raises(
        UnsafePickleError, match=r"bad\.pkl is refused, and nothing of it was executed"
    ) as caught:
        read_matrix(path)
    assert "\n" not in str(caught.value)
    assert not canary.exists()


def test_the_canary_works_with_the_unpickler_of_python(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    pickle.loads(_hostile(canary)["os.system"])
    assert canary.exists()


def test_refusing_names_what_the_pickle_refers_to() -> None:
    with pytest.raises(UnsafePickleError, match=r"a reference to (posix|nt)\.system"):
        read_pickle(pickle.dumps(_Calls(os.system, "true")), "x.pkl")


def test_every_truncation_of_a_pickle_is_refused() -> None:
    whole = pickle.dumps(scipy.sparse.coo_matrix(np.eye(3)))
    for length in range(len(whole)):
        with pytest.raises(DataError):
            read_pickle(whole[:length], "x.pkl")


def test_no_single_flipped_byte_escapes_as_another_error() -> None:
    """Of every pickle with one byte changed, each is read or refused; nothing else is ever raised."""
    whole = pickle.dumps(scipy.sparse.coo_matrix(np.eye(3)))
    refused = 0
    for position in range(len(whole)):
        for value in (0x00, 0x2E, 0x52, 0x80, 0xFF):
            changed = whole[:position] + bytes([value]) + whole[position + 1 :]
            try:
                read_pickle(changed, "x.pkl")
            except DataError:
                refused += 1
    assert refused > len(whole)


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(UnsafePickleError, match="nested"):
        read_pickle(pickle.dumps(loop), "x.pkl")


def test_a_value_that_doubles_at_every_level_is_read_in_linear_time() -> None:
    value: Any = [1]
    for _ in range(60):
        value = [value, value]
    read = read_pickle(pickle.dumps(value), "x.pkl")
    for _ in range(60):
        read = read[1]
    assert read == [1]


def test_a_memo_number_of_four_billion_costs_no_memory() -> None:
    assert read_pickle(b"\x80\x02K\x01r\xff\xff\xff\xff.", "x.pkl") == 1


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("form", FORMS)
def test_matrices_of_every_form_and_protocol_are_read(form: str, protocol: int, tmp_path: Path) -> None:
    dense = np.array([[0, 1, 0, 2], [0, 0, 0, 0], [1, 0, 0, 1]])
    path = tmp_path / "matrix.pkl"
    path.write_bytes(pickle.dumps(getattr(scipy.sparse, form)(dense), protocol=protocol))
    matrix = read_matrix(path)
    assert (matrix.user_count, matrix.item_count, matrix.duplicates_removed) == (3, 4, 0)
    pairs = set(zip(matrix.users.tolist(), matrix.items.tolist(), strict=True))
    assert pairs == {(0, 1), (0, 3), (2, 0), (2, 3)}


@pytest.mark.parametrize("kind", ["?", "i1", "u2", "<i4", ">i4", "i8", "f2", ">f4", "f8"])
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_arrays_come_back_as_they_were(kind: str, protocol: int) -> None:
    array = np.asfortranarray(np.arange(6).reshape(2, 3).astype(kind))
    read = read_pickle(pickle.dumps({"a": [array, 1.5, "ü", None, True, 10**30]}, protocol=protocol), "x.pkl")
    np.testing.assert_array_equal(read["a"][0], array)
    assert read["a"][1:] == [1.5, "ü", None, True, 10**30]


def test_numpy_scalars_come_back_as_numbers() -> None:
    assert read_pickle(pickle.dumps([np.float32(1.5), np.int64(-3)]), "x.pkl") == [1.5, -3]


def test_names_of_old_scipy_and_numpy_versions_are_known() -> None:
    content = pickle.dumps(scipy.sparse.coo_matrix(np.eye(2)), protocol=2)
    old = content.replace(b"cscipy.sparse._coo\n", b"cscipy.sparse.coo\n")
    old = old.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
    assert old != content
    assert {argument for code, argument, _ in pickletools.genops(old) if code.name == "GLOBAL"} >= {
        "scipy.sparse.coo coo_matrix"
    }
    assert read_pickle(old, "x.pkl").form == "coo"


def test_a_file_is_read_as_its_bytes_are(tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    for protocol in range(6):
        path.write_bytes(pickle.dumps({1: ["a", np.arange(3.0)]}, protocol=protocol))
        (read,) = read_pickle_file(path).values()
        assert read[0] == "a"
        np.testing.assert_array_equal(read[1], [0.0, 1.0, 2.0])


def test_an_array_in_a_file_takes_its_own_memory_once(tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    array = np.zeros((1000, 1000))
    path.write_bytes(pickle.dumps(array, protocol=4))
    tracemalloc.start()
    try:
        read = read_pickle_file(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert read.shape == (1000, 1000)
    assert peak < 1.2 * array.nbytes


def _many_arrays_of_the_same_bytes(count: int) -> bytes:
    """Return a pickle of big-endian arrays that all mention the same megabyte."""
    head = b"\x80\x03B" + struct.pack("<I", 1 << 20) + bytes(1 << 20) + b"q\x000]("
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
        b"(K\x01J\x00\x00\x02\x00\x85cnumpy\ndtype\nX\x02\x00\x00\x00f8K\x00K\x01\x87R"
        b"(K\x03X\x01\x00\x00\x00>NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89h\x00tb"
    )
    return head + array * count + b"e."


def test_bytes_that_many_arrays_mention_are_not_copied_without_end() -> None:
    """Two copies of the file's own size are allowed, which two arrays of its one megabyte make."""
    assert len(read_pickle(_many_arrays_of_the_same_bytes(2), "x.pkl")) == 2
    with pytest.raises(UnsafePickleError, match="arrays much larger than the file"):
        read_pickle(_many_arrays_of_the_same_bytes(4), "x.pkl")


@pytest.mark.parametrize(
    "head", [b"B\xff\xff\xff\xff", b"X\xff\xff\xff\xff", b"\x8e" + b"\xff" * 7 + b"\x0f"]
)
def test_a_length_beyond_the_file_costs_no_memory(head: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(b"\x80\x04" + head + b"abc.")
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="truncated or malformed"):
            read_pickle_file(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20
