"""The published profiles of a data set and their vectors, from RLMRec's archive to the raw form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipInfo

import numpy as np

from irllrec.data.profiles import read_profile_vectors, read_profiles
from irllrec.data.raw import TextRecord, hash_file
from irllrec.data.vectors import Arrays
from irllrec.errors import DataError
from repro.download import Advance, is_url, mirror_address, obtain
from repro.errors import ReproError
from repro.ranged_zip import as_member, extract, read_directory
from repro.redaction import without_secrets
from repro.shortened import first_few
from repro.sources import Archive, Shape, Sources
from repro.spans import LocalFile, NoRangesError, Spans, WebFile

PINS = "size of the archive pinned; sha256 recorded at first fetch, not pinned"
PROFILES_LIMIT = 256 << 20
_LISTED = 12

Progress = Callable[[str, int | None], AbstractContextManager[Advance]]
"""Shows a bar of a title and a number of bytes, and takes how many there are."""


@dataclass(frozen=True)
class TextFiles:
    """The four files of one data set, there but not yet opened.

    Attributes:
        archive: The archive they belong to.
        paths: Where each kind of file lies.
        source: What the manifest says of them.
        recorded: Whether an earlier fetch has recorded the same hashes.
    """

    archive: Archive
    paths: dict[str, Path]
    source: dict[str, Any]
    recorded: bool


@dataclass(frozen=True)
class UpstreamText:
    """Profiles and vectors in the raw form.

    Attributes:
        records: A text of the kind ``profile`` for every node that has one, users first.
        vectors: ``user_id``, ``user``, ``item_id``, ``item``: float32, a row a node.
        source: What the manifest says of them.
        remarks: What the user should know of them.
    """

    records: list[TextRecord]
    vectors: Arrays
    source: dict[str, Any]
    remarks: list[str]


def obtain_text(
    sources: Sources,
    name: str,
    mirror: str | None,
    partial: Path,
    *,
    recorded: Mapping[str, Any],
    progress: Progress,
    say: Callable[[str], None],
) -> TextFiles:
    """Bring the text files of a data set here and return them with their hashes, unopened.

    From a server that knows byte ranges only these members of the archive are downloaded.

    Args:
        sources: data/sources.yaml.
        name: A data set that the archive has texts of.
        mirror: A folder or URL with ``archive/data.zip``, or a folder with ``archive/<dataset>/``
            unpacked; None is the public address.
        partial: Where downloads stay until they are used.
        recorded: ``text_source`` of an earlier fetch's manifest, or nothing.
        progress: Shows how far a download is.
        say: Takes a remark for the user.

    Raises:
        ReproError: If no archive has texts of it, or it cannot be reached.
        DataError: If the archive has another size, a member is missing, double, unsafe, too large or
            damaged, or has another hash than an earlier fetch recorded.
    """
    key, archive = sources.text_archive(name)
    wanted = _Wanted(name, archive, sources.dataset(name).shape)
    paths = None if mirror is None or is_url(mirror) else _unpacked(wanted, mirror)
    if paths is None:
        address = sources.archive_url(archive) if mirror is None else mirror_address(mirror, archive.path)
        paths = _from_zip(wanted, address, partial, progress, say)
    files = {
        kind: {
            "path": archive.member_path(name, member),
            "bytes": paths[kind].stat().st_size,
            "sha256": hash_file(paths[kind]),
        }
        for kind, member in archive.members.by_kind().items()
    }
    earlier = _is_recorded(name, files, recorded, paths, partial)
    url = sources.archive_url(archive)
    source = {"archive": key, "url": url, "bytes": archive.size, "pins": PINS, "files": files}
    return TextFiles(archive, paths, source, earlier)


def read_text(files: TextFiles, shape: Shape) -> UpstreamText:
    """Return the content of the four files, checked against the sizes of the matrices.

    Raises:
        DataError: If a file is unsafe or does not fit the matrices; the files stay.
    """
    records: list[TextRecord] = []
    vectors: Arrays = {}
    without = {}
    remarks = []
    for role, count in (("user", shape.users), ("item", shape.items)):
        profiles = read_profiles(files.paths[f"{role}_profiles"], role, count)
        records += [TextRecord(role, node, "profile", text) for node, text in profiles.items()]
        without[f"{role}s"] = count - len(profiles)
        if len(profiles) < count:
            remarks.append(
                f"{count - len(profiles):,} of {count:,} {role}s have no profile: their summaries are extractive."
            )
        vectors[f"{role}_id"] = np.arange(count, dtype=np.int64)
        path = files.paths[f"{role}_vectors"]
        vectors[role] = read_profile_vectors(path, role, count, files.archive.dimension)
    return UpstreamText(records, vectors, {**files.source, "without_profile": without}, remarks)


@dataclass(frozen=True)
class _Wanted:
    """The part of the archive that belongs to one data set."""

    name: str
    archive: Archive
    shape: Shape

    @property
    def members(self) -> dict[str, str]:
        """The file's name of each kind."""
        return self.archive.members.by_kind()

    def limit(self, kind: str) -> int:
        """Return the most bytes that a file may have."""
        if kind.endswith("profiles"):
            return PROFILES_LIMIT
        # A float64 has 8 bytes; the text protocols of pickle write up to twice as many.
        count = self.shape.users if kind.startswith("user") else self.shape.items
        return (1 << 20) + 2 * 8 * self.archive.dimension * count


