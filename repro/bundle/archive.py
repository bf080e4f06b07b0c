"""A folder as one zip whose bytes depend on nothing but its files, and safely back."""

from __future__ import annotations

import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from irllrec.data.raw import disk_errors, hash_file
from irllrec.data.storage import atomic_path
from repro.errors import ReproError
from repro.ranged_zip import as_member, read_directory
from repro.spans import LocalFile

Advance = Callable[[str], None]
"""Told the name of each file that is done."""

MOST_FILES = 20_000
MOST_BYTES = 3 << 30
"""Of all files together, unpacked: a bundle is read as a whole, and needs no form for more than 4 GiB."""
MOST_BYTES_OF_A_FILE = 1 << 30
MOST_RATIO = 200
"""Unpacked to packed; tables of results come to about 10."""

FIX = "ask for the bundle again."

_FREE_OF_RATIO = 1 << 16
_PIECE = 1 << 20
_DATE = (1980, 1, 1, 0, 0, 0)
_DOS_TIME = (0, 1 << 5 | 1)
_ATTRIBUTES = (stat.S_IFREG | 0o644) << 16
_UNIX = 3
_VERSION = 20
_NAME = re.compile(r"(?!\.{1,2}(/|$))[A-Za-z0-9_.@=+-]+(/(?!\.{1,2}(/|$))[A-Za-z0-9_.@=+-]+)*")
_HEADER = struct.Struct("<4s5H3L2H")
_ENTRY = struct.Struct("<4s4B4H3L5H2L")
_END = struct.Struct("<4s4H2LH")


def files_in(folder: Path) -> list[str]:
    """Return the names of all files below a folder, sorted."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def pack(folder: Path, target: Path, advance: Advance = lambda _: None) -> str:
    """Write every file below ``folder`` into the zip ``target`` and return its SHA-256.

    Names are sorted, times and permissions are the same for all, so equal files make equal bytes (with the
    same release of zlib). ``target`` appears as a whole or not at all.

    Raises:
        ReproError: If there are more files or bytes than :func:`unpack` would take.
        DataError: If the disk is full.
    """
    names = files_in(folder)
    sizes = [(folder / name).stat().st_size for name in names]
    if len(names) > MOST_FILES or sum(sizes) > MOST_BYTES or max(sizes, default=0) > MOST_BYTES_OF_A_FILE:
        raise ReproError(
            f"{target} would hold {len(names):,} files of {sum(sizes):,} bytes, more than a bundle may: "
            "choose fewer data sets with --dataset."
        )
    with disk_errors(target), atomic_path(target) as temporary:
        with zipfile.ZipFile(temporary, "w") as archive:
            for name in names:
                info = zipfile.ZipInfo(name, _DATE)
                info.create_system = _UNIX
                info.external_attr = _ATTRIBUTES
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, (folder / name).read_bytes(), compresslevel=6)
                advance(name)
        return hash_file(temporary)


def unpack(archive: Path, folder: Path, advance: Advance = lambda _: None) -> list[str]:
    """Bring the files of a bundle into an empty folder and return their names.

    Before the first file is written the whole directory is checked: nothing but plain files with plain names,
    within the limits on number, size and ratio, one behind the other with nothing between them. What is written
    is only what the directory names, and is checked against size and checksum.

    Raises:
        ReproError: If the file is missing or is no such archive.
        DataError: If a member is refused, or the disk is full.
    """
    if not archive.is_file():
        raise ReproError(f"{archive} is missing or not a file: name the zip that `repro bundle` wrote.")
    spans = LocalFile(archive, archive.stat().st_size)
    infos = read_directory(spans, FIX)
    _check_members(spans, infos)
    _check_container(archive, infos)
    with disk_errors(folder), zipfile.ZipFile(archive) as content:
        for info in infos:
            _extract(archive, content, info, folder / info.filename)
            advance(info.filename)
    return [info.filename for info in infos]


def _check_members(spans: LocalFile, infos: Sequence[zipfile.ZipInfo]) -> None:
    if len(infos) > MOST_FILES:
        raise _refused(spans.name, f"it holds {len(infos):,} files, more than the {MOST_FILES:,} it may")
    seen: set[str] = set()
    for info in infos:
        as_member(spans, info, MOST_BYTES_OF_A_FILE, FIX)
        name = info.filename
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise _refused(spans.name, f"its member {name!r:.80} is no plain file but, for example, a link")
        if info.orig_filename != name or not _NAME.fullmatch(name) or len(name) > 240:
            raise _refused(spans.name, f"its member {name!r:.80} has a name that no bundle holds")
        if name in seen:
            raise _refused(spans.name, f"it holds {name!r:.80} twice")
        seen.add(name)
        if info.file_size > MOST_RATIO * info.compress_size + _FREE_OF_RATIO:
            raise _refused(
                spans.name,
                f"its member {name!r:.80} unpacks {info.compress_size:,} to {info.file_size:,} bytes, more than "
                f"{MOST_RATIO} times as much",
            )
    folders = {name[:place] for name in seen for place, sign in enumerate(name) if sign == "/"}
    if seen & folders:
        raise _refused(spans.name, f"its member {min(seen & folders)!r} is a file and a folder")
    total = sum(info.file_size for info in infos)
    if total > MOST_BYTES:
        raise _refused(spans.name, f"it unpacks to {total:,} bytes, more than the {MOST_BYTES:,} it may")


def _check_container(archive: Path, infos: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse whatever :func:`pack` would not have written around and between the packed files."""
    place, directory = 0, b""
    with archive.open("rb") as handle:
        for info in infos:
            name = info.filename.encode()
            sizes = (info.CRC, info.compress_size, info.file_size, len(name))
            header = _HEADER.pack(b"PK\3\4", _VERSION, 0, zipfile.ZIP_DEFLATED, *_DOS_TIME, *sizes, 0) + name
            handle.seek(place)
            if info.header_offset != place or handle.read(len(header)) != header:
                raise _refused(
                    archive, f"the entry of {info.filename!r:.80} is not as `repro bundle` writes it"
                )
            made = (_VERSION, _UNIX, _VERSION, 0, 0, zipfile.ZIP_DEFLATED, *_DOS_TIME)
            directory += _ENTRY.pack(b"PK\1\2", *made, *sizes, 0, 0, 0, 0, _ATTRIBUTES, place) + name
            place += len(header) + info.compress_size
        end = _END.pack(b"PK\5\6", 0, 0, len(infos), len(infos), len(directory), place, 0)
        names = [info.filename for info in infos]
        handle.seek(place)
        if names != sorted(names) or handle.read(len(directory) + len(end) + 1) != directory + end:
            raise _refused(archive, "it holds more than its directory lists, in another order or form")


def _extract(archive: Path, content: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with content.open(info) as source, target.open("xb") as handle:
            while piece := source.read(_PIECE):
                handle.write(piece)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
        raise _refused(archive, f"the content of its member {info.filename!r:.80} is damaged") from None
    if target.stat().st_size != info.file_size:
        raise _refused(archive, f"its member {info.filename!r:.80} is shorter than its directory says")


def _refused(archive: Path | str, why: str) -> ReproError:
    return ReproError(f"{archive} is refused: {why}; {FIX}")
