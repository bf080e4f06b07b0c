"""The folder in which a worker runs the stages of one cell: only what they read, checked by hash.

Where the worker sees the checkout, the folder holds links into it; elsewhere files are fetched by their
hash and kept on the worker's machine. Standard library only.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

CODE = ("irllrec", "repro")
STATE = ".repro"
FETCHED_AT_ONCE = 64

Fetch = Callable[[Sequence[str]], list[bytes]]


class AlteredError(Exception):
    """A file on the worker is not the one of the command; the text names it."""


def cache_folder() -> Path:
    """Return where a worker without a view of the checkout keeps what it was sent."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "irllrec-repro" / "running"


def build(place: Path, job: Mapping[str, Any], fetch: Fetch | None) -> None:
    """Make the work folder ``place`` of a cell anew.

    Args:
        place: The folder; what is there is removed.
        job: The cell, as :mod:`repro.running.jobs` writes it.
        fetch: Returns files by hash; None where the checkout is seen.

    Raises:
        AlteredError: If a file is not the one that was meant.
    """
    shutil.rmtree(place, ignore_errors=True)
    state = place / STATE
    state.mkdir(parents=True)
    root = Path(job["root"])
    tree = root if fetch is None else _tree(job["code"], fetch)
    kept = root / STATE if fetch is None else cache_folder()
    if fetch is None:
        _check(root, job["code"])
    for package in CODE:
        (place / package).symlink_to(tree / package)
    (kept / "checkpoints").mkdir(parents=True, exist_ok=True)
    (state / "checkpoints").symlink_to(kept / "checkpoints")
    objects = {} if fetch is None else _objects(job["inputs"], fetch)
    for name, digest in job["inputs"].items():
        source = root / name if fetch is None else objects[digest]
        if sha256(source) != digest:
            raise AlteredError(name)
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(source)
    for name, text in job["texts"].items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def outputs(place: Path, outs: Sequence[str]) -> dict[str, str]:
    """Return the sha256 of every file of a cell's outputs by its path; those that are missing are left out."""
    found: dict[str, str] = {}
    for out in outs:
        path = place / out
        files = sorted(path.rglob("*")) if path.is_dir() and not path.is_symlink() else [path]
        for file in files:
            if file.is_file() and not file.is_symlink():
                found[file.relative_to(place).as_posix()] = sha256(file)
    return found


def sha256(path: Path) -> str:
    """Return the hash of a file's bytes; of a missing one that of nothing."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as handle:
            while block := handle.read(1 << 20):
                digest.update(block)
    except FileNotFoundError:
        return ""
    return digest.hexdigest()


def _check(root: Path, files: Mapping[str, str]) -> None:
    for name, digest in files.items():
        if sha256(root / name) != digest:
            raise AlteredError(name)


def _objects(files: Mapping[str, str], fetch: Fetch) -> dict[str, Path]:
    """Return where each hash lies in this machine's cache, after fetching those that are not there."""
    folder = cache_folder() / "objects"
    places = {digest: folder / digest[:2] / digest for digest in files.values()}
    missing = [digest for digest, path in places.items() if sha256(path) != digest]
    for start in range(0, len(missing), FETCHED_AT_ONCE):
        wanted = missing[start : start + FETCHED_AT_ONCE]
        for digest, content in zip(wanted, fetch(wanted), strict=True):
            put(places[digest], content)
    return places


def put(path: Path, content: bytes) -> None:
    """Write a file at once: others see all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".", dir=path.parent)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(content)
    os.replace(name, path)


def _tree(code: Mapping[str, str], fetch: Fetch) -> Path:
    """Return a folder with the code, made once for equal code."""
    identity = hashlib.sha256(repr(sorted(code.items())).encode()).hexdigest()
    tree = cache_folder() / "trees" / identity[:24]
    if not tree.is_dir():
        objects = _objects(code, fetch)
        tree.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".", dir=tree.parent))
        for name, digest in code.items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(objects[digest], path)
        try:
            made.rename(tree)
        except OSError:  # another worker of this machine was first
            shutil.rmtree(made)
    _check(tree, code)
    return tree
