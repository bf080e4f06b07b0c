"""Fuzzes one reader in a process of its own, with bounded memory; started by ``campaign``."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import resource
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

HANG_SECONDS = 10
"""Of processor time: a busy machine is no hang, and `campaign` ends a process that waits for ever."""
MEMORY_BYTES = 2 << 30
"""Beyond what the process takes before the first input."""


class HangError(BaseException):
    """Reading took longer than a user would wait."""


class Worker:
    """Feeds contents to one reader and keeps what goes wrong, each kind once."""

    def __init__(self, reader: Any, out: Path, seconds: float) -> None:
        self.reader, self.out = reader, out
        self.ends = time.monotonic() + seconds
        self.executions = 0
        self.started = time.monotonic()
        self.slowest = 0.0
        self.crashes: dict[str, str] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="hostile-"))
        self.saved = 0.0

    def feed(self, content: bytes) -> None:
        """Read one content; what is wrong with it is written down with the content."""
        from tests.hostile.readers import judge

        (self.out / "current").write_bytes(content)
        started = time.monotonic()
        signal.setitimer(signal.ITIMER_PROF, HANG_SECONDS)
        try:
            wrong = judge(self.reader, content, self.folder)
        except HangError:
            wrong = f"a hang of more than {HANG_SECONDS} s"
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        self.executions += 1
        self.slowest = max(self.slowest, time.monotonic() - started)
        if wrong is not None and wrong not in self.crashes:
            name = hashlib.sha256(content).hexdigest()[:16]
            (self.out / f"crash-{name}").write_bytes(content)
            self.crashes[wrong] = name
        if time.monotonic() - self.saved > 1:
            self.save()

    def save(self) -> None:
        """Write the figures so far."""
        self.saved = time.monotonic()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        record = {
            "executions": self.executions,
            "seconds": round(time.monotonic() - self.started, 1),
            "slowest_seconds": round(self.slowest, 2),
            "peak_bytes": peak,
            "crashes": self.crashes,
        }
        (self.out / "figures.json").write_text(json.dumps(record))

    @property
    def is_over(self) -> bool:
        return time.monotonic() > self.ends


def bound_memory(room: int = MEMORY_BYTES) -> None:
    """Let this process take no more than ``room`` bytes of memory beyond what it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + room
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _raise_hang(*_: object) -> None:
    raise HangError


def _guided(worker: Worker, contents: list[bytes]) -> None:
    import atheris

    corpus = worker.out / "corpus"
    corpus.mkdir(exist_ok=True)
    for content in contents:
        (corpus / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)
    left = max(1, int(worker.ends - time.monotonic()))

    def once(content: bytes) -> None:
        worker.feed(content)
        if worker.is_over:
            worker.save()
            os._exit(0)

    options = [
        "-max_len=65536",
        f"-max_total_time={left + 5}",
        "-verbosity=0",
        "-rss_limit_mb=0",
        "-timeout=300",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], once)
    atheris.Fuzz()


def _blind(worker: Worker, contents: list[bytes], seed: int) -> None:
    from irllrec.seeding import stream
    from tests.hostile.mutation import mutated

    random = stream(seed, "fuzz", worker.reader.name)
    while not worker.is_over:
        worker.feed(mutated(random, contents))


def main(arguments: list[str]) -> None:
    """Fuzz the reader of a name for some seconds; the figures go into a folder."""
    name, out, seconds, engine, seed = arguments
    warnings.simplefilter("ignore")
    guided = contextlib.nullcontext()
    if engine == "atheris":
        import atheris

        guided = atheris.instrument_imports(include=["irllrec", "repro", "pickletools", "zipfile"])
    with guided:
        from tests.hostile.readers import all_readers

        reader = all_readers()[name]
        contents = reader.seeds()
        corpus = Path(__file__).parent / "corpus" / name.replace(" ", "-")
        contents += [path.read_bytes() for path in sorted(corpus.glob("*"))]
        worker = Worker(reader, Path(out), float(seconds))
        signal.signal(signal.SIGPROF, _raise_hang)
        for content in contents:  # imports what the reader needs, before memory is bounded
            worker.feed(content)
    bound_memory()
    try:
        if engine == "atheris":
            _guided(worker, contents)
        else:
            _blind(worker, contents, int(seed))
    finally:
        worker.save()


if __name__ == "__main__":
    main(sys.argv[1:])
