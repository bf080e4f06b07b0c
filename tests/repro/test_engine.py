"""The engine on a pipeline of three quick stages, run by the real DVC in a folder without git."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from repro.engine import StageBugError, bring_up_to_date, pin, stale_stages
from repro.errors import ReproError
from repro.grid import add_dataset
from repro.layout import Layout
from repro.stages.entry import FAILURE_FILE
from repro.workload import Work
from tests.repro.quick_pipeline import CELL, quicken


@pytest.fixture
def pipeline(checkout: Layout) -> Layout:
    return quicken(checkout)


def test_stale_cells_are_run_once_and_then_left_alone(pipeline: Layout) -> None:
    said: list[str] = []
    work = bring_up_to_date(pipeline, [CELL], say=said.append)
    assert work.stages == ("prepare@demo", f"train@{CELL}", f"evaluate@{CELL}")
    assert "Running 3 stages through DVC" in said[0]
    assert "not known yet" in said[0]
    assert (pipeline.root / "evaluated").read_text() == "evaluate"
    assert bring_up_to_date(pipeline, [CELL], say=said.append).stages == ()
    assert len(said) == 1


def test_a_changed_parameter_makes_exactly_its_stages_stale_and_no_run_names_them(pipeline: Layout) -> None:
    bring_up_to_date(pipeline, [CELL], say=lambda _: None)
    text = pipeline.params.read_text()
    pipeline.params.write_text(text.replace("learning_rate: 0.001", "learning_rate: 0.01"))
    with pytest.raises(ReproError, match=f"Not up to date: train@{CELL}, evaluate@{CELL}: run the same"):
        bring_up_to_date(pipeline, [CELL], run=False)
    assert stale_stages(pipeline) == [f"train@{CELL}"]


def test_the_sentence_of_a_stage_that_refuses_is_the_one_the_user_gets(pipeline: Layout) -> None:
    (pipeline.root / "behaviour").write_text("refuse")
    with pytest.raises(ReproError) as refusal:
        bring_up_to_date(pipeline, [CELL], say=lambda _: None)
    assert str(refusal.value) == "training.batch_size is 7: choose another."


def test_a_bug_in_a_stage_is_told_from_a_mistake_of_the_user(pipeline: Layout) -> None:
    (pipeline.root / "behaviour").write_text("break")
    with pytest.raises(StageBugError, match="RuntimeError: nobody thought of this"):
        bring_up_to_date(pipeline, [CELL], say=lambda _: None)


def _start_lingering(pipeline: Layout) -> tuple[subprocess.Popen[str], int]:
    """Start a pipeline whose training lingers; return the process and that of the stage."""
    (pipeline.root / "behaviour").write_text("linger")
    program = (
        # A test run started in the background by a shell inherits an ignored Ctrl-C.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import sys; from repro.engine import bring_up_to_date; from repro.layout import Layout\n"
        "from repro.errors import ReproError\n"
        f"try: bring_up_to_date(Layout.find(), [{CELL!r}])\n"
        "except KeyboardInterrupt: sys.exit(130)\n"
        "except ReproError as error: print(error, file=sys.stderr); sys.exit(1)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=pipeline.root, stderr=subprocess.PIPE, text=True
    )
    marker = pipeline.root / "lingering"
    deadline = time.monotonic() + 60
    while not marker.exists() or not marker.read_text():
        assert time.monotonic() < deadline, "the stage never started"
        time.sleep(0.05)
    return process, int(marker.read_text())


def test_ctrl_c_ends_every_process_of_the_pipeline(pipeline: Layout) -> None:
    process, stage = _start_lingering(pipeline)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.kill(stage, 0)
    assert not (pipeline.root / "trained").exists()


def test_when_dvc_is_killed_its_stage_ends_and_the_fix_is_named(pipeline: Layout) -> None:
    process, stage = _start_lingering(pipeline)
    os.kill(os.getpgid(stage), signal.SIGKILL)
    _, words = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "DVC was killed from outside (signal 9): run the same command again" in words
    with pytest.raises(ProcessLookupError):
        os.kill(stage, 0)


@pytest.mark.parametrize(
    ("origin", "fix"), [("fetched", "repro data fetch movie"), ("imported", "repro data import movie")]
)
def test_missing_raw_data_are_named_with_the_command_that_brings_them(
    checkout: Layout, origin: str, fix: str
) -> None:
    (key,) = add_dataset(checkout, "movie", {"origin": origin, "split": {"how": "given"}, "seeds": [1]})
    with pytest.raises(ReproError, match=f"data set movie is missing.*{fix}"):
        bring_up_to_date(checkout, [key])


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        (
            "extractive, summaries_from: data/prepared/demo/text.parquet",
            "pinned, summaries_from: gone",
            "sum",
        ),
        (
            "lsa, vectors_from: data/text/demo/summaries.jsonl",
            "sentence-transformers, vectors_from: gone",
            "vec",
        ),
    ],
)
def test_a_missing_file_of_the_users_own_is_named_with_its_key(
    checkout: Layout, old: str, new: str, key: str
) -> None:
    text = checkout.params.read_text()
    assert old in text
    checkout.params.write_text(text.replace(old, new))
    (checkout.raw("demo")).mkdir(parents=True)
    with pytest.raises(
        ReproError, match=rf"params.yaml: text\.demo\.{key}\w+_from is 'gone', and .* is not there"
    ):
        bring_up_to_date(checkout, ["demo-lightgcn-irllrec"])


def test_a_cell_that_is_not_in_the_grid_is_refused(checkout: Layout) -> None:
    with pytest.raises(ReproError, match="not in the grid: demo-lightgcn-nosuch"):
        bring_up_to_date(checkout, ["demo-lightgcn-nosuch"])


def test_pinning_raw_data_writes_the_file_that_git_keeps(pipeline: Layout) -> None:
    folder = pipeline.raw("mine")
    folder.mkdir(parents=True)
    (folder / "interactions.parquet").write_bytes(b"content")
    pin(pipeline, folder)
    assert "nfiles: 1" in folder.with_suffix(".dvc").read_text()


def test_work_is_told_with_its_stages_and_its_time() -> None:
    stages = tuple(f"train@demo-lightgcn-{number}" for number in range(8))
    sentence = Work(stages, 200.0).sentence()
    assert sentence.startswith("Running 8 stages through DVC (train@demo-lightgcn-0, ")
    assert sentence.endswith("train@demo-lightgcn-5 and 2 more); about 3 min.")


def test_a_stage_leaves_its_sentence_in_a_file_instead_of_printing_it_twice(tmp_path: Path) -> None:
    record = tmp_path / "failure.json"
    program = "from repro.stages.entry import run; from repro.errors import ReproError\n"
    program += "def main(words): raise ReproError('one sentence.')\nrun(main)\n"
    environment = {**os.environ, "REPRO_ROOT": str(tmp_path)}
    quiet = subprocess.run(
        [sys.executable, "-c", program],
        env={**environment, FAILURE_FILE: str(record)},
        capture_output=True,
        text=True,
        check=False,
    )
    loud = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert quiet.returncode == loud.returncode == 1
    assert json.loads(record.read_text())["sentence"] == "one sentence."
    assert "one sentence." not in quiet.stderr
    assert loud.stderr.count("one sentence.") == 1
