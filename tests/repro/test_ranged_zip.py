"""Members of zips that are honest, odd, damaged and hostile."""

import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from irllrec.errors import DataError
from repro import ranged_zip
from repro.ranged_zip import as_member, extract, read_directory
from repro.spans import LocalFile

NAME = "data/amazon/usr_prf.pkl"
TEXT = b"profiles, " * 100
NOISE = np.random.default_rng(3).bytes(100_000)
LIMIT = 1 << 20


def _zip(
    members: dict[str, bytes] | None = None, *, method: int = zipfile.ZIP_DEFLATED, comment: bytes = b""
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in (members or {"before": NOISE, NAME: TEXT, "behind": NOISE}).items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            archive.writestr(info, content)
        archive.comment = comment
    return buffer.getvalue()


def _open(content: bytes, folder: Path) -> LocalFile:
    (folder / "data.zip").write_bytes(content)
    return LocalFile(folder / "data.zip", len(content))


def _extract(content: bytes, folder: Path, name: str = NAME, limit: int = LIMIT) -> bytes:
    archive = _open(content, folder)
    (info,) = [info for info in read_directory(archive) if info.filename == name]
    extract(archive, as_member(archive, info, limit), folder / "out", lambda _: None)
    assert sorted(path.name for path in folder.iterdir()) == ["data.zip", "out"]
    return (folder / "out").read_bytes()


def _refused(content: bytes, folder: Path, *words: str) -> None:
    with pytest.raises(DataError) as caught:
        _extract(content, folder)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert [word for word in words if word not in sentence] == [], sentence
    assert [path.name for path in folder.iterdir()] == ["data.zip"]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("content", [b"", b"x", TEXT, NOISE, bytes(5 << 20)])
def test_a_member_comes_out_as_it_went_in(method: int, content: bytes, tmp_path: Path) -> None:
    zipped = _zip({"before": TEXT, "ä/b": content, "behind": b""}, method=method)
    assert _extract(zipped, tmp_path, "ä/b", limit=6 << 20) == content


def test_a_zip_of_large_numbers_and_unknown_sizes_is_read(tmp_path: Path) -> None:
    """Written to a stream: sizes follow the content, in the 64 bit form."""

    class Stream(io.BytesIO):
        def seekable(self) -> bool:
            return False

    stream = Stream()
    with (
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(zipfile.ZipInfo(NAME), "w", force_zip64=True) as handle,
    ):
        handle.write(TEXT)
    assert _extract(stream.getvalue(), tmp_path) == TEXT


def test_a_comment_and_a_directory_beyond_the_tail_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranged_zip, "TAIL", 50)
    members = {f"folder/{number}": b"" for number in range(300)} | {NAME: TEXT}
    assert _extract(_zip(members, comment=b"made by hand" * 9), tmp_path) == TEXT


def test_folders_are_no_members(tmp_path: Path) -> None:
    archive = _open(_zip({"data/": b"", "data/a": b"x"}), tmp_path)
    assert [info.filename for info in read_directory(archive)] == ["data/a"]


def test_a_whole_member_is_only_checked_and_a_wrong_one_replaced(tmp_path: Path) -> None:
    archive = _open(_zip(), tmp_path)
    member = as_member(archive, read_directory(archive)[1], LIMIT)
    steps: list[int] = []
    extract(archive, member, tmp_path / "out", steps.append)
    (tmp_path / "data.zip").write_bytes(b"")
    extract(archive, member, tmp_path / "out", steps.append)
    assert steps[-1] == member.packed
    (tmp_path / "data.zip").write_bytes(_zip())
    (tmp_path / "out").write_bytes(TEXT[::-1])
    extract(archive, member, tmp_path / "out", steps.append)
    assert (tmp_path / "out").read_bytes() == TEXT


def test_a_download_survives_a_disk_that_is_too_full_to_unpack_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    archive = _open(_zip(), tmp_path)
    member = as_member(archive, read_directory(archive)[1], LIMIT)
    with monkeypatch.context() as patch:
        patch.setattr(ranged_zip, "atomic_path", full)
        with pytest.raises(DataError, match="the disk is full"):
            extract(archive, member, tmp_path / "out", lambda _: None)
    assert (tmp_path / "out.part").stat().st_size == member.packed


@pytest.mark.parametrize("name", ["../a", "/a", "x/../../a", "..\\a", "\\a", "C:/a", "C:\\a"])
def test_a_name_that_leads_out_of_the_archive_is_refused(name: str, tmp_path: Path) -> None:
    archive = _open(_zip({name: TEXT}), tmp_path)
    with pytest.raises(DataError, match="its name leads out of the archive"):
        as_member(archive, read_directory(archive)[0], LIMIT)


def _patched(*, local: tuple[int, bytes] | None = None, central: tuple[int, bytes] | None = None) -> bytes:
    """Return a zip with bytes of the member's local or central header changed, at these offsets."""
    content = _zip()
    changed = bytearray(content)
    for head, change in ((30, local), (46, central)):
        place = content.find(NAME.encode()) if head == 30 else content.rfind(NAME.encode())
        if change is not None:
            start = place - head + change[0]
            changed[start : start + len(change[1])] = change[1]
    return bytes(changed)


