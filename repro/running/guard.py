"""Runs one stage's command in a process group that ends with the worker that started it.

The worker holds the other end of standard input: when that is closed, because the worker wants it or has
died, the stage is interrupted, and killed if it does not end in time. Standard library only.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

GRACE_SECONDS = 8.0
SIGNALLED = 128
"""Exit codes above this name the signal that ended the stage, as a shell has it."""


def main(command: str, *kept: str) -> int:
    """Return the exit code of ``command``; ``kept`` are descriptors of locks that must live as long as it."""
    # A handler, not SIG_IGN: an ignored signal would stay ignored in the stage.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    stage = subprocess.Popen(
        ["sh", "-c", command], stdin=subprocess.DEVNULL, pass_fds=[int(descriptor) for descriptor in kept]
    )
    threading.Thread(target=_end_with_worker, args=(stage,), daemon=True).start()
    code = stage.wait()
    return code if code >= 0 else SIGNALLED - code


def _end_with_worker(stage: subprocess.Popen[bytes]) -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.killpg(os.getpgrp(), signal.SIGINT)
    deadline = time.monotonic() + GRACE_SECONDS
    while stage.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
