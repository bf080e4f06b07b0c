"""A dvc.lock that a killed DVC left: every command that meets it says what to do."""

from pathlib import Path

import pytest

from repro.engine import stale_stages
from repro.errors import ReproError
from repro.layout import Layout
from repro.stage_lock import locked_stages
from tests.release import copy_release

WHOLE = "schema: '2.0'\nstages:\n  prepare@demo:\n    cmd: sh x\n  train@demo:\n    cmd: sh y\n"


def test_stages_are_listed_in_the_order_of_the_file(tmp_path: Path) -> None:
    assert locked_stages(Layout(tmp_path)) == []
    (tmp_path / "dvc.lock").write_text(WHOLE)
    assert locked_stages(Layout(tmp_path)) == ["prepare@demo", "train@demo"]


@pytest.mark.parametrize(
    "text", ["", "schema: '2.0'\n", "schema: '2.0'\nstages:\n", f"{WHOLE}  x: [", "\x00\x00"]
)
def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path, text: str) -> None:
    (tmp_path / "dvc.lock").write_text(text)
    with pytest.raises(ReproError, match=r"dvc\.lock is damaged .*`git checkout dvc\.lock`.*not made again"):
        locked_stages(Layout(tmp_path))


@pytest.mark.parametrize("text", ["", '{"write": {"runs'])
def test_half_a_record_of_who_works_on_what_stops_nobody(tmp_path: Path, text: str) -> None:
    """DVC was killed while it wrote .dvc/tmp/rwlock, on which its next command would stop."""
    copy_release(tmp_path / "release", {})
    (tmp_path / "release" / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n")
    (tmp_path / "release" / ".dvc" / "tmp").mkdir()
    (tmp_path / "release" / ".dvc" / "tmp" / "rwlock").write_text(text)
    assert "generate@demo" in stale_stages(Layout(tmp_path / "release"))


@pytest.mark.parametrize("text", ["", f"{WHOLE}  x: ["])
def test_it_is_told_in_the_place_of_dvc_s_words(tmp_path: Path, text: str) -> None:
    copy_release(tmp_path / "release", {})
    (tmp_path / "release" / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n")
    (tmp_path / "release" / "dvc.lock").write_text(text)
    with pytest.raises(ReproError, match=r"dvc\.lock is damaged"):
        stale_stages(Layout(tmp_path / "release"))
