"""``repro grid``: what ``dvc repro`` will run."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from repro.checkout_lock import writes
from repro.commands.selection import (
    BackboneOption,
    DatasetOption,
    FormatOption,
    check_format,
    grid_places,
    print_table,
    split_list,
)

if TYPE_CHECKING:
    from repro.params import Cell, Params
    from repro.tables.model import Table

app = typer.Typer(
    no_args_is_help=True, help="Show or change what `dvc repro` runs (the cells of params.yaml)."
)

ObjectiveOption = Annotated[
    list[str] | None,
    typer.Option("--objective", "-o", help="base, rlmrec-con, rlmrec-gen or irllrec; may be repeated."),
]
DropOption = Annotated[
    list[str] | None,
    typer.Option("--drop", help="Component to leave out of irllrec; each one a cell of its own."),
]


@app.command("show")
def show(
    dataset: DatasetOption = None,
    backbone: BackboneOption = None,
    status: Annotated[
        bool, typer.Option("--status", help="Also ask DVC which cells are up to date (a few seconds).")
    ] = False,
    format: FormatOption = "rich",
) -> None:
    """Print the cells of the grid with their settings.

    Example: repro grid show --status
    """
    from repro.engine import stale_stages
    from repro.layout import Layout
    from repro.params import load_params

    layout = Layout.find()
    check_format(format)
    params = load_params(layout.params)
    cells = {
        key: cell
        for key, cell in params.cells.items()
        if (not dataset or cell.dataset in dataset) and (not backbone or cell.backbone in backbone)
    }
    stale = stale_stages(layout) if status else None
    print_table(grid_table(params, cells, stale), format)


@app.command("add")
@writes
def add(
    dataset: DatasetOption = None,
    backbone: BackboneOption = None,
    objective: ObjectiveOption = None,
    drop: DropOption = None,
    joint: Annotated[bool, typer.Option("--joint", help="Leave all named components out together.")] = False,
) -> None:
    """Add cells: every named objective on every named backbone and data set.

    Example: repro grid add --dataset demo --backbone lightgcn --objective irllrec --drop GSL
    """
    from repro.cell_requests import TEXT_FREE, is_simple
    from repro.grid import CellRequest, ensure_cells
    from repro.layout import Layout
    from repro.params import load_params

    layout = Layout.find()
    params = load_params(layout.params)
    components = split_list(drop)
    named = bool(backbone) and bool(objective or components)
    if not components:
        drops: list[tuple[str, ...]] = [()]
    else:
        drops = [tuple(components)] if joint else [(name,) for name in components]
    requests = [
        CellRequest(on, under, name, left_out)
        for on, under in grid_places(params, dataset or list(params.datasets), backbone)
        for name in objective or (["irllrec"] if components else list(_objectives(params, on)))
        for left_out in drops
        if named or name == TEXT_FREE or not is_simple(under)
    ]
    keys = ensure_cells(layout, requests)
    _tell("added", [key for key in keys if key not in params.cells], "every one of them was in the grid")


@app.command("remove")
@writes
def remove(
    cells: Annotated[list[str] | None, typer.Argument(metavar="CELL...", help="Keys of cells.")] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            "--dataset",
            "-d",
            help="Remove a data set with all its cells; may be repeated. Of a generated one only the cells go.",
        ),
    ] = None,
) -> None:
    """Remove cells, or whole data sets, with their runs; DVC's cache keeps these until `dvc gc`.

    Example: repro grid remove demo-lightgcn-irllrec-no-text
    """
    from repro import grid
    from repro.errors import ReproError
    from repro.layout import Layout

    if not cells and not dataset:
        raise ReproError("nothing is named: give keys of cells (`repro grid show` lists them) or --dataset.")
    layout = Layout.find()
    if cells:
        grid.remove(layout, cells)
    gone = list(cells or ())
    for name in dataset or ():
        is_gone = grid.remove_dataset(layout, name)
        gone.append(name if is_gone else f"all cells of {name}, which the pipeline makes and keeps itself")
    _tell("removed", gone, "nothing")


@app.command("use")
@writes
def use(
    settings: Annotated[
        str,
        typer.Argument(
            help="`paper`: the published hyper-parameters; `default`: those of params.yaml for all cells."
        ),
    ],
    dataset: DatasetOption = None,
    like: Annotated[
        str | None,
        typer.Option("--like", help="With paper: take what was published for this data set."),
    ] = None,
) -> None:
    """Give the cells of the grid published or default hyper-parameters.

    Cells for which nothing was published stay as they are, and are named. What makes a cell a variation,
    such as a dropped component or another fidelity, stays. `repro sweep` is the third way: it tunes.

    Example: repro grid use paper --dataset amazon

    Example: repro grid use paper --dataset shop --like yelp

    Example: repro grid use default --dataset amazon
    """
    from repro.errors import ReproError
    from repro.layout import Layout
    from repro.params import load_params
    from repro.presets import use_default, use_published

    if settings not in ("paper", "default"):
        raise ReproError(f"there are no settings {settings!r}: choose paper or default.")
    if settings == "default" and like is not None:
        raise ReproError("--like says whose published settings to take: use it with `repro grid use paper`.")
    layout = Layout.find()
    known = load_params(layout.params).datasets
    for name in dataset or ():
        if name not in known:
            raise ReproError(f"{layout.params}: no data set {name!r} ({', '.join(known)}).")
    if settings == "default":
        _tell("default settings", use_default(layout, dataset or ()).changed, "no such cells are in the grid")
        return
    preset = use_published(layout, dataset or (), like=like)
    label = "published settings" if like is None else f"settings published for {like}"
    _tell(label, preset.changed, "nothing was published for these cells")
    if preset.left and preset.changed:
        _tell("left as they were, since nothing was published for them", preset.left, "")


def grid_table(params: Params, cells: Mapping[str, Cell], stale: Sequence[str] | None) -> Table:
    """Return the cells as a table.

    Args:
        params: Holds seeds and default settings.
        cells: The cells to show by their keys.
        stale: Stages that are out of date; None leaves the column out.
    """
    from repro.tables.model import Block, Entry, Group, Line, Table
    from repro.workload import is_stale

    columns = ["cell", "data set", "backbone", "variant", "settings", "seeds"]
    columns += ["up to date"] if stale is not None else []
    records = []
    for key, cell in cells.items():
        values: list[str | int] = [key, cell.dataset, cell.backbone, cell.variant, cell.settings]
        values.append(len(params.datasets[cell.dataset].seeds))
        if stale is not None:
            behind = any(is_stale(f"{stage}@{key}", stale) for stage in ("train", "evaluate"))
            values.append("no" if behind else "yes")
        records.append(dict(zip(columns, values, strict=True)))
    lines = tuple(Line(tuple(Entry(str(value)) for value in record.values())) for record in records)
    return Table(
        title="The grid",
        columns=tuple(columns),
        label_count=4,
        blocks=(Block("", (Group("", lines),)),),
        notes=(f"{len(lines)} cells; `dvc repro` brings all of them up to date.",),
        records=tuple(records),
    )


def _objectives(params: Params, dataset: str) -> Sequence[str]:
    known = params.datasets.get(dataset)
    return ["base"] if known is not None and known.text is None else list(params.objectives)


def _tell(done: str, names: Sequence[str], nothing: str) -> None:
    print(f"{done}: {', '.join(names) if names else nothing}", file=sys.stderr)
