"""One user on a page: her text intents, the prototypes behind her clicks, and what she is recommended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from repro.figures.labels import drawable, wrapped
from repro.figures.model import COLUMN_WIDTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_SIZE, _LINE, _EDGE, _INDENT = 6.5, 0.13, 0.08, 0.12
"""Points of the font; height of a line, width of the edge and of an indent in inches."""
_WIDTH = COLUMN_WIDTH - 2 * _EDGE
_BAR = 0.45
"""Length of the longest bar, inches."""
_FULL, _PALE = "#0072B2", "#e6e6e6"


@dataclass(frozen=True)
class PrototypeUse:
    """A prototype that explains the user's clicks.

    Attributes:
        number: Its place among the prototypes of the users, from 0.
        weight: The user's weight on it, in [0, 1].
        times_even: That weight over an even share.
        items: Titles of the items nearest to it.
        phrases: Text intents that these items share most.
    """

    number: int
    weight: float
    times_even: float
    items: tuple[str, ...]
    phrases: tuple[str, ...]


@dataclass(frozen=True)
class Recommended:
    """One place of a list: the item's title, and whether it is among the user's test items."""

    title: str
    hit: bool


@dataclass(frozen=True)
class Case:
    """What is told of one user; every text is as strangers wrote it.

    Attributes:
        user: Her id.
        intents: The intents of her text.
        prototypes: Those with the largest weights, the largest first.
        lists: By model the first places of its list, best first.
    """

    user: str
    intents: tuple[str, ...]
    prototypes: tuple[PrototypeUse, ...]
    lists: tuple[tuple[str, tuple[Recommended, ...]], ...]


@dataclass
class _Writer:
    """Lines of text from the top, placed in inches; ``placed`` is drawn later."""

    height: float = _EDGE
    placed: list[tuple[float, float, str, str, str]] = field(default_factory=list)
    bars: list[tuple[float, float, float, float]] = field(default_factory=list)

    def heading(self, text: str) -> None:
        self.height += 0.4 * _LINE if self.placed else 0.0
        self.write(text, weight="bold")
        self.height += 0.15 * _LINE

    def write(self, text: str, indent: float = 0.0, *, weight: str = "normal", most_lines: int = 2) -> None:
        for line in wrapped(drawable(text), _WIDTH - indent, most_lines, _SIZE, weight):
            self.placed.append((_EDGE + indent, self.height, line, weight, "black"))
            self.height += _LINE


def case_height(case: Case) -> float:
    """Return how high the figure of a case is, inches."""
    return _laid_out(case).height + _EDGE


def draw_case(canvas: Canvas, case: Case) -> None:
    """Write the case on the canvas; nothing in its texts is taken for markup."""
    canvas.set_layout_engine("none")
    axes = canvas.add_axes((0.0, 0.0, 1.0, 1.0))
    width, height = canvas.get_size_inches()
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    page = _laid_out(case)
    for left, top, text, weight, color in page.placed:
        axes.text(
            left,
            top,
            text,
            fontsize=_SIZE,
            fontweight=weight,
            color=color,
            verticalalignment="top",
            parse_math=False,
        )
    for bar in page.bars:
        _draw_bar(axes, *bar)


def _draw_bar(axes: Axes, left: float, top: float, share: float, even: float) -> None:
    """Draw a share of the longest bar, with a line where an even share would end."""
    from matplotlib.patches import Rectangle

    for width, color in ((_BAR, _PALE), (_BAR * share, _FULL)):
        axes.add_patch(Rectangle((left, top + 0.01), width, 0.085, facecolor=color, edgecolor="none"))
    axes.plot([left + _BAR * even] * 2, [top, top + 0.105], color="black", linewidth=0.9)


def _laid_out(case: Case) -> _Writer:
    page = _Writer()
    page.heading(f"User {case.user}: intents in the text")
    for intent in case.intents or ("none",):
        page.write(f"• {intent}", _INDENT)
    page.heading("Intents behind the clicks: prototypes with the largest weight")
    most = max((use.weight for use in case.prototypes), default=1.0)
    for use in case.prototypes:
        even = use.weight / use.times_even
        page.bars.append((_EDGE + _INDENT, page.height, use.weight / most, even / most))
        page.write(
            f"no. {use.number}: weight {use.weight:.4f}, {use.times_even:.2f} × an even share",
            _INDENT + _BAR + 0.06,
        )
        page.write(f"items: {' · '.join(use.items)}", 2 * _INDENT)
        page.write(f"their text: {' · '.join(use.phrases) or 'none'}", 2 * _INDENT)
    page.heading("Recommended (✓ a test item)")
    _lists(page, case.lists)
    return page


def _lists(page: _Writer, lists: Sequence[tuple[str, Sequence[Recommended]]]) -> None:
    """Write the lists side by side, a line a place."""
    column = _WIDTH / len(lists)
    top = page.height
    for place, (name, items) in enumerate(lists):
        left, height = _EDGE + place * column, top
        page.placed.append((left, height, drawable(name), "bold", "black"))
        for rank, item in enumerate(items, start=1):
            height += _LINE
            weight = "bold" if item.hit else "normal"
            page.placed.append((left, height, f"{rank}", weight, "black"))
            if item.hit:
                page.placed.append((left + 0.15, height, "✓", weight, "black"))
            [title] = wrapped(drawable(item.title), column - 0.35, 1, _SIZE, weight)
            page.placed.append((left + 0.28, height, title, weight, "black"))
        page.height = max(page.height, height + _LINE)
