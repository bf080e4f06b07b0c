"""Where a number comes from: commit, library versions, hashes of parameters and files."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

LIBRARIES = ("torch", "numpy", "scipy", "pandas", "pyarrow", "scikit-learn", "statsmodels", "dvc")
"""The packages whose version can change a number."""

_BLOCK_BYTES = 1 << 20


def commit(root: Path) -> str | None:
    """Return the commit of the checkout, with ``+dirty`` after uncommitted changes of tracked files.

    None where there is no git, as in an unpacked release, and before the first commit. Files the
    pipeline itself writes (dvc.lock, results/) do not make a checkout dirty. In a folder to which
    ``repro run`` sent a cell, the commit of the checkout that sent it.
    """
    if not (root / ".git").exists():
        return _sent(root)
    found = _git(root, "rev-parse", "HEAD")
    if not found:
        return None
    changed = _git(
        root, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!dvc.lock", ":!results"
    )
    return found + ("+dirty" if changed else "")


def _sent(root: Path) -> str | None:
    try:
        return (root / ".repro" / "commit").read_text(encoding="utf-8")
    except OSError:
        return None


def versions(libraries: Sequence[str] = LIBRARIES) -> dict[str, str | None]:
    """Return the version of Python and of each library, None for one that is not installed."""
    return {"python": platform.python_version(), **{name: _version(name) for name in libraries}}


def sha256_of_json(value: Any) -> str:
    """Return the hash of a JSON-like value; the order of mapping keys does not matter."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def sha256_of_file(path: Path) -> str:
    """Return the hash of a file's bytes, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def sha256_of_files(paths: Sequence[Path], root: Path) -> dict[str, str]:
    """Return the hash of each file by its path relative to ``root``."""
    return {path.relative_to(root).as_posix(): sha256_of_file(path) for path in sorted(paths)}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _git(root: Path, *arguments: str) -> str | None:
    """Return what git prints, None if it is missing, slow or refuses."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
