"""Writes measured effects into docs/deviations.md, between markers and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from irllrec.data.storage import write_text
from irllrec.fidelity import DEVIATIONS
from repro.errors import ReproError
from repro.tables.deviations import DeviationRow, seeds_interval
from repro.tables.model import fraction, interval_text, p_text, short_metric

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
"""Around the table and the lines that say where its figures are from."""

NOT_MEASURED = "not measured: "
_BREAK = "<br>"
_SOURCE = re.compile(r"- `(?P<dataset>[a-z0-9-]+)`(?P<only>(, D-\d\d)*): ")


def write_effects(
    path: Path, rows: Sequence[DeviationRow], sources: Mapping[str, str], only: Sequence[str] = ()
) -> None:
    """Put the effects into the last column of the page's table, in place of what these data sets had.

    Effects on other data sets stay. Writing the same rows again changes nothing.

    Args:
        path: The page.
        rows: All rows of the table, of every deviation or of those in ``only``.
        sources: Data set → where its figures are from: command, seeds, tests, commit.
        only: The deviations that were priced, where not all were; the others keep their effects and the lines
            that say where they are from.

    Raises:
        ReproError: If the page or its markers are missing.
    """
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    head, begin, rest = text.partition(BEGIN)
    body, end, tail = rest.partition(END)
    if not begin or not end:
        raise ReproError(
            f"{path}: the markers {BEGIN} and {END} are missing around its table: restore them with "
            f"`git checkout -- {path.name}`."
        )
    lines = [_with_effect(line, rows, sources) for line in body.strip().splitlines()]
    table = [line for line in lines if not _SOURCE.match(line)]
    told = {(found["dataset"], found["only"]): line for line in lines if (found := _SOURCE.match(line))}
    label = "".join(f", {name}" for name in only)
    told = {key: line for key, line in told.items() if only or key[0] not in sources}
    told |= {(name, label): f"- `{name}`{label}: {source}" for name, source in sources.items()}
    kept = "\n".join(table).rstrip()
    listed = "\n".join(told[name] for name in sorted(told))
    write_text(path, f"{head}{BEGIN}\n\n{kept}\n\n{listed}\n\n{END}{tail}")


def _with_effect(line: str, rows: Sequence[DeviationRow], datasets: Mapping[str, str]) -> str:
    """Return a line of the page; in a deviation's row, with the new effects in the last column."""
    cells = line.strip().strip("|").split("|")
    deviation = cells[0].strip()
    if deviation not in DEVIATIONS:
        return line
    own = [row for row in rows if row.deviation == deviation]
    if not own:
        return line
    before = cells[-1].strip().split(_BREAK)
    kept = [
        entry
        for entry in before
        if entry
        and not entry.startswith(NOT_MEASURED)
        and not any(entry.startswith(f"{name}, ") for name in datasets)
    ]
    effects = sorted(kept + _effects(own))
    if not effects:
        effects = list(dict.fromkeys(NOT_MEASURED + row.missing for row in own)) or before
    return "|".join(["", *cells[:-1], f" {_BREAK.join(effects)} ", ""])


def _effects(rows: Sequence[DeviationRow]) -> list[str]:
    """Return one entry for each data set and pair of cells: its metrics, one after the other."""
    places: dict[tuple[str, str], list[DeviationRow]] = {}
    for row in rows:
        if not row.missing:
            places.setdefault((row.dataset, row.place), []).append(row)
    return [f"{dataset}, {place}: {_measured(found)}" for (dataset, place), found in places.items()]


def _measured(rows: Sequence[DeviationRow]) -> str:
    if rows[0].identical:
        names = ", ".join(short_metric(row.metric) for row in rows)
        return f"exactly 0 for every user and seed ({names})"
    return "; ".join(_figure(row) for row in rows)


def _figure(row: DeviationRow) -> str:
    name = short_metric(row.metric)
    if row.compared is None:
        mean, spread = row.mean or 0.0, row.seed_spread or 0.0
        return f"{name} {fraction(mean)} ± {spread:.4f} over {len(row.seeds)} seeds"
    c = row.compared
    draws = "" if row.draw_spread is None else f", ±{row.draw_spread:.4f} between evaluations"
    difference = interval_text(c.difference, c.low, c.high)
    return f"{name} {difference}, with seeds {seeds_interval(c)}, p {p_text(c.p_corrected)}{draws}"
