"""A figure as data: what is drawn, what it says in words, and how it becomes a file."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from irllrec.data.storage import atomic_path
from repro.figures.style import RC
from repro.tables.model import Record, Scalar, figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

FORMATS = ("png", "pdf", "svg")
COLUMN_WIDTH = 3.35
"""Inches; one column of a two-column paper."""
PAGE_WIDTH = 6.9
"""Inches; both columns."""
DOTS_PER_INCH = 200


@dataclass(frozen=True)
class Figure:
    """One figure and everything a reader needs who cannot see it.

    Attributes:
        name: Stem of its files, unique within a report: ``sparsity-demo-lightgcn``.
        title: One line.
        alt: What the figure shows, in a sentence or two with its chief numbers.
        caption: What axes, marks and bands are, how many users and seeds, which test.
        command: The command that makes it.
        size: Width and height, inches.
        records: The numbers drawn, one record a mark, all with the same keys.
        draw: Puts axes and marks on an empty matplotlib figure of ``size``.
    """

    name: str
    title: str
    alt: str
    caption: str
    command: str
    size: tuple[float, float]
    records: tuple[Record, ...]
    draw: Callable[[Canvas], None]


def record_of(mark: Any) -> dict[str, Scalar]:
    """Return the fields of a mark, a dataclass, as the record of a figure, numbers with six significant figures."""
    return {
        name: figures(value) if isinstance(value, float) else value for name, value in asdict(mark).items()
    }


def rendered(figure: Figure, form: str) -> bytes:
    """Return the figure as PNG, PDF or SVG; the same bytes for the same figure and versions."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure as Canvas

    no_date = {"png": {"Software": None}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
    settings: Any = {**RC, "svg.hashsalt": figure.name}  # matplotlib types each key by its name
    with matplotlib.rc_context(settings):
        canvas = Canvas(figsize=figure.size, layout="constrained")
        figure.draw(canvas)
        buffer = io.BytesIO()
        metadata = {"Title": figure.title, **no_date[form]}
        canvas.savefig(buffer, format=form, dpi=DOTS_PER_INCH, metadata=metadata)
    return buffer.getvalue()


def write_figure(figure: Figure, folder: Path, forms: Sequence[str] = ("png", "pdf")) -> list[Path]:
    """Write the figure's files, each whole or not at all, and return their paths."""
    paths = []
    for form in forms:
        path = folder / f"{figure.name}.{form}"
        with atomic_path(path) as temporary:
            temporary.write_bytes(rendered(figure, form))
        paths.append(path)
    return paths
