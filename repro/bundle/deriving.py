"""Everything in a bundle that follows from the rest of it: made once to write it, and again to check it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from repro.bundle.printed import Source, forms_of, printed_tables
from repro.bundle.record import Bundle
from repro.bundle.reporting import REPORT, report_from
from repro.errors import ReproError
from repro.tables.model import Table
from repro.tables.render import render

TABLES = "tables"
README = "README.md"

Failed = Callable[[str, Exception], None]
"""Told what could not be made, and why."""


@dataclass
class Derived:
    """What follows from the files of a bundle.

    Attributes:
        tables: Name of a table → end of a file's name → the file's content.
        commands: Name of a table → the command that prints it.
        report: The page; None where it cannot be made.
    """

    tables: dict[str, dict[str, str]] = field(default_factory=dict)
    commands: dict[str, str] = field(default_factory=dict)
    report: str | None = None

    @property
    def files(self) -> dict[str, str]:
        """Name of a file below the bundle → content, without the report."""
        return {
            f"{TABLES}/{name}.{ending}": text
            for name, forms in self.tables.items()
            for ending, text in forms.items()
        }

    def keep(self, names: Collection[str]) -> None:
        """Forget the tables that are not among these names."""
        for name in self.tables.keys() - set(names):
            del self.tables[name], self.commands[name]


def step_count(source: Source) -> int:
    """Return how many steps :func:`derive` takes: one a table, and the report."""
    return sum(1 for _ in printed_tables(source)) + 1


def derive(source: Source, bundle: Bundle, advance: Callable[[str], None], failed: Failed) -> Derived:
    """Return all tables and the report.

    Args:
        source: The cells of the bundle.
        bundle: What was noted when it was made.
        advance: Told the name of each table that is done.
        failed: Told what could not be made; may raise.
    """
    derived = Derived()
    seen: set[str] = set()
    for printed in printed_tables(source):
        try:
            _add(derived, source, printed.name, printed.command, printed.make(), seen)
        except Exception as error:
            failed(f"{TABLES}/{printed.name}", error)
        advance(printed.name)
    try:
        reported = report_from(source, bundle)
        derived.report = reported.html
        for anchor, (command, table) in reported.tables.items():
            if render(table, "json") not in seen:
                _add(derived, source, f"report-{anchor}", command, table, seen)
    except Exception as error:
        failed(REPORT, error)
    advance("report")
    return derived


def _add(derived: Derived, source: Source, name: str, command: str, table: Table, seen: set[str]) -> None:
    forms = forms_of(table)
    seen.add(forms["json"])
    own = f"{source.layout.root}/"
    derived.tables[name] = {ending: text.replace(own, "") for ending, text in forms.items()}
    derived.commands[name] = command


def raise_it(name: str, error: Exception) -> None:
    """Stop at what cannot be made: a user's mistake keeps its sentence.

    Raises:
        ReproError: For such a mistake; any other error as it is.
    """
    if isinstance(error, ReproError):
        raise ReproError(f"{name} cannot be made: {error}") from None
    raise error


def readme_of(bundle: Bundle) -> str:
    """Return the page that a reviewer reads first."""
    listed = "\n".join(
        f"- {name}: {one.origin}, interactions {one.interactions}" for name, one in bundle.datasets.items()
    )
    printed = "\n".join(
        f"- `tables/{name}.*`: `{command}`" for name, command in sorted(bundle.commands.items())
    )
    absent = ", ".join(bundle.left_out) or "none"
    return f"""\
# Results of irllrec-repro, to be checked

{len(bundle.cells)} cells, commit {bundle.commit or "unknown"}, irllrec-repro {bundle.version or "unknown"}.

## Check it

Two commands, on any machine with Python 3.11 or newer; no checkout, no GPU, no network for the second:

    pip install irllrec-repro (from its source: pip install PATH/TO/irllrec-repro)
    repro bundle check THIS.zip

The second compares every file with the manifest, computes every table anew from the per-user results, compares it
cell by cell, and computes the per-user results anew from the stored lists where the interactions are here.

## Data sets

{listed}

Interactions that are not ours to pass on are not here; `--data FOLDER` takes them from your own copy.
Cells of the grid without results: {absent}.

## What is here

- `{REPORT}`: everything on one page
- `runs/`: per-user values, top-100 lists, run.json, training curves of each cell
- `params.yaml`, `dvc.yaml`, `dvc.lock`: settings and the pipeline's own hashes
- `data/published`, `docs/deviations.md`, `results/tuning`: published figures, deviations, tuning ledgers
- `environment.json`: Python, packages, processor; `{TABLES}/`: each table in five formats, and cell by cell

{printed}
"""
