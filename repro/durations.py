"""Times as people say them."""

from __future__ import annotations


def spoken(seconds: float) -> str:
    """Return a time as people say it."""
    if seconds < 90:
        return f"{round(seconds)} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
