"""Workers as real processes: what they send, how they fail, and that none outlives the command."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from safetensors import SafetensorError

from irllrec.errors import TrainingError
from repro.errors import ReproError
from repro.failures import USER_ERROR, explain
from repro.worker_processes import run_apart
from tests.repro import worker_jobs

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60
"""After which a process that should have ended is one that hangs."""


def _run(work: Any, jobs: list[Any], workers: int = 2, **options: Any) -> list[Any]:
    options = {"said": lambda number, said: None, "finished": lambda number, result: None} | options
    names = [f"demo seed {number}" for number in range(len(jobs))]
    return run_apart(work, jobs, names, workers=workers, preloaded=(), **options)


def test_each_workers_messages_arrive_in_order_and_before_its_result() -> None:
    heard: list[tuple[int, object]] = []
    results = _run(
        worker_jobs.count,
        [3, 4, 5],
        said=lambda number, said: heard.append((number, said)),
        finished=lambda number, result: heard.append((number, f"result {result}")),
    )
    assert results == [9, 16, 25]
    for number, result in enumerate(results):
        assert [said for who, said in heard if who == number] == [*range(1000), f"result {result}"]
    first_of_the_last = heard.index((2, 0))
    assert {(0, "result 9"), (1, "result 16")} & set(heard[:first_of_the_last])


@pytest.mark.parametrize(
    "error",
    [
        TrainingError("the loss is not finite"),
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "runs/model.safetensors"),
        SafetensorError("Error while serializing: No space left on device"),
        KeyError("lost"),
        SystemExit(3),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_exception_comes_out_as_it_was_with_the_workers_traceback(error: BaseException) -> None:
    with pytest.raises(type(error)) as raised:
        _run(worker_jobs.fail, [error, error])
    assert type(raised.value) is type(error)
    assert raised.value.args == error.args
    assert getattr(raised.value, "filename", None) == getattr(error, "filename", None)
    assert "in fail\n    raise job\n" in raised.value.__notes__[0]


def test_an_exception_that_cannot_be_sent_is_told_by_name_and_words() -> None:
    with pytest.raises(
        RuntimeError, match=r"cannot be sent .*DemandingError\('the disk: it is full'\)"
    ) as raised:
        _run(worker_jobs.fail_demandingly, [1, 2])
    assert "in fail_demandingly\n" in raised.value.__notes__[0]


def test_so_is_a_result_that_cannot_be_sent() -> None:
    with pytest.raises(RuntimeError, match=r"cannot be sent .*<function return_a_function"):
        _run(worker_jobs.return_a_function, [1, 2])


def test_a_killed_worker_is_told_in_a_sentence_and_the_others_end(tmp_path: Path) -> None:
    pids: list[int] = []

    def said(number: int, pid: int) -> None:
        pids.append(pid)
        if len(pids) == 2:
            (tmp_path / "die").touch()

    with pytest.raises(ReproError) as raised:
        _run(worker_jobs.die_or_stay, ["stay", str(tmp_path / "die")], said=said)
    failure = explain(raised.value, tmp_path)
    assert failure.code == USER_ERROR
    assert failure.sentence.startswith(
        "A process of the training was killed (demo seed 1), as happens when the "
    )
    assert "goes on where it stopped" in failure.sentence
    _wait_until_gone(pids)


def test_so_is_the_process_that_workers_are_forked_from(tmp_path: Path) -> None:
    """It ends while it starts, as one that is killed in the moment that a worker is wanted."""
    (tmp_path / "deadly.py").write_text("import os\nos._exit(9)\n")
    script = (
        "from repro.worker_processes import run_apart\n"
        "from tests.repro.worker_jobs import count\n"
        "from repro.errors import ReproError\n"
        "try:\n"
        "    run_apart(count, [1, 2], ['a', 'b'], workers=2, preloaded=['deadly'], said=print, finished=print)\n"
        "except ReproError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=_environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("A process of the training was killed (a), as happens ")
    assert done.stderr == ""


@pytest.mark.parametrize("killed", ["tracker", "server"])
def test_what_python_starts_beside_workers_may_be_killed_and_nobody_hears_of_it(
    killed: str, tmp_path: Path
) -> None:
    command = _start(killed, tmp_path)
    _numbers(tmp_path, command)
    (tmp_path / "go").touch()
    said, complained = command.communicate(timeout=SECONDS)
    assert (command.returncode, said, complained) == (0, "[0, 1, 2, 3]\n", "")


@pytest.mark.parametrize("killed", ["nothing", "tracker", "server"])
def test_ctrl_c_leaves_no_process_and_no_words(killed: str, tmp_path: Path) -> None:
    command = _start(killed, tmp_path)
    pids = _numbers(tmp_path, command)
    os.killpg(command.pid, signal.SIGINT)
    said, complained = command.communicate(timeout=SECONDS)
    assert (command.returncode, said, complained) == (130, "", "")
    _wait_until_gone(pids)
    _wait_until_the_group_is_gone(command.pid)


@pytest.mark.parametrize("killed", ["nothing", "server"])
def test_workers_end_with_the_process_that_started_them(killed: str, tmp_path: Path) -> None:
    command = _start(killed, tmp_path)
    pids = _numbers(tmp_path, command)
    command.kill()
    assert command.communicate(timeout=SECONDS) == ("", "")
    _wait_until_gone(pids)
    _wait_until_the_group_is_gone(command.pid)


def _environment(*folders: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [*folders, ROOT]))}


def _start(killed: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.repro.worker_jobs", killed, str(folder)],
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _numbers(folder: Path, command: subprocess.Popen[str]) -> list[int]:
    """Return the numbers of the two workers once both are at work."""
    while not (folder / "started").is_file() or len((folder / "started").read_text().split()) < 2:
        assert command.poll() is None, command.communicate(timeout=SECONDS)
        time.sleep(0.02)
    return [int(word) for word in (folder / "started").read_text().split()]


def _wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + SECONDS
    while any(_lives(pid) for pid in pids):
        assert time.monotonic() < deadline, "a worker outlived its command"
        time.sleep(0.02)


def _wait_until_the_group_is_gone(group: int) -> None:
    deadline = time.monotonic() + SECONDS
    while any(_group_of(pid) == group and _lives(pid) for pid in psutil.pids()):
        assert time.monotonic() < deadline, "a process outlived its command"
        time.sleep(0.02)


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
