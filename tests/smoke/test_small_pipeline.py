"""The whole way on a very small data set, in an unpacked release: a copy of the sources without git."""

import csv
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.release import copy_release

SMALL = {
    "{users: 1200, items: 800, interactions: 15000, intents: 12, seed: 7}": (
        "{users: 90, items: 60, interactions: 1200, intents: 4, seed: 7}"
    ),
    "seeds: [2023, 2024, 2025, 2026, 2027]": "seeds: [2023, 2024]",
    "max_epochs: 3000": "max_epochs: 6",
    "workers: auto": "workers: 1",  # a process for each seed is longer in the starting than in its six epochs
    "bootstrap_samples: 5000": "bootstrap_samples: 200",
    "randomisation_samples: 5000": "randomisation_samples: 200",
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    copy_release(folder, SMALL)
    return folder


def _run(release: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program of this Python's environment in the release."""
    program = [sys.executable, "-m", "dvc"] if words[0] == "dvc" else [sys.executable, "-c", _REPRO]
    return subprocess.run(
        [*program, *words[1:]],
        cwd=release,
        env={**os.environ, "REPRO_PYTHON": sys.executable, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


_REPRO = "import sys; from repro.cli import main; main()"


def test_the_demo_ends_with_a_table_of_every_variant(release: Path) -> None:
    done = _run(release, "repro", "demo", "--format", "csv")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert {"base", "rlmrec-con", "rlmrec-gen", "irllrec"} <= {
        value for row in rows for value in row.values()
    }
    assert "Running" in done.stderr
    assert "Done in" in done.stderr


def test_a_second_dvc_repro_runs_nothing(release: Path) -> None:
    done = _run(release, "dvc", "repro")
    assert done.returncode == 0, done.stderr
    assert "Running stage" not in done.stdout
    assert "up to date" in done.stdout


def test_dvc_shows_metrics_and_plots(release: Path) -> None:
    metrics = _run(release, "dvc", "metrics", "show", "--md")
    assert metrics.returncode == 0, metrics.stderr
    assert "runs/demo/lightgcn/irllrec/metrics.json" in metrics.stdout
    assert "recall@20" in metrics.stdout
    plots = _run(release, "dvc", "plots", "show", "--out", "plots")
    assert plots.returncode == 0, plots.stderr
    assert "history.csv" in (release / "plots" / "index.html").read_text()


def test_stages_find_their_python_without_an_activated_environment(release: Path) -> None:
    bare = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "REPRO_PYTHON")}
    (release / ".venv" / "bin").mkdir(parents=True, exist_ok=True)
    launcher = release / ".venv" / "bin" / "python"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    launcher.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro", "--single-item", "--force", "prepare@demo"],
        cwd=release,
        env={**bare, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    shutil.rmtree(release / ".venv")
    assert done.returncode == 0, done.stderr


def test_a_bundle_agrees_with_the_lock_and_is_checked_where_no_checkout_is(
    release: Path, tmp_path: Path
) -> None:
    """The tables that stages wrote, the files' hashes and the settings of dvc.lock are those of the bundle."""
    made = _run(release, "repro", "bundle", "--out", str(tmp_path / "demo.zip"))
    assert made.returncode == 0, made.stderr
    assert "dvc.lock" not in made.stderr
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", _REPRO, "bundle", "check", str(tmp_path / "demo.zip"), "--format", "csv"],
        cwd=tmp_path / "empty",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row["part"]: row for row in csv.DictReader(io.StringIO(done.stdout))}
    assert int(rows["dvc.lock"]["compared"]) >= 30
    assert list((tmp_path / "empty").iterdir()) == []


def test_another_cutoff_needs_no_training(release: Path) -> None:
    done = _run(release, "repro", "table", "main", "--metrics", "recall@50", "--no-run", "--format", "csv")
    assert done.returncode == 0, done.stderr
    assert "recall@50" in done.stdout


def test_noise_is_trained_compared_and_drawn(release: Path) -> None:
    words = [
        "noise",
        "--dataset",
        "demo",
        "--backbone",
        "lightgcn",
        "--share",
        "20",
        "--metrics",
        "recall@20",
    ]
    done = _run(release, "repro", *words, "--folder", "curves", "--format", "csv")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["question"], row["variant"], row["share"]) for row in rows] == [
        ("change", "base", "20"),
        ("change", "irllrec", "20"),
        ("difference of changes", "irllrec", "20"),
        ("difference of changes", "irllrec", "20"),
    ]
    changes = [float(row["difference"]) for row in rows]
    assert changes[2] == pytest.approx(changes[1] - changes[0], rel=1e-4)
    assert (release / "curves" / "noise-clicks-demo-lightgcn.png").is_file()
    assert _run(release, "repro", *words, "--no-run", "--format", "csv").stdout == done.stdout


def test_sensitivity_trains_a_cell_for_each_value(release: Path) -> None:
    words = ["sensitivity", "--dataset", "demo", "--set", "intents=4,128", "--metrics", "ndcg@20"]
    done = _run(release, "repro", *words, "--format", "csv")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["value"], row["as_in_grid"]) for row in rows] == [("4", ""), ("128", "yes")]
    assert "irllrec-at-intents-4" in (release / "params.yaml").read_text()
    again = _run(release, "repro", "table", "main", "--no-run", "--format", "csv")
    assert again.returncode == 0, again.stderr
    assert "irllrec-at-intents-4" not in again.stdout


def test_noise_of_an_unknown_kind_is_refused_before_anything_runs(release: Path) -> None:
    done = _run(release, "repro", "noise", "--dataset", "demo", "--kind", "prices")
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["there is no kind of noise 'prices': choose clicks or text."]


def test_a_mistake_in_params_is_the_stage_sentence_and_nothing_is_half_written(release: Path) -> None:
    params = release / "params.yaml"
    before = params.read_text()
    params.write_text(before.replace("pair_weight: 0.02", "pair_wait: 0.02"))
    try:
        done = _run(release, "repro", "demo")
    finally:
        params.write_text(before)
    assert done.returncode == 1
    assert "pair_wait" in done.stderr.splitlines()[-1]
    mended = _run(release, "dvc", "repro")
    assert mended.returncode == 0, mended.stdout + mended.stderr
