"""Errors of the harness that a user can mend."""

from __future__ import annotations


class ReproError(Exception):
    """A user's mistake or a missing piece; its text is one sentence that names the fix.

    The command line prints the sentence on stderr and exits with 1.
    """
