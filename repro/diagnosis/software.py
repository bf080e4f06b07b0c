"""The installation: the packages that can change a number, and all others against their pins."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from repro.diagnosis.findings import Finding, problem
from repro.layout import Layout
from repro.provenance import LIBRARIES, commit, versions
from repro.shortened import first_few

_AGAIN = "rm -r .venv && make setup"


def software(layout: Layout) -> Iterator[Finding]:
    """Yield what is installed: each library that can change a number, the other pins, the commit."""
    pins = pinned_versions(layout.root / "constraints.txt")
    for name, version in versions().items():
        if version is None:
            yield problem(name, "not installed", "make setup")
        elif name in pins and _public(version) != pins[name]:
            yield problem(name, f"{version}, pinned is {pins[name]}", _AGAIN)
        else:
            yield Finding(name, version)
    if pins:
        yield _others({name: version for name, version in pins.items() if name not in LIBRARIES})
    yield Finding("commit", commit(layout.root) or "no git (an unpacked release)")


def pinned_versions(path: Path) -> dict[str, str]:
    """Return the version of each package of constraints.txt; empty where there is no such file."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    pairs = (line.partition("==") for line in lines if "==" in line and not line.startswith("#"))
    return {_plain(name): version.strip() for name, _, version in pairs}


def _others(pins: dict[str, str]) -> Finding:
    """Compare every installed package with its pin; what is pinned for an extra may be missing."""
    installed = {_plain(each.name): each.version for each in metadata.distributions()}
    there = {name: version for name, version in pins.items() if name in installed}
    strays = [
        f"{name} {installed[name]} (pinned {version})"
        for name, version in sorted(there.items())
        if _public(installed[name]) != version
    ]
    if not strays:
        return Finding("other packages", f"{len(there)}, as pinned")
    found = f"{len(strays)} of {len(there)} differ from their pins: {first_few(strays, 3)}"
    return Finding("other packages", found, _AGAIN)


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _public(version: str) -> str:
    """Return a version without its local part, such as ``+cpu``."""
    return version.partition("+")[0]
