"""Looking at a drawn canvas: which text would be cut off at its edge."""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.text import Text

from repro.figures.model import DOTS_PER_INCH, Figure
from repro.figures.style import RC


def drawn(figure: Figure) -> Canvas:
    """Return the canvas of a figure after it was laid out and drawn."""
    with mpl.rc_context(RC):
        canvas = Canvas(figsize=figure.size, layout="constrained", dpi=DOTS_PER_INCH)
        FigureCanvasAgg(canvas)
        figure.draw(canvas)
        canvas.draw_without_rendering()
    return canvas


def shown_texts(canvas: Canvas) -> list[Text]:
    """Return the texts that are seen: not empty, visible, and in visible axes."""
    hidden = {id(text) for axes in canvas.axes for text in _ticks_outside(axes)}
    texts = canvas.findobj(Text)
    return [
        text for text in texts if text.get_text().strip() and text.get_visible() and id(text) not in hidden
    ]


def cut_off(canvas: Canvas, tolerance: float = 1.0) -> list[str]:
    """Return the texts that reach over an edge of the canvas by more than ``tolerance`` pixels."""
    found = []
    for text in shown_texts(canvas):
        box = text.get_window_extent()
        inside = (
            box.x0 >= -tolerance
            and box.y0 >= -tolerance
            and box.x1 <= canvas.bbox.width + tolerance
            and box.y1 <= canvas.bbox.height + tolerance
        )
        if not inside:
            found.append(text.get_text())
    return found


def _ticks_outside(axes: object) -> list[Text]:
    """Return labels of ticks beyond the limits of their axis, and of those of axes that are off."""
    found = []
    for axis in (axes.xaxis, axes.yaxis):  # type: ignore[attr-defined]
        low, high = sorted(axis.get_view_interval())
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            if not axes.axison or not low <= tick.get_loc() <= high:  # type: ignore[attr-defined]
                found += [tick.label1, tick.label2]
    return found
