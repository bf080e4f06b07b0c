"""Differences with intervals: stars have room, and what is drawn is what was given."""

from __future__ import annotations

import itertools

import pytest
from matplotlib.figure import Figure as Canvas

from repro.figures.intervals import IntervalPanel, IntervalRow, draw_intervals, interval_height
from repro.figures.model import COLUMN_WIDTH, Figure
from repro.figures.style import look_of
from tests.repro.figures.bounds import cut_off, drawn, shown_texts


def _row(label: str, value: float, mark: str, group: str = "") -> IntervalRow:
    look = look_of("irllrec")
    return IntervalRow(label, group, look, value, value - 0.01, value + 0.01, mark, bool(mark))


ROWS = (_row("w/o IA", -0.02, "***▼"), _row("w/o $x$", 0.03, "**"), _row("text: shuffled", 0.0, ""))


def _figure(rows: tuple[IntervalRow, ...], *, bars: bool) -> Figure:
    panels = [IntervalPanel(metric, rows, 0.001) for metric in ("recall@20", "ndcg@20")]

    def draw(canvas: Canvas) -> None:
        draw_intervals(canvas, panels, "without − whole", bars=bars)

    return Figure("x", "x", "x.", "x", "repro", (COLUMN_WIDTH, interval_height(rows)), (), draw)


@pytest.mark.parametrize("bars", [True, False])
def test_no_star_lies_on_a_label_or_another_panel(*, bars: bool) -> None:
    canvas = drawn(_figure(ROWS, bars=bars))
    texts = shown_texts(canvas)
    marks = [text for text in texts if "*" in text.get_text()]
    assert len(marks) == 4
    assert cut_off(canvas) == []
    for mark in marks:
        for text in texts:
            if text is not mark:
                assert not mark.get_window_extent().overlaps(text.get_window_extent()), text.get_text()
        inside = mark.axes.bbox.expanded(1.02, 1.02)
        assert inside.x0 <= mark.get_window_extent().x0
        assert mark.get_window_extent().x1 <= inside.x1


@pytest.mark.parametrize("scale", [1.0, 0.58, 0.21, 0.037])
def test_no_tick_label_lies_on_another(scale: float) -> None:
    rows = tuple(_row(f"w/o {place}", -0.02 * scale * place, "***▼") for place in range(1, 4))
    canvas = drawn(_figure(rows, bars=True))
    for axes in canvas.axes:
        low, high = axes.get_xlim()
        ticks = [tick.label1 for tick in axes.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
        boxes = [tick.get_window_extent() for tick in ticks]
        assert len(boxes) >= 2
        assert not any(one.overlaps(other) for one, other in itertools.pairwise(boxes))


def test_rows_stand_under_their_headings_in_order() -> None:
    rows = (_row("con", 0.1, "", "mf"), _row("irllrec", 0.2, "", "mf"), _row("con", 0.3, "", "sgl"))
    canvas = drawn(_figure(rows, bars=False))
    axes = canvas.axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["mf", "con", "irllrec", "sgl", "con"]
    points = [line.get_xydata()[0] for line in axes.lines if line.get_marker() == "o"]
    assert [tuple(point) for point in points] == [(0.1, 1.0), (0.2, 2.0), (0.3, 4.0)]


def test_bars_end_at_the_difference() -> None:
    canvas = drawn(_figure(ROWS, bars=True))
    widths = [bar.get_width() for bar in canvas.axes[0].patches if bar.get_height() == pytest.approx(0.62)]
    assert widths == [-0.02, 0.03, 0.0]
