"""The lock files agree with constraints.txt and pyproject.toml; what an audit found is judged rightly."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
ENTRY = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;]+)")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")


def plain(name: str) -> str:
    """Return a package's name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(name: str) -> dict[str, tuple[str, int]]:
    """Return version and number of hashes of every package of a lock file; any other line is an error."""
    found: dict[str, tuple[str, int]] = {}
    last = ""
    for line in (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        if entry := ENTRY.match(line):
            last = plain(entry[1])
            assert last not in found
            found[last] = (entry[2], 0)
        else:
            assert HASH.match(line), f"{name}: {line}"
            version, count = found[last]
            found[last] = (version, count + 1)
    return found


@pytest.mark.parametrize("name", ["build.lock", "torch.lock", "torch-cpu.lock", "main.lock", "audit.lock"])
def test_every_locked_package_has_a_hash(name: str) -> None:
    packages = locked(name)
    assert packages
    assert [package for package, (_, count) in packages.items() if not count] == []


def test_the_locks_hold_the_versions_of_the_constraints() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    pinned = {plain(name): version for name, _, version in (line.partition("==") for line in lines)}
    main, torch = locked("main.lock"), locked("torch.lock")
    both = {name: version for name, (version, _) in {**main, **torch}.items()}
    assert {name: both[name] for name in pinned if name in both} == {
        name: version for name, version in pinned.items() if name in both
    }
    assert locked("torch-cpu.lock")["torch"][0] == f"{both['torch']}+cpu"


def test_every_package_that_the_project_names_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    there = {**locked("main.lock"), **locked("torch.lock")}
    missing = [text for text in named if plain(re.match(r"[A-Za-z0-9._-]+", text)[0]) not in there]  # type: ignore[index]
    assert missing == []


@pytest.fixture
def audited() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audited", ROOT / "requirements" / "audited.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FINE = {"name": "six", "version": "1.17.0", "vulns": []}
BAD = {"name": "lxml", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}
UNKNOWN = {"name": "torch", "version": "2.13.0", "skip_reason": "Dependency not found on PyPI"}


def test_an_audit_that_knows_a_vulnerability_fails(audited: ModuleType) -> None:
    code, words = audited.judge({"dependencies": [FINE, BAD, UNKNOWN]})
    assert code == 1
    assert "lxml 1.0: PYSEC-1, mended in: 1.1" in words
    assert "2 packages audited, 1 unknown to the database (torch): 1 known vulnerabilities." in words


def test_an_audit_that_knows_no_package_claims_nothing(audited: ModuleType) -> None:
    assert audited.judge({"dependencies": [UNKNOWN]})[0] == 0
    assert audited.judge({"dependencies": [UNKNOWN]})[1].startswith("Not audited")
    assert audited.judge({"dependencies": [FINE]}) == (0, "1 packages audited: no known vulnerability.")
