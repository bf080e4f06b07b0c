"""What the command line prints, and with which code it leaves."""

import errno
import re
from pathlib import Path

import pytest

from repro import cli
from repro.cli_page import page
from repro.commands.selection import grid_places
from repro.errors import ReproError
from repro.failures import explain
from repro.layout import Layout
from repro.params import load_params

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def here(checkout, monkeypatch):
    monkeypatch.setenv("REPRO_ROOT", str(checkout.root))
    monkeypatch.delenv("REPRO_VERBOSITY", raising=False)
    return checkout


def test_the_page_of_the_command_line_is_current() -> None:
    assert (ROOT / "docs" / "cli.md").read_text() == page(), "run: python -m repro.cli_page > docs/cli.md"


def test_every_command_has_a_worked_example() -> None:
    sections = re.split(r"^## ", page(), flags=re.MULTILINE)[1:]
    groups = [section for section in sections if "Commands:" in section]
    commands = [section for section in sections if section not in groups]
    assert len(commands) > 10
    assert [section.splitlines()[0] for section in commands if "Example: repro " not in section] == []


def test_without_words_the_help_is_the_answer(capsys) -> None:
    assert cli.run([]) == 0
    answer = capsys.readouterr()
    assert "Start with `repro demo`" in answer.out
    assert answer.err == ""


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nosuch"], "No such command 'nosuch'"),
        (["grid", "show", "--nosuch"], "No such option: --nosuch"),
        (["compare", "one"], "Missing argument"),
        (["grid", "use", "mine"], "there are no settings 'mine': choose paper or default."),
        (["grid", "add", "--dataset", "nosuch"], "no data set 'nosuch'"),
        (["grid", "remove", "nosuch"], "no cell 'nosuch'"),
        (["grid", "remove"], "nothing is named"),
        (["grid", "remove", "--dataset", "nosuch"], "no data set 'nosuch'"),
        (["grid", "show", "--format", "yaml"], "the format 'yaml' is unknown"),
        (["ablation", "--drop", "NOSUCH"], "component 'NOSUCH'"),
    ],
)
def test_a_mistake_is_one_line_on_stderr_and_leaves_with_one(here, capsys, words, sentence) -> None:
    assert cli.run(words) == 1
    answer = capsys.readouterr()
    assert answer.out == ""
    assert sentence in answer.err
    assert answer.err.count("\n") == 1


def test_outside_a_checkout_the_fix_is_named(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.delenv("REPRO_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    assert cli.run(["grid", "show"]) == 1
    assert "REPRO_ROOT" in capsys.readouterr().err


def test_a_bug_of_ours_leaves_with_two_and_writes_a_log(here, monkeypatch, capsys) -> None:
    def break_down(*_: object) -> None:
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr("repro.params.load_params", break_down)
    assert cli.run(["grid", "show"]) == 2
    (log,) = (here.state / "logs").glob("bug-*.txt")
    assert "nobody thought of this" in log.read_text()
    assert str(log) in capsys.readouterr().err


def test_ctrl_c_leaves_with_130(here, monkeypatch, capsys) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("repro.params.load_params", interrupt)
    assert cli.run(["grid", "show"]) == 130
    assert "Stopped" in capsys.readouterr().err


def test_the_grid_is_an_answer_and_what_changed_is_a_log(here, capsys) -> None:
    assert cli.run(["grid", "add", "-d", "demo", "--drop", "GSL", "--drop", "ITM", "-v"]) == 0
    answer = capsys.readouterr()
    assert answer.out == ""
    assert answer.err == "added: demo-lightgcn-irllrec-no-gsl, demo-lightgcn-irllrec-no-itm\n"
    assert cli.run(["grid", "show", "--format", "csv"]) == 0
    assert "demo-lightgcn-irllrec-no-gsl,demo,lightgcn,irllrec-no-gsl,default,5" in capsys.readouterr().out


def test_a_full_disk_is_told_in_a_sentence(tmp_path: Path) -> None:
    failure = explain(OSError(errno.ENOSPC, "No space left on device", "model.safetensors"), tmp_path)
    assert failure.code == 1
    assert failure.sentence.startswith("The disk is full while writing model.safetensors")
    assert explain(ReproError("one sentence."), tmp_path).sentence == "one sentence."


def test_by_default_only_backbones_that_take_every_objective_are_taken_apart(here: Layout) -> None:
    """The grid's simple baselines have nothing to drop and no variant to compare with base."""
    params = load_params(here.params)
    assert ("demo", "pop") in grid_places(params, ["demo"], None)
    assert grid_places(params, ["demo"], None, composed=True) == [("demo", "lightgcn")]
    assert grid_places(params, ["demo"], ["pop"], composed=True) == [("demo", "pop")]
