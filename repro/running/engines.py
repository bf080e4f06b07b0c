"""Where lanes run: processes of this machine (loky) or of a Ray cluster, both through joblib."""

from __future__ import annotations

import contextlib
import os
import threading
import warnings
from collections.abc import Callable
from typing import Any

from repro.errors import ReproError
from repro.running.board import Board
from repro.running.jobs import Share

ENGINES = ("local", "ray")
BREAKS = 3
"""How often in a row all worker processes may be killed before a single cell is finished."""

ENDING_SECONDS = 30.0
"""How long lanes may take to end their stages: more than :data:`repro.running.guard.GRACE_SECONDS`."""

_RETRIES = 100
_SILENCE = "import os; os.dup2(os.open(os.devnull, os.O_WRONLY), 2); "
_POSTED_BY_VALUE = ("repro.running.board", "repro.running.workplace", "repro.running.worker")


class Lanes:
    """Lanes at work, from a thread of this process.

    Args:
        board: Where they take cells from.
        jobs: How many lanes.
        backend: joblib's name of the engine.
        options: Given to the engine.
        handle: What lanes are given for the board.
        ended: Called when they are stopped.

    Attributes:
        error: What ended all of them before their time.
        may_be_lost: Whether a lane that says nothing may be on a machine that is gone. On this machine it is only
            halted (Ctrl-Z, a laptop asleep), and goes on when it is let go on: loky notices killed ones.
    """

    def __init__(
        self,
        board: Board,
        jobs: int,
        backend: str,
        options: dict[str, Any],
        handle: Any,
        ended: Callable[[], None],
    ) -> None:
        self.error: Exception | None = None
        self.may_be_lost = backend != "loky"
        self._board, self._jobs, self._handle, self._ended = board, jobs, handle, ended
        self._backend, self._options = backend, options
        self._finished = 0
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def finished(self) -> None:
        """Note that a cell was finished."""
        self._finished += 1

    def stop(self) -> None:
        """Let every lane end, and return when all their processes have; a lane whose machine is gone never does."""
        self._board.close()
        self._thread.join(ENDING_SECONDS)
        self._ended()

    def _work(self) -> None:
        breaks, finished = 0, 0
        while not self._board.is_closed():
            try:
                self._run()
            except Exception as error:
                if self._board.is_closed():
                    return
                breaks = breaks + 1 if self._finished == finished else 1
                finished = self._finished
                if not _is_death(error) or breaks > BREAKS:
                    self.error = error
                    return

    def _run(self) -> None:
        from joblib import Parallel, delayed, parallel_config

        from repro.running.worker import run_lane

        # joblib runs a single job in this process; of two workers the second has nothing to do then.
        with warnings.catch_warnings(), parallel_config(self._backend, **self._options):
            warnings.simplefilter("ignore")
            Parallel(n_jobs=max(2, self._jobs), batch_size=1, pre_dispatch="all")(
                delayed(run_lane)(lane, self._handle) for lane in range(self._jobs)
            )


def start(engine: str, board: Board, jobs: int, share: Share, address: str | None) -> Lanes:
    """Start lanes.

    Args:
        engine: One of :data:`ENGINES`.
        board: Where they take cells from.
        jobs: How many.
        share: What each gets.
        address: Of a running Ray cluster; None starts Ray on this machine.

    Raises:
        ReproError: If Ray is not installed or cannot be reached, or the cluster is too small.
    """
    if engine == "local":
        silence_helper()
        options = {"initializer": _make_ready, "initargs": (os.getpid(),)}
        return Lanes(board, jobs, "loky", options, board, _end_loky)
    return _start_ray(board, jobs, share, address)


def _make_ready(command: int) -> None:
    """Prepare a worker of loky that the process ``command`` started."""
    from repro.running.worker import end_with_command

    silence_helper()
    end_with_command(command)


def silence_helper() -> None:
    """Let the helper process in which loky counts what has a name start with nowhere to print.

    If it is killed, loky starts another one, which is told to forget names that it never heard of and prints a
    traceback for each, though nothing is lost.
    """
    from joblib.externals.loky.backend import resource_tracker

    warnings.filterwarnings("ignore", "resource_tracker: process died", UserWarning)
    spawn = resource_tracker.spawnv_passfds
    if spawn.__module__ == __name__:
        return

    def spawn_silent(path: str, words: list[str], kept: list[int]) -> Any:
        return spawn(path, [*words[:-1], _SILENCE + words[-1]], kept)

    resource_tracker.spawnv_passfds = spawn_silent


def _end_loky() -> None:
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True, kill_workers=True)


def _is_death(error: Exception) -> bool:
    """Return whether worker processes were killed, as loky says it."""
    return any(
        kind.__name__ in ("TerminatedWorkerError", "BrokenProcessPool") for kind in type(error).__mro__
    )


def require_ray() -> Any:
    """Return the package ray.

    Raises:
        ReproError: If it is not installed.
    """
    try:
        import ray
    except ImportError:
        raise ReproError(
            "--engine ray needs the package ray: install it with `pip install -c constraints.txt -e '.[ray]'`, or "
            "use --engine local."
        ) from None
    return ray


def _start_ray(board: Board, jobs: int, share: Share, address: str | None) -> Lanes:
    ray = require_ray()
    import importlib
    import logging

    from ray.util.joblib import register_ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    closing = contextlib.ExitStack()
    # Ray prints what happens to its actors on stdout, which belongs to answers.
    log = closing.enter_context((board.folder / "ray.log").open("w", encoding="utf-8"))
    closing.enter_context(contextlib.redirect_stdout(log))
    closing.callback(ray.shutdown)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ray.init(
                address=address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=None
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            closing.close()
            first = (str(error).splitlines() or ["no message"])[0].rstrip(".")
            raise ReproError(
                f"Ray cannot be reached at {address or 'this machine'} ({first}): start it with `ray start --head`, "
                "and name its address with --address HOST:PORT, on a machine of the cluster."
            ) from None
    try:
        # Workers need not have this package: what they call is sent to them.
        for name in _POSTED_BY_VALUE:
            ray.cloudpickle.register_pickle_by_value(importlib.import_module(name))
        gpus = _gpus_each(ray, jobs, share)
        _require_room(ray, jobs, share)
        register_ray()
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        actor = ray.remote(Board).options(num_cpus=0, scheduling_strategy=here).remote(str(board.folder))
        needs = {"num_cpus": share.threads if jobs > 1 else share.threads / 2, "num_gpus": gpus}
        # Ray starts a killed worker anew, elsewhere if need be; the board counts a cell's attempts.
        options = {"ray_remote_args": {**needs, "max_restarts": -1, "max_task_retries": _RETRIES}}
        return Lanes(board, jobs, "ray", options, actor, closing.close)
    except BaseException:
        closing.close()
        raise


def _gpus_each(ray: Any, jobs: int, share: Share) -> int:
    """Return 1 where the cluster has a GPU for every lane and the cells may use one."""
    there = ray.cluster_resources().get("GPU", 0)
    return 1 if share.gpus != () and there >= max(2, jobs) else 0


def _require_room(ray: Any, jobs: int, share: Share) -> None:
    there = int(ray.cluster_resources().get("CPU", 0))
    if jobs * share.threads > there:
        raise ReproError(
            f"The Ray cluster has {there} CPUs, and --jobs {jobs} with {share.threads} threads each needs "
            f"{jobs * share.threads}: choose --jobs {max(1, there // share.threads)}, or fewer --threads."
        )
