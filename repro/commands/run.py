"""``repro run``: cells of the grid on several processes or machines, entered into DVC as if it had run them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from repro.commands.selection import (
    BackboneOption,
    DatasetOption,
    FormatOption,
    check_format,
    print_table,
    split_list,
)
from repro.printing import one_line
from repro.remarks import remark

if TYPE_CHECKING:
    from repro.layout import Layout
    from repro.params import Params
    from repro.running.planning import Selection
    from repro.running.session import Wish


def run(
    cells: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CELL]...", help="Keys of cells, or dataset/backbone/variant. Default: the whole grid."
        ),
    ] = None,
    *,
    dataset: DatasetOption = None,
    backbone: BackboneOption = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(
            "--objective", "-o", help="Objective, with its variations; may be repeated. Default: all."
        ),
    ] = None,
    engine: Annotated[
        str, typer.Option("--engine", help="local (processes of this machine) or ray (a Ray cluster).")
    ] = "local",
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", min=1, help="Cells trained at once. Default: one a core, as memory allows."
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            min=1,
            help="Threads of each, and seeds it trains side by side. Default: cores divided by jobs; on Ray 1.",
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option("--address", help="Of a Ray cluster: HOST:PORT or auto. Default: Ray on this machine."),
    ] = None,
    ship: Annotated[
        bool,
        typer.Option(
            "--ship",
            help="Send code and data to the workers even where they see this folder, as on a slow network disk.",
        ),
    ] = False,
    no_run: Annotated[
        bool, typer.Option("--no-run", help="Only print what would run; train nothing.")
    ] = False,
    format: FormatOption = "rich",
) -> None:
    """Train and evaluate cells side by side, on this machine or on a cluster.

    What cells share is made first. Each finished cell is checked and entered into DVC's cache and lock
    as `dvc repro` would have done, which has nothing left to do then. A worker that dies is replaced, a
    cell that fails does not stop the others, and after Ctrl-C finished cells are kept. See docs/scale.md.

    Example: repro run --jobs 4

    Example: repro run --dataset amazon --objective irllrec --engine ray --address auto --jobs 16
    """
    from repro.errors import ReproError
    from repro.layout import Layout
    from repro.params import load_params
    from repro.running.engines import ENGINES, require_ray
    from repro.running.planning import select
    from repro.running.session import Wish, run_grid

    layout = Layout.find()
    params = load_params(layout.params)
    check_format(format)
    if engine not in ENGINES:
        raise ReproError(f"there is no engine {engine!r}: choose {' or '.join(ENGINES)}.")
    if engine == "ray":
        require_ray()
    elif address is not None:
        raise ReproError("--address names a Ray cluster: add --engine ray, or leave it out.")
    if address is not None and jobs is None:
        raise ReproError(f"--address {address}: say with --jobs how many cells the cluster trains at once.")
    given = (split_list(names) for names in (cells, dataset, backbone, objective))
    selection = select(params, *given)
    wish = Wish(engine, jobs, threads, address, ship)
    if no_run:
        _print_plan(layout, params, selection, wish, format)
        return
    outcome = run_grid(layout, params, selection, wish, remark)
    for sentence in outcome.failed.values():
        print(one_line(sentence), file=sys.stderr)
    if outcome.code:
        raise typer.Exit(outcome.code)


def _print_plan(layout: Layout, params: Params, selection: Selection, wish: Wish, form: str) -> None:
    from repro.durations import spoken
    from repro.running.session import announcement, plan_grid
    from repro.tables.listing import listing

    order, pace, first = plan_grid(layout, params, selection, wish)
    rows = []
    for key, names in order.steps.items():
        seconds = pace.of(key)
        steps = ", ".join(name.partition("@")[0] for name in names)
        rows.append((key, steps, "–" if seconds is None else spoken(seconds)))
    notes = [announcement(order, pace)] if rows else ["Every cell is up to date."]
    notes += [f"First, through DVC: {', '.join(first)}."] * bool(first)
    if first:
        notes.append("Cells that read those may be out of date as well, which shows when they are made.")
    title = f"What `repro run` would do: {len(rows)} of {len(selection.keys)} cells"
    print_table(listing(title, ("cell", "stages", "on one worker"), rows, notes), form)
