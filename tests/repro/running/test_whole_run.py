"""Real cells on real workers, beside the same cells by plain ``dvc repro``: equal bytes, nothing lost."""

import importlib.util
import json
import os
import shutil
import signal
import time
from pathlib import Path

import psutil
import pytest
import yaml

from tests.repro.running.small_release import (
    ENDLESS,
    lane_at_work,
    lock_entries,
    make_release,
    run,
    start,
    trees_are_equal,
    write_cells,
)

pytestmark = pytest.mark.slow


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


def test_a_worker_that_is_halted_and_let_go_on_keeps_its_cell(tmp_path: Path) -> None:
    """As by Ctrl-Z, or by a laptop that sleeps: nothing on this machine is lost, so silence is no death."""
    release = make_release(tmp_path / "release")
    write_cells(release, {"lightgcn": ", override: {training: {max_epochs: 300, patience: 300}}"})
    driving = release / "repro/running/driving.py"
    text = driving.read_text()
    assert "SILENT_SECONDS = 120.0" in text
    driving.write_text(text.replace("SILENT_SECONDS = 120.0", "SILENT_SECONDS = 2.0"))

    process = start(release, "repro", "run", "--jobs", "2", "demo-lightgcn-base")
    worker = psutil.Process(lane_at_work(release, "demo-lightgcn-base")["pid"]).parent()
    assert worker is not None
    worker.suspend()
    time.sleep(6)
    worker.resume()
    out, err = process.communicate()

    assert (process.returncode, out) == (0, ""), err
    assert "attempt" not in err
    assert "1 of 1 cell are in DVC's cache and dvc.lock" in err


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


def test_a_killed_command_leaves_no_process(plain: Path) -> None:
    """Neither the one worker with its stage nor the second, which had nothing to do."""
    write_cells(plain, {"mf": f", override: {{{ENDLESS}}}"})
    process = start(plain, "repro", "run", "--jobs", "1")
    lane_at_work(plain, "demo-mf-base")
    below = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(below, timeout=60)
    assert [one for one in alive if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
    write_cells(plain, {})


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
