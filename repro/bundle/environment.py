"""What the bundle was made with: Python, packages with hashes, processor, kernels."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from repro.provenance import LIBRARIES, sha256_of_files, sha256_of_json, versions

OURS = "irllrec-repro"
CODE = "irllrec-repro's code"
DRAWING = ("matplotlib", "jinja2", "markupsafe")
"""Whose version can change a byte of the report though no figure changes."""


def environment() -> dict[str, Any]:
    """Return Python, system, processor, kernels, and every installed package with its version and hash.

    No path, no name of the machine, and nothing that changes from one minute to the next.
    """
    from irllrec.native.building import kernels

    return {
        "python": {"version": platform.python_version(), "implementation": platform.python_implementation()},
        "system": _system(),
        "processor": {"model": _processor(), "cores": os.cpu_count()},
        "kernels": kernels().name,
        "code_sha256": _code_hash(),
        "packages": _packages(),
    }


def other_versions(stored: Mapping[str, Any]) -> dict[str, str]:
    """Return what can change a byte and has another version here than in a stored environment.

    Args:
        stored: As :func:`environment` returns it.

    Returns:
        Name → both versions in words.
    """
    here = versions((*LIBRARIES, *DRAWING, OURS))
    there = {name: entry.get("version") for name, entry in stored["packages"].items()}
    there["python"] = stored["python"]["version"]
    here[CODE], there[CODE] = _code_hash()[:10], str(stored["code_sha256"])[:10]
    return {
        name: f"{name} {there.get(name) or 'none'} → {version or 'none'}"
        for name, version in here.items()
        if there.get(name) != version
    }


def is_same_machine(stored: Mapping[str, Any]) -> bool:
    """Return whether system and processor are of the same kind as in a stored environment."""
    return stored["system"] == _system() and stored["processor"]["model"] == _processor()


def _system() -> dict[str, str]:
    return {
        "name": platform.system(),
        "machine": platform.machine(),
        "libc": "-".join(platform.libc_ver()),
    }


def own_version() -> str | None:
    """Return the version of this package, None where it runs without being installed."""
    try:
        return metadata.version(OURS)
    except metadata.PackageNotFoundError:
        return None


def _code_hash() -> str:
    """Return the hash of this package's own files: two states of a checkout may have one version."""
    import irllrec
    import repro

    hashes: dict[str, str] = {}
    for package in (irllrec, repro):
        folder = Path(package.__path__[0])
        files = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        hashes |= sha256_of_files(files, folder.parent)
    return sha256_of_json(hashes)


def _packages() -> dict[str, dict[str, str | None]]:
    found: dict[str, dict[str, str | None]] = {}
    for package in metadata.distributions():
        name = (package.metadata["Name"] or "").lower().replace("_", "-")
        if name:
            found.setdefault(name, {"version": package.version, "sha256": _hash(package)})
    return dict(sorted(found.items()))


def _hash(package: metadata.Distribution) -> str | None:
    """Return the hash of a package's list of files and their hashes, None where it has none.

    Left out is what differs from one installation to the next: scripts, which name their Python, and what
    the installer noted.
    """
    listed = package.read_text("RECORD")
    if listed is None:
        return None
    kept = [
        line
        for line in sorted(listed.splitlines())
        if ",sha256=" in line and ".dist-info/" not in line and not line.startswith(("..", "__editable__"))
    ]
    return hashlib.sha256("\n".join(kept).encode()).hexdigest() if kept else None


def _processor() -> str:
    """Return the processor's model as the system tells it."""
    path = Path("/proc/cpuinfo")
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
