"""Single members of a large zip, taken by byte ranges: what is not asked for is not downloaded."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from irllrec.data.raw import disk_errors
from irllrec.data.storage import atomic_path
from irllrec.errors import DataError
from repro.download import Advance
from repro.spans import Spans

TAIL = 1 << 16
DIRECTORY_LIMIT = 16 << 20
_PIECE = 1 << 20
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_UTF8 = 0x800
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_NAME_LIMIT = 1024
_FIX = "fetch it again, or name another mirror with --from."


@dataclass(frozen=True)
class Member:
    """One file in a zip.

    Attributes:
        name: Its path in the zip; only compared, never used as a path.
        start: Where its header begins.
        packed: Its size in the zip, in bytes.
        size: Its own size, in bytes.
        crc32: Its checksum.
        deflated: Whether it is compressed.
    """

    name: str
    start: int
    packed: int
    size: int
    crc32: int
    deflated: bool


def read_directory(archive: Spans, fix: str = _FIX) -> list[zipfile.ZipInfo]:
    """Return the directory of a zip, in its order; folders are left out.

    Args:
        archive: The zip.
        fix: What an error tells the user to do.

    Raises:
        DataError: If there is no readable directory of at most 16 MiB.
        ReproError: If the archive cannot be read.
    """
    try:
        with zipfile.ZipFile(cast("IO[bytes]", _Window(archive))) as content:
            return [info for info in content.infolist() if not info.filename.endswith("/")]
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        ValueError,
        OverflowError,
        struct.error,
        _SeekError,
    ) as error:
        reason = (str(error).splitlines() or ["unknown"])[0][:120]
        raise DataError(f"{archive.name} is not a readable zip ({reason}): {fix}") from None


class _SeekError(OSError):
    """What zipfile expects of a file that is asked for a place before its beginning."""


class _Window:
    """An archive as the seekable file that zipfile wants; its end, with the directory, is read once."""

    def __init__(self, archive: Spans) -> None:
        self.archive = archive
        self.tail_start = max(archive.size - TAIL, 0)
        self.tail = archive.read(self.tail_start, archive.size)
        self.position = 0

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = 0) -> int:
        position = (0, self.position, self.archive.size)[whence] + offset
        if position < 0:
            raise _SeekError("a place before its beginning")
        self.position = position
        return position

    def read(self, count: int = -1) -> bytes:
        start, end = self.position, self.archive.size
        stop = max(start, end if count < 0 else min(start + count, end))
        if stop - start > DIRECTORY_LIMIT:
            raise ValueError(f"a directory of {stop - start:,} bytes")
        self.position = stop
        if start >= self.tail_start:
            return self.tail[start - self.tail_start : stop - self.tail_start]
        return self.archive.read(start, stop)


def as_member(archive: Spans, info: zipfile.ZipInfo, limit: int, fix: str = _FIX) -> Member:
    """Return an entry of the directory as a member that can be extracted.

    Args:
        archive: The zip.
        info: The entry.
        limit: The most bytes that it may have, packed or not.
        fix: What an error tells the user to do.

    Raises:
        DataError: If its name leads out of the archive, it is encrypted, compressed in another way
            than by deflate, or too large.
    """
    called = f"{archive.name}, member {info.filename!r:.80}, is refused:"
    parts = info.filename.replace("\\", "/").split("/")
    if ".." in parts or not parts[0] or ":" in parts[0]:
        raise DataError(f"{called} its name leads out of the archive; {fix}")
    if info.flag_bits & _ENCRYPTED:
        raise DataError(f"{called} it is encrypted; {fix}")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(
            f"{called} it is compressed by method {info.compress_type}, not stored or deflated; {fix}"
        )
    if max(info.file_size, info.compress_size) > limit:
        size = max(info.file_size, info.compress_size)
        raise DataError(f"{called} it has {size:,} bytes, more than the {limit:,} that it may have; {fix}")
    return Member(
        name=info.orig_filename,
        start=info.header_offset,
        packed=info.compress_size,
        size=info.file_size,
        crc32=info.CRC,
        deflated=info.compress_type == zipfile.ZIP_DEFLATED,
    )


def extract(archive: Spans, member: Member, target: Path, report: Advance) -> None:
    """Bring one member to ``target``, checked against its size and checksum.

    A part of an interrupted download lies beside ``target`` and is continued. A whole member that is
    there already is only checked. A part that turns out wrong is removed.

    Args:
        archive: The zip.
        member: What to extract.
        target: Where to; its folder must exist.
        report: Told how many of the packed bytes there are.

    Raises:
        DataError: If the zip contradicts itself, the content is not what it says, or the disk is full.
        ReproError: If the archive cannot be read.
    """
    called = f"{archive.name}, member {member.name!r:.80},"
    with disk_errors(target):
        if target.is_file() and _is_whole(target, member):
            report(member.packed)
            return
        start = _content_start(archive, member, called)
        part = target.with_name(f"{target.name}.part")
        archive.save(start, start + member.packed, part, report)
        try:
            _unpack(part, member, target, called)
        except DataError:
            part.unlink(missing_ok=True)
            raise
        part.unlink()


def _is_whole(path: Path, member: Member) -> bool:
    if path.stat().st_size != member.size:
        return False
    found = 0
    with path.open("rb") as handle:
        while chunk := handle.read(_PIECE):
            found = zlib.crc32(chunk, found)
    return found == member.crc32


def _content_start(archive: Spans, member: Member, called: str) -> int:
    """Return where a member's content begins: behind its own header, which only the header tells."""
    end = member.start + _LOCAL_HEADER.size
    header = b""
    if member.start >= 0 and end <= archive.size:
        header = archive.read(member.start, min(end + _NAME_LIMIT, archive.size))
    if header[:4] != b"PK\3\4":
        raise DataError(f"{called} is refused: there is nothing where the directory says it is; {_FIX}")
    _, _, flags, method, *_, name_size, extra_size = _LOCAL_HEADER.unpack_from(header)
    name = header[_LOCAL_HEADER.size :][:name_size].decode("utf-8" if flags & _UTF8 else "cp437", "replace")
    if name != member.name or bool(method) != member.deflated:
        raise DataError(f"{called} is refused: its header belongs to {name!r:.80}; {_FIX}")
    start = end + int(name_size) + int(extra_size)
    if start + member.packed > archive.size:
        raise DataError(f"{called} is refused: it goes on behind the end of the archive; {_FIX}")
    return start


