"""Reads files with one reader in a process of bounded memory and prints, as JSON, what came of each."""

from __future__ import annotations

import contextlib
import json
import resource
import sys
import time
from pathlib import Path

from irllrec.errors import IrllrecError

MEMORY_BYTES = 1 << 30


def main(arguments: list[str]) -> None:
    """Read every file of a folder with the reader of a name; the memory beyond the first read is bounded."""
    from tests.hostile.readers import all_readers
    from tests.hostile.worker import bound_memory

    reader = all_readers()[arguments[0]]
    honest = Path(arguments[2]) / reader.file
    files = sorted(Path(arguments[1]).iterdir())
    for content in reader.seeds():
        honest.write_bytes(content)
        with contextlib.suppress(IrllrecError):
            reader.read(honest)
    honest.unlink()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bound_memory(MEMORY_BYTES)
    found = {}
    for path in files:
        folder = Path(arguments[2]) / path.name
        folder.mkdir()
        started = time.monotonic()
        (folder / reader.file).write_bytes(path.read_bytes())
        try:
            kind, sentence = "", repr(reader.read(folder / reader.file))[:200]
        except Exception as error:
            kind, sentence = type(error).__name__, str(error)
        found[path.name] = [kind, sentence, time.monotonic() - started]
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    print(json.dumps({"found": found, "grown_bytes": grown}))


if __name__ == "__main__":
    main(sys.argv[1:])
