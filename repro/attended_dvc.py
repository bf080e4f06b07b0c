"""DVC in a process of its own that ends, with its stages, when the command that started it does.

Started by ``repro.engine`` as ``python -m repro.attended_dvc repro …``: a killed command must not leave a
pipeline behind that writes on unseen.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from irllrec.data.storage import atomic_path

LIFELINE = "REPRO_LIFELINE"
"""Environment: the descriptor of a pipe whose other end the command above keeps open while it lives."""


def main() -> int:
    """Run DVC on this process's arguments and return its exit code."""
    lifeline = os.environ.pop(LIFELINE, "")
    if lifeline:
        threading.Thread(target=_end_with_command, args=(int(lifeline),), daemon=True).start()
    from dvc.cli import main as dvc

    write_whole_files()
    return int(dvc(sys.argv[1:]) or 0)


def write_whole_files() -> None:
    """Let DVC write dvc.lock and files like it beside their place, and then rename them.

    It truncates the file first and needs longer to write it the more stages it holds: a kill meanwhile
    would leave half of it, with which nothing can be run.
    """
    from dvc.utils.serialize import _common, _yaml

    in_place = _common._dump_data

    def dump(path: Any, data: Any, dumper: Any, fs: Any = None, **arguments: Any) -> None:
        with atomic_path(Path(path)) as temporary:
            in_place(str(temporary), data, dumper, fs=fs, **arguments)

    _common._dump_data = _yaml._dump_data = dump


def _end_with_command(lifeline: int) -> None:
    """Kill the whole process group, which is this pipeline's own, once the pipe's other end is closed."""
    while True:
        try:
            if not os.read(lifeline, 1):
                break
        except InterruptedError:
            continue
        except OSError:
            return
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
