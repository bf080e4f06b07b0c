"""Prepared texts that several tests write by hand."""

from __future__ import annotations

from irllrec.data.prepared import PreparedText


def review(user: int, item: int, split: str, text: str) -> PreparedText:
    """Return the review of an interaction that fell into ``split``."""
    return PreparedText("user", user, "review", text, user, item, split)
