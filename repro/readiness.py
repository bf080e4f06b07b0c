"""Which cells can be read as they are: evaluated here, and up to date by DVC's word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from repro.layout import Layout
    from repro.params import Params


def evaluated_keys(layout: Layout, params: Params, keys: Sequence[str]) -> list[str]:
    """Return those of the cells whose results are here, up to date or not."""
    cells = {key: params.cells[key] for key in keys if key in params.cells}
    return [
        key
        for key, cell in cells.items()
        if (layout.run(cell.dataset, cell.backbone, cell.variant) / "per_user.parquet").is_file()
    ]


def up_to_date_keys(layout: Layout, params: Params, keys: Sequence[str]) -> list[str]:
    """Return those of the cells whose results are here and up to date.

    Raises:
        ReproError: If DVC cannot read the pipeline, or another process holds its lock.
    """
    from repro.engine import stale_for
    from repro.workload import estimate

    there = {key: params.cells[key] for key in evaluated_keys(layout, params, keys)}
    if not there:
        return []
    behind = estimate(layout, params, there, stale_for(layout, params, there)).stages
    return [key for key in there if f"evaluate@{key}" not in behind]
