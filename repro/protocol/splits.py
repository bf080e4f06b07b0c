"""The claim under other draws of the split: cells that exist are read, the others named by their commands."""

from __future__ import annotations

import re
from collections.abc import Mapping

from repro.analysis import Pair, read_cells
from repro.layout import Layout
from repro.params import Params

SEEDS = (2024, 2025)
"""Split seeds that are proposed where no other split is in the grid."""


def split_name(dataset: str, seed: int) -> str:
    """Return how a data set is called whose interactions are split anew: ``demo-split2024``."""
    return f"{dataset}-split{seed}"


def other_splits(params: Params, dataset: str) -> dict[int, str]:
    """Return the data sets of the grid that are this one split anew, by split seed."""
    pattern = re.compile(re.escape(dataset) + r"-split(\d+)")
    found = ((pattern.fullmatch(name), name) for name in params.datasets)
    return {int(match[1]): name for match, name in found if match}


def evaluated_pairs(layout: Layout, params: Params, pair: Pair) -> dict[int, Pair]:
    """Return the same two methods on each other split that has results for both, by split seed."""
    pairs = {}
    for seed, name in other_splits(params, pair.candidate.cell.dataset).items():
        keys = [
            f"{name}-{side.cell.backbone}-{side.cell.variant}" for side in (pair.candidate, pair.reference)
        ]
        if all(key in params.cells and is_evaluated(layout, params, key) for key in keys):
            found = {cell.key: cell for cell in read_cells(layout, params, keys)}
            pairs[seed] = Pair(found[keys[0]], found[keys[1]])
    return pairs


def retraining_note(params: Params, pair: Pair, there: Mapping[int, Pair]) -> list[str]:
    """Return the sentence with the commands that train both methods on another split; none where all are there."""
    dataset, known = pair.candidate.cell.dataset, other_splits(params, pair.candidate.cell.dataset)
    wanted = [seed for seed in (*known, *SEEDS) if seed not in there]
    if not wanted:
        return []
    name = split_name(dataset, wanted[0])
    add = "" if wanted[0] in known else f"`repro data resplit {dataset} --seed {wanted[0]}`, then "
    sides = " ".join(
        f"{name}/{side.cell.backbone}/{side.cell.variant}" for side in (pair.candidate, pair.reference)
    )
    return [f"Split seed: needs retraining: {add}`repro compare {sides}`; its row then stands in this table."]


def is_evaluated(layout: Layout, params: Params, key: str) -> bool:
    """Return whether a cell of the grid has results."""
    cell = params.cells[key]
    return (layout.run(cell.dataset, cell.backbone, cell.variant) / "per_user.parquet").is_file()