def _unpacked(wanted: _Wanted, mirror: str) -> dict[str, Path] | None:
    """Return the files of a mirror that has the archive unpacked; None if it does not."""
    paths = {
        kind: Path(mirror_address(mirror, wanted.archive.member_path(wanted.name, member)))
        for kind, member in wanted.members.items()
    }
    missing = [path for path in paths.values() if not path.is_file()]
    if len(missing) == len(paths):
        return None
    if missing:
        raise ReproError(f"{missing[0]} is missing beside others of the unpacked archive: unpack it too.")
    for kind, path in paths.items():
        if path.stat().st_size > wanted.limit(kind):
            raise DataError(
                f"{path} is refused: it has {path.stat().st_size:,} bytes, more than the "
                f"{wanted.limit(kind):,} that it may have."
            )
    return paths


def _from_zip(
    wanted: _Wanted, address: str, partial: Path, progress: Progress, say: Callable[[str], None]
) -> dict[str, Path]:
    archive = wanted.archive
    if not is_url(address):
        if not Path(address).is_file():
            unpacked = archive.member_path(wanted.name, archive.members.user_profiles)
            raise ReproError(
                f"{address} is missing, and so is {unpacked}: a mirror has the archive itself there or its "
                "unpacked files; check --from."
            )
        return _extract_all(LocalFile(Path(address), archive.size), wanted, partial, progress)
    try:
        with WebFile(address, archive.size) as web:
            return _extract_all(web, wanted, partial, progress)
    except NoRangesError:
        say(
            f"{without_secrets(address)} comes as a whole only: all {archive.size / 1e6:,.1f} MB are downloaded."
        )
    whole = partial / archive.file.name
    with progress(archive.path, archive.size) as advance:
        obtain(address, archive.file, whole, advance)
    return _extract_all(LocalFile(whole, archive.size), wanted, partial, progress)


def _extract_all(zipped: Spans, wanted: _Wanted, partial: Path, progress: Progress) -> dict[str, Path]:
    directory = read_directory(zipped)
    found = {
        kind: as_member(zipped, _find(zipped.name, directory, f"{wanted.name}/{file}"), wanted.limit(kind))
        for kind, file in wanted.members.items()
    }
    paths = {kind: partial / file for kind, file in wanted.members.items()}
    for kind, member in found.items():
        with progress(f"{wanted.name} {wanted.members[kind]}", member.packed) as advance:
            extract(zipped, member, paths[kind], advance)
    return paths


def _find(called: str, directory: list[ZipInfo], ending: str) -> ZipInfo:
    """Return the only entry of that name, in whatever folder of the zip the data sets lie."""
    found = [info for info in directory if f"/{info.filename}".endswith(f"/{ending}")]
    if len(found) == 1:
        return found[0]
    names = [info.filename for info in found or directory]
    raise DataError(
        f"{called} has {len(found) or 'no'} members that end in {ending!r} instead of one, it holds "
        f"{first_few(names, _LISTED) or 'nothing'}: check that it is RLMRec's archive, or name another mirror "
        "with --from."
    )


def _is_recorded(
    name: str,
    files: Mapping[str, Mapping[str, Any]],
    recorded: Mapping[str, Any],
    paths: Mapping[str, Path],
    partial: Path,
) -> bool:
    """Return whether hashes were recorded before; refuse files that differ from them."""
    earlier = recorded.get("files", {})
    for kind, file in files.items():
        wanted = earlier.get(kind, {}).get("sha256", file["sha256"])
        if file["sha256"] != wanted:
            for path in paths.values():
                if path.parent == partial:
                    path.unlink(missing_ok=True)
            raise DataError(
                f"{file['path']} is refused: its sha256 is {file['sha256']}, but the first fetch recorded "
                f"{wanted}; if the change is meant, remove data/raw/{name} and fetch it again."
            )
    return bool(earlier)
