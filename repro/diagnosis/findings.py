"""One line of the doctor's page, and the page as a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from repro.tables.model import Block, Entry, Group, Line, Table


@dataclass(frozen=True)
class Finding:
    """One line of the page.

    Attributes:
        subject: What was looked at.
        found: What is there.
        fix: The command or step that mends it; empty where there is nothing to do.
        wrong: Whether it is a problem, and not only work that is still to be done.
    """

    subject: str
    found: str
    fix: str = ""
    wrong: bool = False

    @property
    def mark(self) -> str:
        """A tick, a cross, or an arrow for what is still to be done."""
        return "✗" if self.wrong else "→" if self.fix else "✓"


def problem(subject: str, found: str, fix: str) -> Finding:
    """Return a finding that keeps commands from working, or their numbers from being right."""
    return Finding(subject, found, fix, wrong=True)


def page(parts: Iterable[tuple[str, Iterable[Finding]]]) -> Table:
    """Return the findings as one table, a heading for each part.

    Args:
        parts: Heading and findings.
    """
    kept = [(heading, tuple(findings)) for heading, findings in parts]
    every = [(heading, finding) for heading, findings in kept for finding in findings]
    wrong = sum(finding.wrong for _, finding in every)
    left = sum(bool(finding.fix) and not finding.wrong for _, finding in every)
    return Table(
        title="Doctor",
        columns=("", "subject", "found", "fix"),
        label_count=4,
        blocks=(
            Block(
                "",
                tuple(Group(heading, tuple(map(_line, findings))) for heading, findings in kept if findings),
            ),
        ),
        notes=(
            "✓ fine, → still to be done, ✗ a problem. "
            + (f"{wrong} to fix" if wrong else "Nothing to fix")
            + (f", {left} still to be done." if left else "."),
        ),
        records=tuple(
            {
                "ok": "no" if finding.wrong else "yes",
                "part": heading,
                "subject": finding.subject,
                "found": finding.found,
                "fix": finding.fix,
            }
            for heading, finding in every
        ),
    )


def _line(finding: Finding) -> Line:
    return Line(tuple(Entry(text) for text in (finding.mark, finding.subject, finding.found, finding.fix)))
