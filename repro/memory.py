"""Memory: the most this process held, what is free here, and how many trainings fit beside each other."""

from __future__ import annotations

import os
import resource
from pathlib import Path, PurePosixPath

import psutil

from repro.errors import ReproError

# Share of the free memory that trainings side by side may be expected to fill.
SHARE = 0.8
# Workers a core, at most: more wait for each other without a gain.
WORKERS_PER_CORE = 4
GIB = 1 << 30


def peak_bytes() -> int:
    """Return the most memory this process ever held.

    Linux hands a parent's ``ru_maxrss`` down to a child it starts, so its own counter is read there.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def cores() -> int:
    """Return the cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_bytes(limit_gib: float | None = None) -> int:
    """Return how much memory new work may take here.

    The least of what the machine has free, what the control group of a container or a Slurm job leaves,
    and the user's own limit.

    Args:
        limit_gib: ``engine.memory_gib`` of params.yaml; None for no limit of one's own.
    """
    bounds = [psutil.virtual_memory().available, cgroup_headroom(), limit_gib and int(limit_gib * GIB)]
    return max(0, min(bound for bound in bounds if bound is not None))


def cgroup_headroom(
    membership: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> int | None:
    """Return how much this process's control groups still allow; None where none limits memory.

    Each group above the process's own is asked as well, in version 2 and version 1 of the interface. What
    the kernel would give back, its inactive file pages, counts as free.

    Args:
        membership: Where the kernel says which groups the process is in.
        root: Where the groups are mounted.
    """
    try:
        lines = membership.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    found = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers not in ("", "memory") and "memory" not in controllers.split(","):
            continue
        mounted, names = (root, _VERSION_2) if controllers == "" else (root / "memory", _VERSION_1)
        path = PurePosixPath(group)
        # In a container the path is the host's: its own group then stands at the root.
        for level in (path, *path.parents):
            left = _left(mounted / str(level).lstrip("/"), *names)
            found += [] if left is None else [left]
    return min(found, default=None)


_VERSION_2 = ("memory.max", "memory.current", "inactive_file")
_VERSION_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def _left(folder: Path, limit: str, usage: str, reclaimable: str) -> int | None:
    """Return what one control group leaves; None where it sets no limit, which version 1 writes as 2⁶³."""
    try:
        most = (folder / limit).read_text(encoding="ascii").strip()
        used = int((folder / usage).read_text(encoding="ascii"))
        statistics = (folder / "memory.stat").read_text(encoding="ascii").split()
        inactive = dict(zip(statistics[::2], statistics[1::2], strict=True)).get(reclaimable, "0")
        if most == "max" or int(most) >= 1 << 60:
            return None
        return max(0, int(most) - max(0, used - int(inactive)))
    except (OSError, ValueError):
        return None


def workers_that_fit(seeds: int, bytes_each: int, free: int, shared_bytes: int = 0) -> int:
    """Return how many of ``seeds`` trainings are run at once, one thread each; 0 where not one fits.

    All of them where memory allows, even on fewer cores: the last seed of a round then never has one core
    idle beside it, and seeds that stop early leave theirs to the others.

    Args:
        seeds: How many there are.
        bytes_each: Expected peak of one training.
        free: What may be taken in all.
        shared_bytes: What all of them read together.
    """
    fitting = int((SHARE * free - shared_bytes) / bytes_each)
    if fitting < 1:
        return int(shared_bytes + bytes_each <= free)
    return min(seeds, fitting, WORKERS_PER_CORE * cores())


def require_memory(what: str, needed: int, free: int, limit_gib: float | None, advice: str) -> None:
    """Refuse work that would not fit.

    Args:
        what: What needs it, the start of the sentence.
        needed: Expected peak, in bytes.
        free: What may be taken.
        limit_gib: The user's own limit, which the sentence names where it is what binds.
        advice: What would make it smaller.

    Raises:
        ReproError: Saying what needs how much, what is free, and what to change.
    """
    if needed <= free:
        return
    bound = "may be taken (engine.memory_gib)" if limit_gib and limit_gib * GIB <= free else "is free"
    raise ReproError(
        f"{what} needs about {gibibytes(needed)} of memory, and {gibibytes(free)} {bound}: {advice}."
    )


def gibibytes(count: float) -> str:
    """Return a number of bytes for people: ``3.1 GiB``, ``650 MiB``."""
    return f"{count / GIB:.1f} GiB" if count >= 0.95 * GIB else f"{count / (1 << 20):.0f} MiB"
