"""Archives that are honest, damaged and hostile."""

import io
import os
import stat
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from irllrec.errors import DataError
from repro.bundle import archive
from repro.bundle.archive import files_in, pack, unpack
from repro.errors import ReproError

FILES = {
    "bundle.json": b"{}",
    "runs/demo/a.csv": b"seed,value\n1,0.5\n" * 40,
    "runs/demo/b.npz": os.urandom(999),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a few files."""
    root = tmp_path / "from"
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


@pytest.fixture
def packed(folder: Path, tmp_path: Path) -> Path:
    """The archive of that folder."""
    pack(folder, tmp_path / "packed.zip")
    return tmp_path / "packed.zip"


def _refused(content: bytes, tmp_path: Path, *words: str) -> None:
    """Expect one sentence with these words, and nothing written anywhere."""
    path, target = tmp_path / "hostile.zip", tmp_path / "target"
    path.write_bytes(content)
    target.mkdir(exist_ok=True)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises((ReproError, DataError)) as caught:
        unpack(path, target)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert [word for word in words if word not in sentence] == [], sentence
    assert sorted(tmp_path.rglob("*")) == before


def _zip(
    *members: tuple[str, bytes], mode: int = stat.S_IFREG | 0o644, method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    """Return a zip of these members as `pack` would write it but for what is asked otherwise."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as content, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the same name twice
        for name, text in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = method
            content.writestr(info, text)
    return buffer.getvalue()


def test_files_come_out_as_they_went_in(packed: Path, tmp_path: Path) -> None:
    target = tmp_path / "to"
    target.mkdir()
    assert unpack(packed, target) == sorted(FILES)
    assert {name: (target / name).read_bytes() for name in files_in(target)} == FILES


def test_equal_files_make_equal_bytes_whatever_their_times_and_permissions(
    folder: Path, tmp_path: Path
) -> None:
    first = pack(folder, tmp_path / "first.zip")
    for name in reversed(files_in(folder)):
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)
        os.utime(folder / name, (1e9, 1e9))
    assert pack(folder, tmp_path / "second.zip") == first
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()


def test_no_byte_of_the_archive_can_be_flipped_unseen(tmp_path: Path) -> None:
    """All bytes of a small archive: refused, or (at the end of a packed stream) without any effect."""
    small = {"a.csv": b"1,2\n", "b/c.json": b'{"x": 0.25}'}
    for name, content in small.items():
        (tmp_path / "from" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "from" / name).write_bytes(content)
    pack(tmp_path / "from", tmp_path / "whole.zip")
    whole = (tmp_path / "whole.zip").read_bytes()
    unseen = []
    for place in range(len(whole)):
        for bit in (0x01, 0x10, 0x80):
            content = bytearray(whole)
            content[place] ^= bit
            (tmp_path / "flipped.zip").write_bytes(content)
            target = tmp_path / f"to-{place}-{bit}"
            target.mkdir()
            try:
                unpack(tmp_path / "flipped.zip", target)
            except (ReproError, DataError):
                continue
            unseen.append(place)
            assert {name: (target / name).read_bytes() for name in files_in(target)} == small
    with zipfile.ZipFile(tmp_path / "whole.zip") as held:
        streams = [(i.header_offset + 30 + len(i.filename), i.compress_size) for i in held.infolist()]
    assert [place for place in unseen if not any(0 <= place - start < size for start, size in streams)] == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ("not a readable zip",)),
        (b"PK\3\4" + os.urandom(500), ("not a readable zip",)),
        (_zip(("../evil.csv", b"x")), ("leads out of the archive",)),
        (_zip(("runs/../../evil.csv", b"x")), ("leads out of the archive",)),
        (_zip(("/etc/evil.csv", b"x")), ("leads out of the archive",)),
        (_zip(("C:/evil.csv", b"x")), ("leads out of the archive",)),
        (_zip(("..\\evil.csv", b"x")), ("leads out of the archive",)),
        (_zip(("runs/./a.csv", b"x")), ("a name that no bundle holds",)),
        (_zip(("runs//a.csv", b"x")), ("a name that no bundle holds",)),
        (_zip(("rüns/a.csv", b"x")), ("a name that no bundle holds",)),
        (_zip(("a b.csv", b"x")), ("a name that no bundle holds",)),
        (_zip(("x" * 300, b"x")), ("a name that no bundle holds",)),
        (_zip(("link", b"/etc/passwd"), mode=stat.S_IFLNK | 0o777), ("'link'", "no plain file")),
        (_zip(("device", b""), mode=stat.S_IFCHR | 0o666), ("'device'", "no plain file")),
        (_zip(("a.csv", b"x"), mode=stat.S_IFREG | 0o4755), ("another order or form",)),
        (_zip(("a.csv", b"x"), ("a.csv", b"y")), ("'a.csv' twice",)),
        (_zip(("a", b"x"), ("a/b", b"y")), ("'a' is a file and a folder",)),
        (_zip(("zeros.npz", bytes(50 << 20))), ("more than 200 times as much",)),
        (_zip(("a.csv", b"x" * 99), method=zipfile.ZIP_BZIP2), ("compressed by method 12",)),
        (_zip(("a.csv", b"x" * 99), method=zipfile.ZIP_STORED), ("not as `repro bundle` writes it",)),
        (_zip(("b.csv", b"x"), ("a.csv", b"y")), ("another order or form",)),
        (_zip(("folder/", b""), ("a.csv", b"y")), ("'a.csv' is not as `repro bundle` writes it",)),
    ],
)
def test_a_hostile_archive_is_refused_in_a_sentence(
    content: bytes, words: tuple[str, ...], tmp_path: Path
) -> None:
    _refused(content, tmp_path, *words)