def _unpack(part: Path, member: Member, target: Path, called: str) -> None:
    size = found = 0
    with atomic_path(target) as temporary, temporary.open("wb") as handle:
        try:
            for piece in _pieces(part, deflated=member.deflated):
                size += len(piece)
                if size > member.size:
                    raise DataError(
                        f"{called} is refused: it unpacks to more than the {member.size:,} bytes that the "
                        f"directory names; {_FIX}"
                    )
                found = zlib.crc32(piece, found)
                handle.write(piece)
        except zlib.error:
            raise DataError(f"{called} is refused: its content is damaged; {_FIX}") from None
        if (size, found) != (member.size, member.crc32):
            raise DataError(
                f"{called} is refused: it has {size:,} bytes with the checksum {found:08x} instead of "
                f"{member.size:,} with {member.crc32:08x}; {_FIX}"
            )


def _pieces(part: Path, *, deflated: bool) -> Iterator[bytes]:
    """Yield the content of a packed file in pieces of at most 1 MiB, however much it is packed."""
    decoder = zlib.decompressobj(-zlib.MAX_WBITS)
    with part.open("rb") as handle:
        while chunk := handle.read(_PIECE):
            if not deflated:
                yield chunk
                continue
            while chunk:
                piece = decoder.decompress(chunk, _PIECE)
                if decoder.eof and decoder.unused_data:
                    raise zlib.error("something follows its end")
                chunk = decoder.unconsumed_tail
                yield piece
        while deflated and not decoder.eof:
            piece = decoder.decompress(b"", _PIECE)
            if not piece:
                raise zlib.error("it ends too early")
            yield piece
