"""What a check looked at, and what was not as it should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SHOWN_LENGTH = 60


@dataclass(frozen=True)
class Difference:
    """One place that is not as it should be.

    Attributes:
        file: Name of the file in the bundle.
        stored: What stands there.
        derived: What should.
        table: The table it belongs to, "" where it belongs to none.
        row: Its row, by label or number.
        column: Its column, metric or key.
    """

    file: str
    stored: str
    derived: str
    table: str = ""
    row: str = ""
    column: str = ""

    @property
    def place(self) -> str:
        """The file, and where in it."""
        inside = [f"row {self.row}" if self.row else "", f"column {self.column}" if self.column else ""]
        return ", ".join([self.file, *(part for part in inside if part)])


@dataclass(frozen=True)
class Part:
    """One kind of thing that was checked.

    Attributes:
        name: ``files``, ``tables``, ….
        what: What was compared, in words.
        count: How many.
        unit: Of what: ``files``, ``digits``, ``values``.
        differences: What differs; empty where all is well.
        note: What a reader should know: what was left out and why.
    """

    name: str
    what: str
    count: int
    unit: str
    differences: tuple[Difference, ...] = ()
    note: str = ""


def digits(text: str) -> int:
    """Return how many digits a text has."""
    return sum(sign in "0123456789" for sign in text)


def shown(value: object, length: int = SHOWN_LENGTH) -> str:
    """Return a value as a difference shows it: one line of at most ``length`` characters."""
    text = " ".join(str(value).split())
    return text if len(text) <= length else f"{text[: max(length - 1, 0)]}…"


def words_of(differences: Sequence[Difference]) -> str:
    """Return the first difference in words, and how many more there are."""
    first = differences[0]
    more = f" and {len(differences) - 1:,} more" if len(differences) > 1 else ""
    return f"{first.place}: {first.stored} instead of {first.derived}{more}"
