"""``repro data resplit NAME``: the same interactions, split with another seed."""

from __future__ import annotations

from typing import Annotated

import typer

from repro.checkout_lock import writes
from repro.commands.selection import BackboneOption
from repro.remarks import remark


@writes
def resplit(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A data set of params.yaml.")],
    seed: Annotated[int, typer.Option("--seed", help="Seed of the new split.", min=0)],
    backbone: BackboneOption = None,
) -> None:
    """Split a data set anew, per user and by ratio, as NAME-splitSEED: was a result the luck of a split?

    The cells of a backbone come along with their settings (by default of its first in the grid); nothing is
    trained yet. `repro protocol` then shows the claim on the new split, too.

    Example: repro data resplit demo --seed 2024
    """
    from repro.commands.selection import grid_places
    from repro.engine import pin
    from repro.importing import check_name
    from repro.layout import Layout
    from repro.params import load_params
    from repro.protocol.splits import split_name
    from repro.resplitting import copy_raw, join_grid, text_warning
    from repro.unfinished import placing

    layout = Layout.find()
    params = load_params(layout.params)
    check_name(name)
    made = split_name(name, seed)
    with placing(layout, made) as earlier:
        if not earlier.placed:
            copy_raw(layout, name, seed)
        pin(layout, layout.raw(made))
        backbones = backbone or [grid_places(params, [name], None)[0][1]]
        cells = join_grid(layout, name, seed, backbones)
    print(f"{made}: {name} split with seed {seed}; in the grid: {', '.join(cells) or 'no cell yet'}.")
    if warning := text_warning(params, name):
        remark(warning)
    remark(f"Next: repro table main --dataset {made}")
