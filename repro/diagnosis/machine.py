"""The machine: processor, threads, memory, disk, accelerator, clock and locale."""

from __future__ import annotations

import locale
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from repro.diagnosis.findings import Finding, problem
from repro.layout import Layout
from repro.memory import GIB, cores, free_bytes, gibibytes

ENOUGH_MEMORY_GIB = 4.0
ENOUGH_DISK_GIB = 5.0
CLOCK_TOLERANCE_SECONDS = 120.0
"""How far ahead of the clock a file may seem: file servers' clocks differ a little."""

_MARKS = "✓→✗★λ"


def machine(layout: Layout, memory_limit_gib: float | None = None) -> Iterator[Finding]:
    """Yield what the machine has, and what of it is too little or set wrong.

    Args:
        layout: The checkout.
        memory_limit_gib: ``engine.memory_gib`` of params.yaml.
    """
    yield from _processor()
    yield _memory(memory_limit_gib)
    yield from _disks(layout)
    yield from _accelerator()
    yield clock(layout.root, time.time())
    yield _locale()


def _processor() -> Iterator[Finding]:
    import torch

    from irllrec.native.building import kernels

    usable = cores()
    yield Finding("processor", f"{usable} cores to use, {torch.get_num_threads()} threads in torch")
    yield threads(os.environ, usable)
    built = kernels()
    yield Finding("kernels", f"{built.name}: {built.reason}")


def threads(environment: os._Environ[str] | dict[str, str], usable: int) -> Finding:
    """Judge the environment's thread settings against the cores that this process may use."""
    policy = environment.get("OMP_WAIT_POLICY", "")
    wanted = environment.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if wanted.isdigit() and int(wanted) > usable:
        return problem(
            "threads", f"OMP_NUM_THREADS is {wanted}, more than the {usable} cores", "unset OMP_NUM_THREADS"
        )
    if policy.upper() == "ACTIVE":
        return problem(
            "threads",
            "OMP_WAIT_POLICY is ACTIVE: idle threads take the cores from the others",
            "export OMP_WAIT_POLICY=PASSIVE",
        )
    return Finding("threads", f"idle ones sleep; {wanted or 'no'} limit in OMP_NUM_THREADS")


def _memory(limit_gib: float | None) -> Finding:
    """Judge what new work may take: what is free, within a container's limit and the user's own."""
    import psutil

    machine = psutil.virtual_memory()
    free = free_bytes(limit_gib)
    found = f"{gibibytes(machine.available)} of {gibibytes(machine.total)} free"
    if free < 0.9 * machine.available:
        found += f", {gibibytes(free)} may be taken (engine.memory_gib, or the limit of a container or job)"
    if free < ENOUGH_MEMORY_GIB * GIB:
        return problem("memory", found, "close other programs or raise the limit; large data may be refused")
    return Finding("memory", found)


def _disks(layout: Layout) -> Iterator[Finding]:
    """Yield the checkout's disk, and the temporary folder's where that is another."""
    yield _disk("disk", layout.root, "free some space, for example with `dvc gc --workspace`")
    scratch = Path(tempfile.gettempdir())
    if scratch.stat().st_dev != layout.root.stat().st_dev:
        yield _disk(f"disk of {scratch}", scratch, "free some space, or name another folder in TMPDIR")


def _disk(subject: str, folder: Path, fix: str) -> Finding:
    disk = shutil.disk_usage(folder)
    found = f"{disk.free / GIB:.1f} of {disk.total / GIB:.1f} GiB free"
    if not os.access(folder, os.W_OK):
        return problem(subject, f"{folder} cannot be written", "mount it writable, or mend its permissions")
    return problem(subject, found, fix) if disk.free / GIB < ENOUGH_DISK_GIB else Finding(subject, found)


def _accelerator() -> Iterator[Finding]:
    import torch

    if not torch.cuda.is_available():
        yield Finding("accelerator", "none: the processor does the work")
    for number in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(number)
        name = torch.cuda.get_device_name(number)
        yield Finding("accelerator", f"{name}, {free / GIB:.1f} of {total / GIB:.1f} GiB free")


def clock(root: Path, now: float) -> Finding:
    """Compare the clock with the newest time stamp of the checkout's own files: it cannot lie ahead.

    Args:
        root: The checkout.
        now: Seconds since 1970, as the clock tells.
    """
    watched = (root / "dvc.lock", root / "params.yaml", root / "dvc.yaml", root / ".git" / "HEAD")
    newest = max((path.stat().st_mtime for path in watched if path.exists()), default=now)
    shown = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if newest > now + CLOCK_TOLERANCE_SECONDS:
        ahead = datetime.fromtimestamp(newest, UTC).strftime("%Y-%m-%d %H:%M UTC")
        return problem(
            "clock", f"{shown}, but a file here is from {ahead}", "set the clock, for example by NTP"
        )
    return Finding("clock", shown)


def _locale() -> Finding:
    names, spoken = sys.getfilesystemencoding(), sys.stdout.encoding or "ascii"
    chosen = ".".join(filter(None, locale.getlocale())) or "C"
    try:
        _MARKS.encode(spoken)
    except (UnicodeEncodeError, LookupError):
        return problem("locale", f"{chosen}: output in {spoken} has no {_MARKS}", "export LC_ALL=C.UTF-8")
    if names.lower().replace("-", "") != "utf8":
        return problem("locale", f"{chosen}: file names in {names}", "export LC_ALL=C.UTF-8")
    return Finding("locale", f"{chosen}, output and file names in {spoken}")
