"""dvc.lock as text: the bytes are those that DVC writes."""

import shutil
from pathlib import Path

import pytest
from dvc.dvcfile import Lockfile
from dvc.repo import Repo

from repro.running.lock_file import LockFile

ROOT = Path(__file__).parents[3]


@pytest.fixture
def committed() -> str:
    return (ROOT / "dvc.lock").read_text(encoding="utf-8")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout without data, with the lock of the release."""
    for name in ("dvc.yaml", "dvc.lock", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "results", tmp_path / "results")
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n", encoding="utf-8")
    return tmp_path


def test_a_lock_of_dvc_is_written_back_as_it_was(committed: str) -> None:
    found = LockFile.parse(committed)

    assert found is not None
    assert found.text() == committed
    assert len(found.entries) == committed.count("\n    cmd:")


def test_no_file_is_an_empty_lock() -> None:
    assert LockFile.parse("") == LockFile({})


@pytest.mark.parametrize(
    "text",
    [
        "schema: '2.0'\nstages:\n  # by hand\n  a:\n    cmd: x\n",
        "schema: '2.0'\ndatasets: []\nstages:\n  a:\n    cmd: x\n",
        "schema: '2.0'\nstages:\n  a:\n    cmd: x\ndatasets: []\n",
        "schema: '2.0'\nstages:\n  a:\n    cmd: x\n  a:\n    cmd: y\n",
        "schema: '2.0'\nstages:\n    cmd: x\n",
        "schema: '2.0'\nstages:\n  a:\n    cmd: x",
        "schema: '2.0'\nstages: {}\n",
        "stages:\n  a:\n    cmd: x\n",
    ],
)
def test_what_dvc_would_not_write_is_left_to_dvc(text: str) -> None:
    assert LockFile.parse(text) is None


def test_entries_old_and_new_are_written_as_dvc_writes_them(checkout: Path, committed: str) -> None:
    repo = Repo(str(checkout))
    stages = [stage for stage in repo.index.stages if getattr(stage, "name", "").startswith("tabulate@")]
    train = next(stage for stage in repo.index.stages if stage.name.startswith("train@"))
    train.cmd = (
        "sh a-much-longer-command-than-any --that has --to be --folded over --two lines of the lock: 'x'"
    )
    (checkout / "dvc.lock").write_text(_without(committed, stages[0].name), encoding="utf-8")

    before = LockFile.parse(_without(committed, stages[0].name))
    assert before is not None
    ours = before.with_stages([train, *stages])
    Lockfile(repo, str(checkout / "dvc.lock")).dump_stages([train, *stages])

    assert ours is not None
    assert ours.text() == (checkout / "dvc.lock").read_text(encoding="utf-8")
    assert "a-much-longer-command" in ours.entries[train.name]
    assert list(ours.entries)[-1] == stages[0].name


def test_the_order_can_be_changed(committed: str) -> None:
    found = LockFile.parse(committed)
    assert found is not None
    names = sorted(found.entries)

    assert list((LockFile.parse(found.in_order(names).text()) or found).entries) == names


def _without(text: str, name: str) -> str:
    found = LockFile.parse(text)
    assert found is not None
    return LockFile({key: lines for key, lines in found.entries.items() if key != name}).text()
