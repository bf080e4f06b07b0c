"""DVC's words become a sentence that names the fix."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from repro.dvc_words import is_busy, sentence_of
from repro.layout import Layout


def test_a_full_disk_is_told_as_one_and_support_is_not_advertised(tmp_path: Path) -> None:
    said = (
        "ERROR: unexpected error - [Errno 28] No space left on device: '/x/.dvc/tmp/lock'\n\n"
        "Having any troubles? Hit us up at https://dvc.org/support, we are always happy to help!\n"
    )
    assert sentence_of(Layout(tmp_path), said) == (
        f"The disk of {tmp_path} is full: free some space and run the same command again."
    )


def test_the_first_error_of_the_real_dvc_is_the_sentence(tmp_path: Path) -> None:
    for words in (["init", "--no-scm", "--quiet"], ["add", "nothing-there"]):
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *words],
            cwd=tmp_path,
            env={**os.environ, "DVC_NO_ANALYTICS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode != 0
    sentence = sentence_of(Layout(tmp_path), done.stderr)
    assert sentence.startswith("DVC stopped: ")
    assert "nothing-there" in sentence
    assert sentence.endswith("; mend that and run again.")
    assert "\n" not in sentence


@pytest.mark.parametrize(
    "said",
    [
        "ERROR: Unable to acquire lock.",
        "ERROR: 'x' is busy, it is being blocked by:",
        "ERROR: Unable to read RWLock-file '.dvc/tmp/rwlock'.",
    ],
)
def test_another_process_is_recognised(said: str) -> None:
    assert is_busy(said)
