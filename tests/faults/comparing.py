"""Whether files are whole after a fault, and whether a checkout ends with the bytes of an undisturbed run."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sqlite3
import tempfile
from pathlib import Path

import safetensors
import yaml

MAY_DIFFER = {
    r".*/__pycache__/.*|__pycache__/.*": "Python's own cache of compiled code",
    r"\.git/.*": "git's index holds times; nothing here commits",
    r"\.dvc/tmp/.*": "DVC's scratch: process numbers, times, locks of processes that have ended",
    r"\.repro/timings/[\w-]+\.json": "what training cost here: seconds and peak memory, for estimates only",
    r"\.repro/logs/dvc\.log": "what DVC said in the last run: a run that goes on says less",
    r"\.repro/checkout\.lock": "who wrote last, since when; says nothing once the lock is free",
    r"\.repro/text/\w+\.sqlite\.lock": "the same for the store of replies",
    r"\.repro/text/\w+\.sqlite": "each reply with the time it came; the replies themselves are compared",
    r"\.repro/logs/failure-\d+\.json": "a sentence of a stage on its way to a command that was killed",
}
"""Every path whose bytes may differ between a disturbed and an undisturbed run, with the reason."""

TEMPORARY = re.compile(r"(.*/)?\.[^/]+\.[a-z0-9_]{8}\.(tmp|old)(/.*)?")
"""What a killed process was writing, beside its place: never read, removed by the next writing command."""

KEPT_AN_HOUR = re.compile(r"(results/.*|bundle-[\w-]+\.zip|\.repro/.*|build/.*|data/.*|runs/.*)")
_UNDER_WAY = re.compile(r"data/raw/\.\w+\.partial/.*|\.repro/running/.*")
_CACHED = re.compile(r"\.dvc/cache/files/md5/(..)/([0-9a-f]{30})(\.dir)?")
_CACHE_SCRATCH = re.compile(
    r"\.dvc/cache/files/md5/(../)?[^/]*(\.tmp|tmp[\w-]*)$|.*\.dvc/cache/.*/\.[\w-]+(\.tmp)?$"
)

Snapshot = dict[str, str]
"""Path below a checkout → SHA-256 of its content."""


def snapshot(root: Path) -> Snapshot:
    """Return the hash of every file of a checkout, save those that may differ."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not path.is_symlink() and not may_differ(name):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    for store in sorted((root / ".repro" / "text").glob("*.sqlite")):
        found[f"replies of {store.name}"] = _replies(store)
    return found


def may_differ(name: str) -> bool:
    """Return whether a path is in the list of those that may differ."""
    return any(re.fullmatch(pattern, name) for pattern in MAY_DIFFER)


def differences(found: Snapshot, wanted: Snapshot) -> list[str]:
    """Return what a checkout has more, less or otherwise than the undisturbed one."""
    told = [f"{name} is missing" for name in wanted if name not in found]
    told += [f"{name} has other bytes" for name in wanted if name in found and found[name] != wanted[name]]
    told += [f"{name} is left over" for name in found if name not in wanted and not _is_scrap(name)]
    return told


def _is_scrap(name: str) -> bool:
    return bool(TEMPORARY.fullmatch(name) and KEPT_AN_HOUR.fullmatch(name))


def half_written(root: Path, known: list[Snapshot]) -> list[str]:
    """Return the files at a final path that are neither known as whole nor readable.

    Args:
        root: A checkout, after a fault.
        known: What it held before, and what it holds after an undisturbed run.
    """
    whole: dict[str, set[str]] = {}
    for one in known:
        for name, digest in one.items():
            whole.setdefault(name, set()).add(digest)
    told = []
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if not path.is_file() or _is_on_its_way(name) or name.startswith((".git/", ".dvc/tmp/")):
            continue
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() not in whole.get(name, ()) and not _is_readable(path, content):
            told.append(f"{name} is half-written ({len(content)} bytes)")
    return told


def _is_on_its_way(name: str) -> bool:
    return bool(
        TEMPORARY.fullmatch(name)
        or _UNDER_WAY.fullmatch(name)
        or "__pycache__" in name
        or name.endswith((".lock", ".log", "-wal", "-shm", "-journal"))
        or _CACHE_SCRATCH.fullmatch(name)
    )


def _is_readable(path: Path, content: bytes) -> bool:
    """Return whether a file that neither run ends with is whole: a step on the way that can be read."""
    cached = _CACHED.search(path.as_posix())
    try:
        if cached:
            return hashlib.md5(content, usedforsecurity=False).hexdigest() == cached[1] + cached[2]
        if path.suffix == ".safetensors":
            with safetensors.safe_open(path, framework="numpy") as tensors:
                return len(list(tensors.keys())) > 0
        if path.suffix in (".yaml", ".dvc") or path.name == "dvc.lock" or "cache/runs" in path.as_posix():
            return isinstance(yaml.safe_load(content), dict)
        if path.suffix == ".json":
            return json.loads(content) is not None
        if path.suffix == ".sqlite":
            return _integrity(path)
        if path.suffix == ".npy":
            import numpy

            return numpy.load(path, mmap_mode="r").size > 0
        return path.name == ".gitignore" or (path.parent.name == "raw" and not content)
    except Exception:
        return False


def _integrity(path: Path) -> bool:
    """Return whether a store is whole once SQLite has gone on with its journal, as the next command does."""
    with tempfile.TemporaryDirectory() as folder:
        for part in path.parent.glob(f"{path.name}*"):
            shutil.copy(part, folder)
        store = sqlite3.connect(Path(folder) / path.name)
        answer = store.execute("PRAGMA integrity_check").fetchone()[0]
        store.close()
    return bool(answer == "ok")


def _replies(path: Path) -> str:
    """Return a hash of the replies that a store holds, without the times at which they came."""
    store = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        rows = store.execute("SELECT key, parsed FROM replies ORDER BY key").fetchall()
        failed = store.execute("SELECT key, kind FROM quarantine ORDER BY key").fetchall()
    finally:
        store.close()
    return hashlib.sha256(json.dumps([rows, failed]).encode()).hexdigest()
