"""A figure's files: all forms, the same bytes twice, no date inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from repro.figures.model import FORMATS, Figure, rendered, write_figure
from repro.figures.style import look_of


def _draw(canvas: Any) -> None:
    axes = canvas.subplots()
    look = look_of("irllrec")
    axes.plot([0, 1, 2], [0.1, 0.3, 0.2], color=look.color, marker=look.marker, linestyle=look.dashes)
    axes.set_xlabel("epoch")


@pytest.fixture
def figure() -> Figure:
    return Figure(
        "curve", "A curve", "It rises, then falls.", "Caption.", "repro figures", (3.35, 2.0), (), _draw
    )


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_figure_is_the_same_bytes(figure: Figure, form: str) -> None:
    first = rendered(figure, form)
    assert first == rendered(figure, form)
    assert first[:4] in (b"\x89PNG", b"%PDF", b"<?xm")


def test_a_printed_png_has_the_size_it_says(figure: Figure, tmp_path: Path) -> None:
    from PIL import Image

    png, pdf = write_figure(figure, tmp_path / "figures")
    with Image.open(png) as image:
        assert image.size == (670, 400)
    assert pdf.suffix == ".pdf"
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == ["curve.pdf", "curve.png"]


def test_no_two_variants_of_a_plot_look_the_same() -> None:
    names = ["irllrec", "base", "rlmrec-con", "rlmrec-gen"]
    looks = [look_of(name) for name in names] + [look_of("irllrec-no-itm", place) for place in range(3)]
    for attribute in ("color", "marker", "dashes", "hatch"):
        assert len({str(getattr(look, attribute)) for look in looks}) == len(looks)
