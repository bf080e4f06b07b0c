"""Real cells on real workers, beside the same cells by plain ``dvc repro``: equal bytes, nothing lost."""

import filecmp
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from tests.release import copy_release

CELLS = {"pop": "pop", "mf": "mf", "lightgcn": "lightgcn"}
SMALL = {
    "{users: 1200, items: 800, interactions: 15000, intents: 12, seed: 7}": (
        "{users: 90, items: 60, interactions: 1200, intents: 4, seed: 7}"
    ),
    "seeds: [2023, 2024, 2025, 2026, 2027]": "seeds: [2023, 2024]",
    "max_epochs: 3000": "max_epochs: 4",
    "bootstrap_samples: 5000": "bootstrap_samples: 100",
    "randomisation_samples: 5000": "randomisation_samples: 100",
}
ENDLESS = "training: {max_epochs: 3000000, patience: 3000000}"

pytestmark = pytest.mark.slow


def entry(backbone: str, override: str = "") -> str:
    return (
        f"  demo-{backbone}-base: {{dataset: demo, backbone: {backbone}, objective: base, variant: base, "
        "inputs: data/prepared/demo/train.npz, code: irllrec/objectives/base.py, "
        f"backbone_code: irllrec/backbones/{backbone}.py{override}}}\n"
    )


def write_cells(release: Path, overrides: dict[str, str]) -> None:
    text = (release / "params.yaml").read_text().partition("\ncells:\n")[0]
    lines = "".join(entry(backbone, overrides.get(backbone, "")) for backbone in CELLS)
    (release / "params.yaml").write_text(f"{text}\ncells:\n{lines}")


