"""A lane: takes cells from the board, one after the other, and runs their stages as DVC would.

Standard library only, like what it imports: Ray sends these modules by value to machines without a checkout.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from repro.running.workplace import STATE, AlteredError, build, cache_folder, outputs

PAUSE_SECONDS = 0.25
TOLD_EVERY_SECONDS = 1.0
SIGNALLED, INTERRUPTED = 128, 130

BLAS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class _ClosedError(Exception):
    """The command wants the lanes to end."""


class _DiedError(Exception):
    """A process of the cell was killed; the text says how."""


class _FailedError(Exception):
    """A stage ended with a sentence."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def end_with_command(command: int) -> None:
    """Let this process, a worker that the process ``command`` started, end when that does, idle or not."""

    def watch() -> None:
        while os.getppid() == command:
            time.sleep(PAUSE_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def run_lane(number: int, board: Any) -> int:
    """Run cells until the board is closed and return how many this call finished.

    Args:
        number: The lane's.
        board: A :class:`repro.running.board.Board`, or an actor with its methods.
    """
    return _Lane(number, board if hasattr(board, "folder") else _Distant(board)).run()


class _Distant:
    """The board behind a Ray actor: its methods wait for the answer."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def __getattr__(self, name: str) -> Any:
        import ray

        return lambda *given: ray.get(getattr(self._actor, name).remote(*given))


class _Lane:
    """One lane: its number, its board, and what it works on."""

    def __init__(self, number: int, board: Any) -> None:
        self.number = number
        self.board = board
        self.host = platform.node()
        self.parent = os.getppid()
        self.since = 0.0

    def run(self) -> int:
        if threading.current_thread() is threading.main_thread():
            # Ctrl-C reaches the whole group; the command decides.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        done = 0
        self.board.start_lane(self.number, self.host)
        while not self._is_over():
            job = self.board.take(self.number, self.host)
            if job is None:
                time.sleep(PAUSE_SECONDS)
                continue
            try:
                self._finish(job)
                done += 1
            except _DiedError as death:
                self.board.died(self.number, self.host, str(death))
            except _ClosedError:
                break
            self.board.tell(self.number, {"host": self.host, "pid": os.getpid()})
        return done

    def _is_over(self) -> bool:
        """Return whether the command wants the lane to end, or has ended itself."""
        return os.getppid() != self.parent or self.board.is_closed()

    def _finish(self, job: Mapping[str, Any]) -> None:
        """Run the stages of a cell and put down what became of it."""
        seen = not job["ship"] and _sees(job)
        base = Path(job["root"]) / STATE / "running" if seen else cache_folder()
        place = base / "cells" / (job["key"] if seen else f"{job['run']}-{job['key']}")
        result: dict[str, Any] = {"key": job["key"], "ok": False, "code": 1, "host": self.host, "seconds": {}}
        result |= {"deaths": job["deaths"], "seen": seen}
        self.since = time.time()
        with _alone(base / "locks" / f"{place.name}.lock") as lock:
            try:
                build(place, job, None if seen else self.board.fetch)
                for stage in job["stages"]:
                    began = time.monotonic()
                    self._run_stage(job, stage, place, lock)
                    result["seconds"][stage["name"]] = round(time.monotonic() - began, 3)
                result |= {"ok": True, "files": outputs(place, job["outs"])}
            except AlteredError as error:
                result["sentence"] = (
                    f"{job['root']}/{error}, as {self.host} has it, is not what it was when the command started: "
                    "leave files alone while cells are trained, and run the same command again."
                )
            except _FailedError as failure:
                result |= {"code": failure.code, "sentence": str(failure)}
            except OSError as error:
                what = os.strerror(error.errno or 0)
                result["sentence"] = (
                    f"{error.filename or place} on {self.host}: {what}: mend that and run again."
                )
            timing = place / STATE / "timings" / f"{job['key']}.json"
            result["timing"] = timing.read_text(encoding="utf-8") if timing.is_file() else None
            content = (
                None if seen else {name: (place / name).read_bytes() for name in result.get("files", {})}
            )
            self.board.finish(self.number, result, content)
            if not seen:
                shutil.rmtree(place, ignore_errors=True)
                (base / "locks" / f"{place.name}.lock").unlink()

    def _run_stage(self, job: Mapping[str, Any], stage: Mapping[str, str], place: Path, lock: int) -> None:
        """Run one stage to its end, telling the board meanwhile."""
        failure, log = place / "failure.json", place / "stage.log"
        failure.unlink(missing_ok=True)
        with log.open("wb") as handle:
            guard = subprocess.Popen(
                [sys.executable, "-m", "repro.running.guard", stage["cmd"], str(lock)],
                cwd=place,
                env=self._environment(job, place, failure),
                stdin=subprocess.PIPE,
                stdout=handle,
                stderr=handle,
                start_new_session=True,
                pass_fds=(lock,),
            )
        try:
            code = self._wait(guard, job, stage, log)
        finally:
            _end(guard)
        if code == 0:
            return
        told = _told(failure, place, job["root"])
        if code < 0 or code > INTERRUPTED or "process of the training was killed" in told.get("sentence", ""):
            which = (
                "a process of it was killed" if told else f"it was killed by signal {abs(code) % SIGNALLED}"
            )
            raise _DiedError(which)
        last = _last_line(log) or f"exit code {code}"
        raise _FailedError(told.get("code", 1), told.get("sentence", f"{stage['name']}: {last}"))

    def _environment(self, job: Mapping[str, Any], place: Path, failure: Path) -> dict[str, str]:
        found = {
            **os.environ,
            **job["environment"],
            **dict.fromkeys(BLAS, str(job["threads"])),
            "REPRO_PYTHON": sys.executable,
            "REPRO_ROOT": str(place),
            "REPRO_FAILURE_FILE": str(failure),
            "PYTHONPATH": str(place),
            "PATH": os.path.dirname(sys.executable) + os.pathsep + os.environ.get("PATH", os.defpath),
        }
        gpus = job["gpus"]
        return found if not gpus else found | {"CUDA_VISIBLE_DEVICES": gpus[self.number % len(gpus)]}

    def _wait(
        self, guard: subprocess.Popen[bytes], job: Mapping[str, Any], stage: Mapping[str, str], log: Path
    ) -> int:
        record = {"host": self.host, "pid": guard.pid, "key": job["key"], "stage": stage["name"]}
        record |= {"deaths": job["deaths"], "since": self.since}
        told = 0.0
        while True:
            if time.monotonic() - told >= TOLD_EVERY_SECONDS:
                told = time.monotonic()
                self.board.tell(self.number, record | {"line": _last_line(log)})
            if self._is_over():
                raise _ClosedError
            with contextlib.suppress(subprocess.TimeoutExpired):
                return guard.wait(PAUSE_SECONDS)


def _sees(job: Mapping[str, Any]) -> bool:
    """Return whether this machine sees the folder of the command, by a file that it just wrote."""
    try:
        return Path(job["probe"]).read_text(encoding="utf-8") == job["run"]
    except OSError:
        return False


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[int]:
    """Hold a lock that the stage's processes hold as well: those of an earlier attempt must have ended."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _end(guard: subprocess.Popen[bytes]) -> None:
    """Close the guard's input, on which it ends its stage, and leave no process of its group behind."""
    assert guard.stdin is not None
    guard.stdin.close()
    guard.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(guard.pid, signal.SIGKILL)


def _told(failure: Path, place: Path, root: str) -> dict[str, Any]:
    """Return what the stage said of its failure, with the paths of the checkout; empty if nothing."""
    try:
        found: dict[str, Any] = json.loads(failure.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found | {"sentence": str(found["sentence"]).replace(str(place), root)}


def _last_line(log: Path) -> str:
    with log.open("rb") as handle:
        handle.seek(max(0, log.stat().st_size - 2000))
        lines = handle.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip()[:200] if lines else ""
