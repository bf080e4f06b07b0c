"""What DVC says when it stops, as a sentence that names what to do."""

from __future__ import annotations

from repro.checkout_lock import busy_sentence
from repro.failures import says_full_disk
from repro.layout import Layout
from repro.stage_lock import locked_stages


def is_busy(said: str) -> bool:
    """Return whether DVC met another process at work in the checkout, or what a killed one left of its record."""
    return any(words in said for words in ("Unable to acquire lock", "is busy", "RWLock-file"))


def sentence_of(layout: Layout, said: str) -> str:
    """Return why DVC stopped.

    Args:
        layout: The checkout.
        said: What DVC wrote to stderr.

    Raises:
        ReproError: If dvc.lock is damaged; DVC's words on that name neither the file nor what to do.
    """
    if is_busy(said):
        return busy_sentence(layout)
    errors = [line.removeprefix("ERROR: ") for line in said.splitlines() if line.startswith("ERROR: ")]
    first = errors[0] if errors else (said.strip().splitlines() or ["no message"])[-1]
    if says_full_disk(first):
        return f"The disk of {layout.root} is full: free some space and run the same command again."
    locked_stages(layout)
    return f"DVC stopped: {first.rstrip('.')}; mend that and run again."
