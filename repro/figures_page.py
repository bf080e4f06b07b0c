"""A folder of figures: images, the numbers drawn, and a page with alt texts, captions and commands."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from irllrec.data.storage import write_text
from repro.errors import ReproError
from repro.figures.model import FORMATS, Figure, write_figure
from repro.tables.listing import listing
from repro.tables.model import Record, Table

if TYPE_CHECKING:
    from repro.figures_catalogue import Absence

PAGE = "figures.md"
_ABSENT = "absent"


def check_forms(forms: Sequence[str]) -> list[str]:
    """Return the forms of images, each once.

    Raises:
        ReproError: If one is unknown.
    """
    for form in forms:
        if form not in FORMATS:
            raise ReproError(f"the image format {form!r} is unknown: choose from {', '.join(FORMATS)}.")
    return list(dict.fromkeys(forms))


def write_figures(
    figures: Sequence[Figure], absences: Sequence[Absence], folder: Path, forms: Sequence[str], dataset: str
) -> list[tuple[Figure, list[Path]]]:
    """Write each figure's images and its numbers as CSV, then figures.md over all of them.

    Args:
        figures: What to write.
        absences: What could not be drawn, for the page.
        folder: Where; made if need be. Files of other figures stay.
        forms: Of the images.
        dataset: For the title of the page.

    Returns:
        Each figure with the files written for it.
    """
    written = []
    for figure in figures:
        paths = write_figure(figure, folder, forms)
        path = folder / f"{figure.name}.csv"
        write_text(path, numbers_csv(figure))
        written.append((figure, [*paths, path]))
    path = folder / PAGE
    before = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    write_text(path, page(written, absences, dataset, before))
    return written


def numbers_csv(figure: Figure) -> str:
    """Return the numbers drawn, one record a line below the names of their columns."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(figure.records[0]) if figure.records else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(figure.records)
    return text.getvalue()


def page(
    written: Sequence[tuple[Figure, Sequence[Path]]],
    absences: Sequence[Absence],
    dataset: str,
    before: str = "",
) -> str:
    """Return figures.md: of each figure title, image with its alt text, caption, files and command.

    Args:
        written: The figures with their files.
        absences: What could not be drawn, and why.
        dataset: For the title.
        before: The page as it was: its figures that were not drawn anew stay on it.
    """
    sections = {figure.name: _section(figure, [path.name for path in paths]) for figure, paths in written}
    kept = {name: text for name, text in _sections_of(before).items() if name not in sections}
    parts = [f"# Figures: {plain(dataset)}", *sections.values(), *kept.values()]
    if absences:
        parts += [_mark(_ABSENT), "## Not drawn"]
        parts.append("\n".join(f"- {plain(str(absence))}" for absence in absences))
    return "\n\n".join(parts) + "\n"


def _section(figure: Figure, files: Sequence[str]) -> str:
    shown = next((name for name in files if name.endswith((".png", ".svg"))), None)
    links = ", ".join(f"[{name}]({name})" for name in files)
    return "\n\n".join(
        (
            _mark(figure.name),
            f"## {plain(figure.title)}",
            f"![{plain(figure.alt)}]({shown})" if shown else f"*{plain(figure.alt)}*",
            plain(figure.caption),
            f"Files: {links}. Made with `{figure.command.replace('`', '')}`.",
        )
    )


def _mark(name: str) -> str:
    """Return the comment that starts a section; no text on the page can hold one."""
    return f"<!-- {name} -->"


def _sections_of(content: str) -> dict[str, str]:
    """Return the figures' sections of a page by name, without what could not be drawn then."""
    parts = re.split(r"^<!-- (\S+) -->$", content, flags=re.MULTILINE)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    return {name: f"{_mark(name)}{text.rstrip()}" for name, text in found.items() if name != _ABSENT}


def plain(text: str) -> str:
    """Return text as Markdown that shows it as it is, whoever wrote it: nothing in it is markup."""
    text = " ".join(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").split())
    return re.sub(r"([\\`*_\[\]|~$])", r"\\\1", text)


def figures_table(
    written: Sequence[tuple[Figure, Sequence[Path]]], absences: Sequence[Absence], folders: Sequence[Path]
) -> Table:
    """Return the list of what was written, and below it why the rest was not."""
    rows = [
        [figure.name, figure.title, " ".join(path.suffix[1:] for path in paths)] for figure, paths in written
    ]
    notes = [f"Not drawn: {absence}" for absence in absences]
    notes += [f"Written to {folder}, with alt texts and captions in {PAGE}." for folder in folders]
    records: list[Record] = [
        {
            "figure": figure.name,
            "title": figure.title,
            "files": " ".join(str(path) for path in paths),
            "alt": figure.alt,
            "not_drawn_because": None,
        }
        for figure, paths in written
    ]
    records += [
        {"figure": one.figure, "title": None, "files": None, "alt": None, "not_drawn_because": one.reason}
        for one in absences
    ]
    table = listing("Figures", ("figure", "title", "files"), rows, notes)
    return replace(table, records=tuple(records))
