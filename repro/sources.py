"""data/sources.yaml as typed records: which upstream files there are, and what pins them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from irllrec.errors import DataError
from repro.errors import ReproError
from repro.yaml_text import load_yaml, read_yaml_text

UNKNOWN_SIZE_LIMIT = 64 * 2**20
_CHUNK = 1 << 20


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Entry):
    """Where files come from: an address they all start with, and what may be done with them."""

    title: str
    url: Annotated[str, Field(pattern=r"^https://")]
    licence: str
    repository: str | None = None
    commit: str | None = None


class SourceFile(_Entry):
    """One upstream file and its pins; at least one of ``git_blob`` and ``sha256``, save in an archive."""

    name: str
    what: str
    bytes: int | None = None
    git_blob: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None

    @property
    def size_limit(self) -> int:
        """No more bytes than this are ever accepted."""
        return UNKNOWN_SIZE_LIMIT if self.bytes is None else self.bytes


class Shape(_Entry):
    """What a fetched data set must turn out to be."""

    users: int
    items: int
    train: int
    valid: int
    test: int


class Files(_Entry):
    """The three matrices of a data set."""

    train: SourceFile
    valid: SourceFile
    test: SourceFile

    def by_split(self) -> dict[str, SourceFile]:
        return {"train": self.train, "valid": self.valid, "test": self.test}


class PublishedDataset(_Entry):
    """A data set whose split is published as three matrices."""

    title: str
    source: str
    shape: Shape
    files: Files

    @model_validator(mode="after")
    def _files_are_pinned(self) -> PublishedDataset:
        for file in self.files.by_split().values():
            if file.git_blob is None and file.sha256 is None:
                raise ValueError(f"{file.name} has neither git_blob nor sha256: add one")
        return self


class Members(_Entry):
    """How the files with profiles and with their vectors are called in each data set's folder."""

    user_profiles: str
    item_profiles: str
    user_vectors: str
    item_vectors: str

    def by_kind(self) -> dict[str, str]:
        return {
            "user_profiles": self.user_profiles,
            "item_profiles": self.item_profiles,
            "user_vectors": self.user_vectors,
            "item_vectors": self.item_vectors,
        }


class Archive(_Entry):
    """A zip with the texts of several data sets: a folder for each."""

    title: str
    source: str
    datasets: tuple[str, ...]
    file: SourceFile
    members: Members
    dimension: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _size_is_pinned(self) -> Archive:
        if self.file.bytes is None:
            raise ValueError(f"{self.file.name} has no bytes: add its size")
        return self

    @property
    def path(self) -> str:
        """Where a mirror keeps the zip: ``<source>/<file>``."""
        return f"{self.source}/{self.file.name}"

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self.file.size_limit

    def member_path(self, dataset: str, member: str) -> str:
        """Return where a mirror keeps a file of the unpacked zip: ``<source>/<dataset>/<file>``."""
        return f"{self.source}/{dataset}/{member}"


class Sources(_Entry):
    """The whole file."""

    sources: dict[str, Source]
    datasets: dict[str, PublishedDataset]
    archives: dict[str, Archive]

    def dataset(self, name: str) -> PublishedDataset:
        """Return one data set.

        Raises:
            ReproError: If there is none of that name, listing those there are.
        """
        if name not in self.datasets:
            raise ReproError(
                f"there is no published data set {name!r}: choose {', '.join(self.datasets)}, or bring your "
                "own with `repro data import`."
            )
        return self.datasets[name]

    def url(self, name: str, file: SourceFile) -> str:
        """Return the public address of a data set's file."""
        return f"{self.sources[self.datasets[name].source].url}/{name}/{file.name}"

    def mirror_path(self, name: str, file: SourceFile) -> str:
        """Return where a mirror keeps the file: ``<source>/<dataset>/<file>``."""
        return f"{self.datasets[name].source}/{name}/{file.name}"

    def text_archive(self, name: str) -> tuple[str, Archive]:
        """Return the archive that holds the texts of a data set, with its name.

        Raises:
            ReproError: If none does, listing the data sets whose texts are published.
        """
        for key, archive in self.archives.items():
            if name in archive.datasets:
                return key, archive
        having = ", ".join(each for archive in self.archives.values() for each in archive.datasets)
        raise ReproError(
            f"{name} has no published text archive, only {having} have one: leave out --text, or bring texts "
            "and vectors of your own with `repro data import`."
        )

    def archive_url(self, archive: Archive) -> str:
        """Return the public address of an archive."""
        return f"{self.sources[archive.source].url}/{archive.file.name}"


def load_sources(path: Path) -> Sources:
    """Return the checked content of data/sources.yaml.

    Raises:
        ReproError: If it is missing or not what it must be, naming the key.
    """
    try:
        text = read_yaml_text(path, "restore it with `git checkout data/sources.yaml`")
        return Sources.model_validate(load_yaml(text, path))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ReproError(f"{path}: `{key}`: {first['msg'][0].lower()}{first['msg'][1:]}.") from None


def verify(path: Path, file: SourceFile, called: str) -> dict[str, str | int]:
    """Return size, SHA-256 and git blob id of a file that is what its pins say.

    The content is only hashed, never interpreted.

    Args:
        path: The file.
        file: Its pins.
        called: How the file is named in an error.

    Raises:
        DataError: If size, SHA-256 or git blob id differ; ``path`` stays where it is.
    """
    size = path.stat().st_size
    if file.bytes is not None and size != file.bytes:
        raise DataError(f"{called} is refused: it has {size:,} bytes instead of {file.bytes:,}; {_FIX}")
    if size > file.size_limit:
        raise DataError(f"{called} is refused: it has {size:,} bytes, over {file.size_limit:,}; {_FIX}")
    sha256 = hashlib.sha256()
    blob = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK):
            sha256.update(chunk)
            blob.update(chunk)
    found = {"sha256": sha256.hexdigest(), "git_blob": blob.hexdigest()}
    for kind, wanted in (("sha256", file.sha256), ("git_blob", file.git_blob)):
        if wanted is not None and found[kind] != wanted:
            raise DataError(
                f"{called} is refused: its {kind} is {found[kind]} instead of {wanted}, so its content was "
                f"altered; {_FIX}"
            )
    return {"bytes": size, **found}


_FIX = "fetch it again, or name another mirror with --from."
