"""Memory: the most this process held, and how many trainings fit beside each other."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import psutil

# What a worker holds before it has read anything: Python and PyTorch.
RESTING_BYTES = 400 << 20
# Copies of the text towers' activations, forward and backward, of which a step holds most.
ACTIVATIONS = 4
# Share of the free memory that trainings may be expected to fill.
SHARE = 0.6
# Workers a core, at most: more wait for each other without a gain.
WORKERS_PER_CORE = 4


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


def workers_that_fit(seeds: int, bytes_each: int) -> int:
    """Return how many of ``seeds`` trainings are run at once, one thread each.

    All of them where memory allows, even on fewer cores: the last seed of a round then never has one core
    idle beside it, and seeds that stop early leave theirs to the others. Never fewer than one a core.

    Args:
        seeds: How many there are.
        bytes_each: Expected peak of one training.
    """
    count = cores()
    fitting = int(SHARE * psutil.virtual_memory().available / bytes_each)
    return min(seeds, max(count, min(WORKERS_PER_CORE * count, fitting)))
