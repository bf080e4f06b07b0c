"""Each measured part gives the same loss and gradients on both sides, and its record fills the page."""

from __future__ import annotations

import pytest
import torch

from benchmarks.components import COMPONENTS, operations, turns
from benchmarks.page import filled
from benchmarks.workload import Workload, make_workload


@pytest.fixture(scope="module")
def workload() -> Workload:
    return make_workload(users=90, items=70, pairs=900, text_dimension=24, seed=3)


@pytest.mark.parametrize("name", COMPONENTS)
def test_both_sides_agree_in_loss_and_gradients(name: str, workload: Workload) -> None:
    sides = turns(name, workload, ("plain", "ours"))
    plain, ours = sides["plain"](0), sides["ours"](0)
    assert plain.keys() == ours.keys()
    assert len(plain) >= 2
    for number, value in plain.items():
        assert ours[number] == pytest.approx(value, rel=2e-4, abs=1e-7), number
        assert value != 0, number


@pytest.mark.parametrize("name", COMPONENTS)
def test_the_least_operations_grow_with_the_work(name: str, workload: Workload) -> None:
    larger = make_workload(users=180, items=140, pairs=1800, text_dimension=24, seed=3)
    products, exponentials = operations(name, workload)
    assert operations(name, larger)[0] > products > 0
    assert exponentials >= 0


def test_translation_counts_every_pair_once(workload: Workload) -> None:
    """160 nodes: 25,600 exponentials, and three products of 32 columns."""
    products, exponentials = operations("translation", workload)
    assert exponentials == 160 * 160
    assert products == 3 * 2 * 32 * 160 * 160


def test_a_part_of_the_page_is_replaced_and_nothing_else() -> None:
    page = "a\n<!-- measured: steps -->\nold\n<!-- end -->\nb\n<!-- measured: seeds -->\n<!-- end -->\n"
    once = filled(page, "steps", "| new |")
    assert once == page.replace("old", "| new |")
    assert filled(filled(once, "seeds", "s"), "seeds", "t").endswith("seeds -->\nt\n<!-- end -->\n")
    with pytest.raises(SystemExit, match="measured: other"):
        filled(page, "other", "x")


def test_gradients_are_those_of_fresh_leaves(workload: Workload) -> None:
    """A turn leaves nothing behind: the second equals the first."""
    turn = turns("aggregation", workload, ("ours",))["ours"]
    torch.manual_seed(0)
    assert turn(0) == turn(1)
