"""What loky's helper says where it is killed alone."""

import subprocess
import sys

import pytest

SCRIPT = """
import os, signal, sys
from joblib import Parallel, delayed
from joblib.externals.loky.backend import resource_tracker
from repro.running.engines import silence_helper

if sys.argv[1] == "silenced":
    silence_helper()
work = lambda: Parallel(n_jobs=2, backend="loky")(delayed(abs)(-number) for number in range(4))
work()
os.kill(resource_tracker._resource_tracker._pid, signal.SIGKILL)
assert work() == [0, 1, 2, 3]
"""


@pytest.mark.slow
def test_the_helper_of_loky_is_killed_without_a_word_and_without_harm() -> None:
    said = {
        how: subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=False)
        for how in ("silenced", "as it is")
    }
    assert [done.returncode for done in said.values()] == [0, 0]
    assert "Traceback" in said["as it is"].stderr, "loky has changed: silence_helper may be needless"
    assert said["silenced"].stderr == ""
