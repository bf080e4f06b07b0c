"""Hashes and commits that say where a number is from."""

import hashlib
import subprocess
from pathlib import Path

from repro.provenance import commit, sha256_of_file, sha256_of_files, sha256_of_json, versions


def _git(root: Path, *words: str) -> str:
    named = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *named, *words], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_the_hash_of_a_value_does_not_depend_on_the_order_of_its_keys() -> None:
    """SHA-256 of the two characters {} is known: 44136fa3…"""
    assert sha256_of_json({}).startswith("44136fa355b3678a1146ad16f7e8649e")
    assert sha256_of_json({"a": 1, "b": [2, {"c": 3, "d": 4}]}) == sha256_of_json(
        {"b": [2, {"d": 4, "c": 3}], "a": 1}
    )
    assert sha256_of_json([1, 2]) != sha256_of_json([2, 1])


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 8192
    (tmp_path / "large").write_bytes(content)
    assert sha256_of_file(tmp_path / "large") == hashlib.sha256(content).hexdigest()
    assert list(sha256_of_files([tmp_path / "large"], tmp_path)) == ["large"]


def test_the_commit_is_named_and_a_changed_file_makes_it_dirty(tmp_path: Path) -> None:
    _git(tmp_path, "init", "--quiet")
    (tmp_path / "file").write_text("one")
    (tmp_path / "dvc.lock").write_text("one")
    assert commit(tmp_path) is None
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "--quiet", "-m", "first")
    head = _git(tmp_path, "rev-parse", "HEAD")
    assert commit(tmp_path) == head
    (tmp_path / "dvc.lock").write_text("two")
    assert commit(tmp_path) == head
    (tmp_path / "file").write_text("two")
    assert commit(tmp_path) == f"{head}+dirty"


def test_without_git_there_is_no_commit(tmp_path: Path) -> None:
    assert commit(tmp_path) is None


def test_a_library_that_is_not_installed_has_no_version() -> None:
    found = versions(["numpy", "no-such-package"])
    assert found["no-such-package"] is None
    assert found["numpy"]
    assert found["python"].startswith("3.")
