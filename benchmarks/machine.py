"""How fast this machine multiplies and exponentiates: what the measured seconds stand against."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

GEMM_SIZE = 2048
# 1 MiB of float32, within a core's second-level cache.
EXP_ENTRIES = 1 << 18
EXP_ROUNDS = 64


def machine_record(repeats: int = 5) -> dict[str, Any]:
    """Return the processor, its threads and its measured rates."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_average": list(os.getloadavg()),
        "gemm_gflops": round(gemm_rate(repeats) / 1e9, 1),
        "exp_giga_per_second": round(exp_rate(repeats) / 1e9, 3),
    }


def gemm_rate(repeats: int = 5) -> float:
    """Return float32 operations a second of a 2048³ matrix product, the median of ``repeats``."""
    left, right = torch.rand(GEMM_SIZE, GEMM_SIZE), torch.rand(GEMM_SIZE, GEMM_SIZE)
    product = torch.empty_like(left)
    return 2 * GEMM_SIZE**3 / _median_seconds(lambda: torch.mm(left, right, out=product), repeats)


def exp_rate(repeats: int = 5) -> float:
    """Return float32 exponentials a second over a block that stays in cache."""
    block = torch.rand(EXP_ENTRIES)
    powers = torch.empty_like(block)

    def several() -> None:
        for _ in range(EXP_ROUNDS):
            torch.exp(block, out=powers)

    return EXP_ENTRIES * EXP_ROUNDS / _median_seconds(several, repeats)


def _median_seconds(work: Callable[[], Any], repeats: int) -> float:
    work()
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    for name, value in machine_record().items():
        print(f"{name}: {value}")
