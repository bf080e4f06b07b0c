"""Remarks beside an answer: on stderr, one printable line each, and none with ``--quiet``."""

from __future__ import annotations

import os
import sys

from repro.printing import one_line
from repro.stages.entry import VERBOSITY


def remark(sentence: str) -> None:
    """Print a sentence on stderr, unless the user asked for quiet."""
    if os.environ.get(VERBOSITY) != "quiet":
        print(one_line(sentence), file=sys.stderr, flush=True)