def _number(value: int) -> bytes:
    return struct.pack("<I", value)


@pytest.mark.parametrize(
    ("central", "words"),
    [
        ((8, b"\x01\x00"), "is refused: it is encrypted"),
        ((8, b"\x40\x00"), "is refused: it is encrypted"),
        ((10, b"\x09\x00"), "it is compressed by method 9, not stored or deflated"),
        ((10, b"\x0e\x00"), "it is compressed by method 14"),
        ((10, b"\x00\x00"), "its header belongs to 'data/amazon/usr_prf.pkl'"),
        ((16, _number(0)), "1,000 bytes with the checksum"),
        ((20, _number(10)), "its content is damaged"),
        ((20, _number(200)), "its content is damaged"),
        ((20, _number(500_000)), "it goes on behind the end of the archive"),
        ((20, _number(0xFFFFFFF0)), "it has 4,294,967,280 bytes, more than the 1,048,576"),
        ((24, _number(10)), "it unpacks to more than the 10 bytes that the directory names"),
        ((24, _number(5000)), "it has 1,000 bytes with the checksum"),
        ((24, _number(LIMIT + 1)), "it has 1,048,577 bytes, more than the 1,048,576 that it may have"),
        ((42, _number(11)), "there is nothing where the directory says it is"),
        ((42, _number(0x7FFFFFFF)), "there is nothing where the directory says it is"),
        ((42, _number(0)), "its header belongs to 'before'"),
    ],
)
def test_a_directory_that_lies_is_refused(central: tuple[int, bytes], words: str, tmp_path: Path) -> None:
    _refused(_patched(central=central), tmp_path, f"member {NAME!r}", words, "--from")


@pytest.mark.parametrize(
    ("local", "words"),
    [
        ((0, b"XX"), "there is nothing where the directory says it is"),
        ((26, b"\xff\xff"), "its header belongs to"),
        ((28, b"\x07\x00"), "its content is damaged"),
        ((28, b"\xff\xff"), "its content is damaged"),
        ((30, b"DATA"), "its header belongs to 'DATA/amazon/usr_prf.pkl'"),
        ((30 + len(NAME), b"\xff\xff\xff"), "its content is damaged"),
    ],
)
def test_a_member_that_contradicts_the_directory_is_refused(
    local: tuple[int, bytes], words: str, tmp_path: Path
) -> None:
    _refused(_patched(local=local), tmp_path, f"member {NAME!r}", words, "--from")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    """64 MiB of zeros pack to 64 kB; the directory tells their number, and then 1,000 instead."""
    content = _zip({NAME: bytes(64 << 20)})
    _refused(content, tmp_path, "it has 67,108,864 bytes, more than the 1,048,576 that it may have")
    content = content.replace(_number(64 << 20), _number(1000))
    _refused(content, tmp_path, "it unpacks to more than the 1,000 bytes")


def test_no_piece_of_a_bomb_is_larger_than_a_mebibyte(tmp_path: Path) -> None:
    packer = zlib.compressobj(wbits=-15)
    (tmp_path / "part").write_bytes(packer.compress(bytes(20 << 20)) + packer.flush())
    sizes = [len(piece) for piece in ranged_zip._pieces(tmp_path / "part", deflated=True)]
    assert sum(sizes) == 20 << 20
    assert max(sizes) <= 1 << 20


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK",
        b"no zip at all" * 100,
        b"PK\x05\x06" + b"\xff" * 18,
        b"x" * 100 + b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, 1, 1, 0x7FFFFFFF, 0, 0),
        b"x" * 100 + b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, 1, 1, 100, 0, 0),
        _zip()[:-30],
        _zip()[:100_000],
    ],
)
def test_a_file_that_is_no_zip_is_one_sentence(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.zip is not a readable zip \(.*\): .*--from") as caught:
        read_directory(_open(content, tmp_path))
    assert "\n" not in str(caught.value)


def test_a_directory_of_more_than_the_limit_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranged_zip, "DIRECTORY_LIMIT", 1000)
    archive = _open(_zip({f"folder/{number}": b"" for number in range(300)}), tmp_path)
    with pytest.raises(DataError, match=r"a directory of [0-9,]+ bytes"):
        read_directory(archive)


def test_a_zip_with_any_byte_changed_is_read_or_refused_with_a_sentence(tmp_path: Path) -> None:
    content = _zip({"a": b"abc", NAME: TEXT[:60]})
    outcomes = set()
    for position in range(len(content)):
        for value in (0x00, 0xFF):
            changed = content[:position] + bytes([value]) + content[position + 1 :]
            (tmp_path / "out").unlink(missing_ok=True)
            try:
                archive = _open(changed, tmp_path)
                infos = [info for info in read_directory(archive) if info.filename == NAME]
                for info in infos:
                    extract(archive, as_member(archive, info, LIMIT), tmp_path / "out", lambda _: None)
                    assert (tmp_path / "out").read_bytes() == TEXT[:60]
                outcomes.add(len(infos))
            except DataError:
                outcomes.add(-1)
    assert outcomes == {-1, 0, 1}
