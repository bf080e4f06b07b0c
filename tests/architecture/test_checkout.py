"""The files of the project itself: sizes, dependencies, the README's commands, leftovers."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import LONGEST

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"ruamel.yaml": "ruamel", "scikit-learn": "sklearn", "pyyaml": "yaml"}
WITHOUT_IMPORT = {
    "dvc": "started as a command",
    "ollama": "the summarizer through a local server, named in the design",
    "pandas": "statsmodels needs it",
    "ruamel.yaml.clib": "reads DVC's files in C, through ruamel.yaml",
    "httpx": "downloads and the client of the local server",
}


def _sources() -> list[Path]:
    return sorted(path for package in ("irllrec", "repro") for path in (ROOT / package).rglob("*.py"))


def _tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("this is an unpacked release: git cannot list the tracked files")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def _imported_packages() -> set[str]:
    names: set[str] = set()
    for path in _sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"irllrec", "repro"}


def _declared() -> tuple[set[str], set[str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    def bare(lines: list[str]) -> set[str]:
        return {re.split(r"[<>=!~\[; ]", line)[0] for line in lines}

    extras = bare([line for name, lines in project["optional-dependencies"].items() for line in lines])
    return bare(project["dependencies"]), extras


def test_every_imported_package_is_declared() -> None:
    required, extras = _declared()
    known = {PACKAGES.get(name, name).replace("-", "_") for name in required | extras}
    assert sorted(_imported_packages() - known) == []


def test_every_declared_package_is_used() -> None:
    imported = _imported_packages()
    unused = [name for name in _declared()[0] if PACKAGES.get(name, name) not in imported]
    assert sorted(set(unused) - set(WITHOUT_IMPORT)) == []


def test_every_required_package_is_pinned_without_local_paths() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9_.\-]+==[0-9][A-Za-z0-9.]*", line) for line in lines)
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lines}
    required, extras = _declared()
    assert sorted((required | extras) - pinned - {"atheris", "sentence-transformers"}) == []


def test_no_tracked_file_is_larger_than_a_megabyte() -> None:
    assert [path.name for path in _tracked() if path.stat().st_size > 1_000_000] == []


def test_no_module_is_longer_than_four_hundred_lines() -> None:
    long = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in _sources()}
    assert {name: count for name, count in long.items() if count > 400} == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    empty = {"utils", "helpers", "common", "misc", "util", "helper"}
    assert [path for path in _sources() if empty & set(path.with_suffix("").parts)] == []


def test_the_readmes_make_commands_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"^make ([a-z]+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert {"demo", "test"} <= named <= targets


def test_the_readmes_links_lead_to_files() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / "README.md").read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_files_of_the_longest_tests_are_there() -> None:
    assert [name for name in LONGEST if not (ROOT / name).is_file()] == []
