"""Signals that a command takes, and one that it leaves alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

PROGRAM = """
import signal, time
from repro.processes import handling
seen, before = [], signal.getsignal(signal.SIGTERM)
signal.signal(signal.SIGHUP, signal.SIG_IGN if {nohup} else signal.SIG_DFL)
with handling((signal.SIGTERM, signal.SIGHUP), lambda number, frame: seen.append(signal.Signals(number).name)):
    print("ready", flush=True)
    while "SIGTERM" not in seen:
        time.sleep(0.01)
print(seen, signal.getsignal(signal.SIGTERM) == before)
"""


@pytest.mark.parametrize(
    ("nohup", "seen"), [(True, "['SIGTERM'] True\n"), (False, "['SIGHUP', 'SIGTERM'] True\n")]
)
def test_a_hang_up_is_taken_unless_nohup_asks_to_leave_it(nohup: bool, seen: str) -> None:
    words = [sys.executable, "-c", PROGRAM.format(nohup=nohup)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.kill(process.pid, signal.SIGHUP)
        os.kill(process.pid, signal.SIGTERM)
        assert process.stdout.read() == seen
    assert process.returncode == 0