def test_encrypted_members_are_refused(packed: Path, tmp_path: Path) -> None:
    content = bytearray(packed.read_bytes())
    directory = content.rindex(b"PK\1\2")
    content[directory + 8] |= 1
    _refused(bytes(content), tmp_path, "encrypted")


@pytest.mark.parametrize(("before", "behind"), [(b"", b"more"), (b"more", b""), (b"", bytes(30))])
def test_nothing_hides_before_or_behind_the_archive(
    packed: Path, tmp_path: Path, before: bytes, behind: bytes
) -> None:
    _refused(before + packed.read_bytes() + behind, tmp_path, "refused")


def test_overlapping_members_are_refused(packed: Path, tmp_path: Path) -> None:
    """Two entries of the directory that point to one place, as in the smallest of zip bombs."""
    content = bytearray(packed.read_bytes())
    second = content.index(b"PK\1\2", content.index(b"PK\1\2") + 4)
    content[second + 42 : second + 46] = bytes(4)
    _refused(bytes(content), tmp_path, "not as `repro bundle` writes it")


def test_a_damaged_member_is_named(packed: Path, tmp_path: Path) -> None:
    content = bytearray(packed.read_bytes())
    place = content.index(b"runs/demo/b.npz") + 200
    content[place] ^= 0xFF
    (tmp_path / "damaged.zip").write_bytes(content)
    (tmp_path / "target").mkdir()
    with pytest.raises(ReproError, match=r"'runs/demo/b\.npz' is damaged"):
        unpack(tmp_path / "damaged.zip", tmp_path / "target")


def test_too_many_and_too_large_files_are_refused_on_both_sides(
    folder: Path, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = packed.read_bytes()
    monkeypatch.setattr(archive, "MOST_FILES", 2)
    _refused(content, tmp_path, "3 files, more than the 2")
    with pytest.raises(ReproError, match="choose fewer data sets"):
        pack(folder, tmp_path / "large.zip")
    monkeypatch.setattr(archive, "MOST_FILES", 20)
    monkeypatch.setattr(archive, "MOST_BYTES", 1000)
    _refused(content, tmp_path, "more than the 1,000")
    assert not (tmp_path / "large.zip").exists()


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ReproError, match="missing or not a file"):
        unpack(tmp_path / "nothing.zip", tmp_path)
    with pytest.raises(ReproError, match="missing or not a file"):
        unpack(tmp_path, tmp_path)


def test_ctrl_c_leaves_the_earlier_archive_and_nothing_half_written(folder: Path, packed: Path) -> None:
    before = packed.read_bytes()
    (folder / "new.csv").write_bytes(np.random.default_rng(1).bytes(100))

    def interrupt(name: str) -> None:
        if name == "new.csv":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(folder, packed, interrupt)
    assert packed.read_bytes() == before
    assert [path.name for path in packed.parent.iterdir() if path.is_file()] == ["packed.zip"]
