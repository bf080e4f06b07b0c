"""Words on figures: none upon another, none cut off, nothing by strangers taken for markup."""

from __future__ import annotations

import numpy as np
import pytest

from repro.figures.labels import STAND_IN, drawable, spread, text_width, wrapped


def test_labels_that_are_far_apart_stay() -> None:
    assert spread([0.1, 0.9, 0.5], 0.1) == pytest.approx([0.1, 0.9, 0.5])


def test_labels_of_one_place_part_around_it() -> None:
    """Three at 0.5 with a gap of 0.1 have 0.4, 0.5 and 0.6, which moves them least."""
    assert spread([0.5, 0.5, 0.5], 0.1) == pytest.approx([0.4, 0.5, 0.6])


def test_labels_keep_their_order_their_distance_and_the_axes() -> None:
    wanted = np.random.default_rng(4).uniform(size=9)
    placed = spread(wanted, 0.1)
    order = np.argsort(wanted)
    assert (np.diff(placed[order]) >= 0.1 - 1e-12).all()
    assert placed.min() >= 0.0
    assert placed.max() <= 1.0 + 1e-12


def test_no_labels_have_no_places() -> None:
    assert len(spread([], 0.1)) == 0


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\tc", "a b c"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("a\u202eb\x00", "ab"),
        ("$x_1$ & <b>", "$x_1$ & <b>"),
        ("寿司 bar", STAND_IN * 2 + " bar"),
    ],
)
def test_text_by_strangers_is_one_line_that_can_be_drawn(text: str, shown: str) -> None:
    assert drawable(text) == shown


@pytest.mark.parametrize("text", ["W" * 200, "wide WORDS " * 30, "$" * 90, "a " * 300])
def test_no_line_is_wider_than_asked(text: str) -> None:
    lines = wrapped(text, 1.5, 3, 7)
    assert len(lines) == 3
    assert max(text_width(line, 7) for line in lines) <= 1.5
    assert lines[-1].endswith("…")


def test_text_that_fits_is_whole() -> None:
    lines = wrapped("one two three four five", 0.7, 9, 7)
    assert len(lines) > 1
    assert " ".join(lines) == "one two three four five"


def test_no_text_is_a_dash() -> None:
    assert wrapped("", 1.0, 2, 7) == ["–"]