def make_release(folder: Path) -> Path:
    copy_release(folder, SMALL)
    (folder / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n")
    before, _, after = (folder / "params.yaml").read_text().partition("\ntext:\n")
    text = before + "\ntext: {}\n\ngenerated:" + after.partition("\ngenerated:")[2]
    (folder / "params.yaml").write_text(text)
    write_cells(folder, {})
    return folder


def start(release: Path, *words: str) -> subprocess.Popen[str]:
    """Start a program of this Python's environment in the release."""
    program = ["-m", "dvc"] if words[0] == "dvc" else ["-c", "from repro.cli import main; main()"]
    return subprocess.Popen(
        [sys.executable, *program, *words[1:]],
        cwd=release,
        env={
            **os.environ,
            "REPRO_PYTHON": sys.executable,
            "PYTHONPATH": str(release),
            "OMP_NUM_THREADS": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(release: Path, *words: str) -> tuple[int, str, str]:
    process = start(release, *words)
    out, err = process.communicate()
    return process.returncode, out, err


def trees_are_equal(one: Path, other: Path) -> bool:
    """Return whether two folders hold the same files with the same bytes."""
    found = filecmp.dircmp(one, other, ignore=[])
    if found.left_only or found.right_only or found.funny_files:
        return False
    _, different, errors = filecmp.cmpfiles(one, other, found.common_files, shallow=False)
    return (
        not different and not errors and all(trees_are_equal(one / n, other / n) for n in found.common_dirs)
    )


def lane_at_work(release: Path, key: str) -> dict[str, int]:
    """Wait until a lane trains the cell, and return what it says."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        for path in (release / ".repro" / "running").glob("board-*/lanes/*.json"):
            try:
                lane: dict[str, int] = json.loads(path.read_text())
            except (OSError, ValueError):
                continue
            if lane.get("key") == key and psutil.pid_exists(lane["pid"]):
                return lane
        time.sleep(0.02)
    raise AssertionError(f"no worker ever took {key}")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release whose cells were trained by ``dvc repro``."""
    release = make_release(tmp_path_factory.mktemp("plain"))
    code, out, err = run(release, "dvc", "repro")
    assert code == 0, out + err
    return release


def test_killed_failing_and_finished_cells_end_in_the_bytes_of_dvc_repro(plain: Path, tmp_path: Path) -> None:
    """One worker process is killed, one cell cannot be trained; both are mended by running again."""
    ours = make_release(tmp_path / "ours")
    write_cells(ours, {"mf": ", override: {training: {learning_rate: 1.0e+30}}"})
    process = start(ours, "repro", "run", "--jobs", "2")
    lane = lane_at_work(ours, "demo-lightgcn-base")
    os.kill(psutil.Process(lane["pid"]).ppid(), signal.SIGKILL)  # the worker itself, not its stage
    _, err = process.communicate()
    assert process.returncode == 1, err
    assert "attempt 2 of 3" in err
    last = err.strip().splitlines()[-1]
    assert last.startswith("demo-mf-base: ")
    assert "2 of 3 cells are in DVC's cache and dvc.lock, 1 failed" in err
    locked = yaml.safe_load((ours / "dvc.lock").read_text())["stages"]
    assert "evaluate@demo-lightgcn-base" in locked
    assert "train@demo-mf-base" not in locked
    assert not (ours / "runs/demo/mf").exists()

    write_cells(ours, {})
    code, out, err = run(ours, "repro", "run", "--jobs", "2")
    assert (code, out) == (0, ""), err
    assert "Running 1 cell on" in err
    assert sorted(lock_entries(ours)) == sorted(lock_entries(plain))
    for name in ("runs", "data", "results", "build/code"):
        assert trees_are_equal(ours / name, plain / name), name
    code, out, _ = run(ours, "dvc", "status")
    assert (code, out.strip()) == (0, "Data and pipelines are up to date.")


def test_lock_and_cache_have_the_bytes_of_dvc_repro(plain: Path, tmp_path: Path) -> None:
    """Also the order of the lock, though the cells come back in another."""
    ours = make_release(tmp_path / "ours")
    code, out, err = run(ours, "repro", "run", "--jobs", "2")
    assert (code, out) == (0, ""), err
    assert (ours / "dvc.lock").read_bytes() == (plain / "dvc.lock").read_bytes()
    for name in ("runs", "data", "results", ".dvc/cache"):
        assert trees_are_equal(ours / name, plain / name), name
    assert list((ours / ".repro/running").glob("cells/*")) == []


def test_what_ran_before_comes_out_of_the_cache_and_nothing_is_trained(plain: Path) -> None:
    lock = (plain / "dvc.lock").read_bytes()
    shutil.rmtree(plain / "runs" / "demo" / "pop")
    (plain / "dvc.lock").unlink()
    code, _, err = run(plain, "repro", "run")
    assert code == 0, err
    assert "3 cells taken from DVC's cache" in err
    assert "Running" not in err
    assert (plain / "dvc.lock").read_bytes() == lock


def test_ctrl_c_keeps_finished_cells_and_leaves_no_process(plain: Path) -> None:
    before = {process.pid for process in psutil.process_iter()}
    lines = {"pop": ", override: {training: {stop_on: ndcg@20}}", "mf": f", override: {{{ENDLESS}}}"}
    write_cells(plain, lines)
    process = start(plain, "repro", "run", "--jobs", "2")
    lane = lane_at_work(plain, "demo-mf-base")
    assert process.stderr is not None
    while "demo-pop-base: done" not in (line := process.stderr.readline()):
        assert line, "the run ended by itself"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130, err
    assert "the same command goes on" in err
    assert not psutil.pid_exists(lane["pid"])
    begun = [one for one in psutil.process_iter() if one.pid not in before and str(plain) in _words(one)]
    assert begun == []
    _, out, _ = run(plain, "dvc", "status", "--json")
    assert "train@demo-mf-base" in json.loads(out)
    assert not [stage for stage in json.loads(out) if "demo-pop-base" in stage]
    write_cells(plain, {})


def lock_entries(release: Path) -> list[str]:
    stages = yaml.safe_load((release / "dvc.lock").read_text())["stages"]
    return [json.dumps([name, entry], sort_keys=True) for name, entry in stages.items()]


def _words(process: psutil.Process) -> str:
    try:
        return " ".join([process.cwd(), *process.cmdline()])
    except psutil.Error:
        return ""


@pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="ray is not installed: pip install '.[ray]'"
)
def test_ray_workers_that_see_no_checkout_send_the_same_bytes_even_when_one_is_killed(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    release = make_release(tmp_path / "ray")
    process = start(release, "repro", "run", "--engine", "ray", "--jobs", "2", "--ship")
    lane = lane_at_work(release, "demo-lightgcn-base")
    os.kill(psutil.Process(lane["pid"]).ppid(), signal.SIGKILL)
    out, err = process.communicate()
    assert (process.returncode, out) == (0, ""), err
    assert "attempt 2 of 3" in err
    code, _, err = run(plain, "repro", "run")  # the test before changed it
    assert code == 0, err
    for name in ("runs", "data", "results"):
        assert trees_are_equal(release / name, plain / name), name
    assert sorted(lock_entries(release)) == sorted(lock_entries(plain))
    _, out, _ = run(release, "dvc", "status")
    assert out.strip() == "Data and pipelines are up to date."
