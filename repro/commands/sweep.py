"""``repro sweep``: tune settings on the validation split, with equal budgets and a ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repro.checkout_lock import writes
from repro.commands.selection import FormatOption, check_format, print_table
from repro.remarks import remark

if TYPE_CHECKING:
    from repro.grid import CellRequest
    from repro.layout import Layout
    from repro.params import Params
    from repro.tuning.ledger import Trial
    from repro.tuning.search import Search


@writes
def sweep(
    *,
    dataset: Annotated[
        list[str] | None, typer.Option("--dataset", "-d", help="Data set to tune on; may be repeated.")
    ] = None,
    backbone: Annotated[
        list[str] | None, typer.Option("--backbone", "-b", help="Backbone to tune; may be repeated.")
    ] = None,
    objective: Annotated[
        list[str] | None, typer.Option("--objective", "-o", help="Objective to tune; may be repeated.")
    ] = None,
    all_of: Annotated[
        str | None,
        typer.Option("--all-of", help="Tune every backbone and objective that the grid has for a data set."),
    ] = None,
    trials: Annotated[
        int, typer.Option("--trials", min=1, help="Trials for each method, the same for all.")
    ] = 20,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Seed of the training and of the search.")
    ] = 2023,
    space: Annotated[
        Path | None, typer.Option("--space", help="Search spaces. Default: data/search_spaces.yaml.")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Search a setting between other values: kd_weight=0.001..0.1,log or layers=1|3."
        ),
    ] = None,
    format: FormatOption = "rich",
) -> None:
    """Tune methods on the validation split and put the best settings into the grid.

    Each trial trains one seed; the test split cannot be read meanwhile. Every trial is recorded in
    results/tuning, also those made before an interruption, after which the same command goes on.

    Example: repro sweep --dataset demo --backbone lightgcn --objective irllrec --trials 20

    Example: repro sweep --all-of demo

    Example: repro sweep -d demo -b lightgcn -o irllrec --set pair_weight=0.001..0.1,log
    """
    from repro.engine import bring_inputs_up_to_date
    from repro.held_out import forbid_test
    from repro.layout import Layout
    from repro.params import load_params
    from repro.tuning.overview import tuning_table
    from repro.tuning.search import trial_cell

    layout = Layout.find()
    params = load_params(layout.params)
    check_format(format)
    requests = _requests(params, dataset, backbone, objective, all_of)
    searches = _searches(layout, params, requests, space, change or (), trials, seed)
    cells = {search.request.key: trial_cell(params, search.request, {}) for search in searches}
    bring_inputs_up_to_date(layout, params, cells)
    forbid_test(layout)
    ledgers = {}
    for number, search in enumerate(searches):
        found = _run(layout, params, search, f"method {number + 1} of {len(searches)}" * (len(searches) > 1))
        request = search.request
        ledgers[f"{request.dataset}/{request.backbone}/{request.objective}"] = found
    budget = (
        f"Each method was given {trials} trial{'s' * (trials != 1)}, whatever the size of its search space."
    )
    print_table(tuning_table(ledgers, [budget]), format)


def _requests(
    params: Params,
    datasets: list[str] | None,
    backbones: list[str] | None,
    objectives: list[str] | None,
    all_of: str | None,
) -> list[CellRequest]:
    """Return the plain cells to tune, checked, those that choose for themselves refused."""
    from irllrec.recommender import is_simple
    from repro.cell_requests import checked
    from repro.errors import ReproError
    from repro.grid import CellRequest

    if all_of is not None:
        if datasets or backbones or objectives:
            raise ReproError("--all-of names everything to tune: leave out the other names.")
        cells = [cell for cell in params.cells.values() if cell.dataset == all_of]
        methods = dict.fromkeys((cell.backbone, cell.objective) for cell in cells)
        requests = [CellRequest(all_of, *method) for method in methods if not is_simple(method[0])]
        if not requests:
            raise ReproError(f"the grid has no cell of {all_of!r} to tune: add one with `repro grid add`.")
        return [checked(params, request) for request in requests]
    if not (datasets and backbones and objectives):
        raise ReproError("name what to tune with --dataset, --backbone and --objective, or with --all-of.")
    requests = [
        checked(params, CellRequest(on, under, name))
        for on in datasets
        for under in backbones
        for name in objectives
    ]
    for request in requests:
        if is_simple(request.backbone):
            raise ReproError(
                f"{request.backbone} is a simple baseline, which chooses among its candidates in params.yaml "
                "on the validation split by itself whenever it is trained: there is nothing to sweep."
            )
    return requests


def _searches(
    layout: Layout,
    params: Params,
    requests: Sequence[CellRequest],
    file: Path | None,
    changes: Sequence[str],
    trials: int,
    seed: int,
) -> list[Search]:
    from repro.tuning.search import Search, searchable
    from repro.tuning.spaces import parse_dimension, read_spaces, space_of, with_dimensions

    spaces = read_spaces(file or layout.search_spaces)
    given = [parse_dimension(text) for text in changes]
    searches = []
    for request in requests:
        method = (request.backbone, request.objective)
        wanted = with_dimensions(space_of(spaces, *method), given, params, *method)
        free, fixed = searchable(params, request, wanted)
        if fixed:
            remark(f"{request.key}: the released code, which it follows, sets {', '.join(fixed)} itself.")
        searches.append(Search(request, free, trials, seed))
    return searches


def _run(layout: Layout, params: Params, search: Search, place: str) -> list[Trial]:
    """Return the trials of one search, after telling of each, and put the best into the grid."""
    from repro.errors import ReproError
    from repro.grid import ensure_cells
    from repro.presets import use_tuned
    from repro.tuning.ledger import chosen
    from repro.tuning.search import run_search
    from repro.tuning.spaces import override_of

    request = search.request
    remark(f"Tuning {request.key}: {search.trial_count} trials, one seed each{', ' * bool(place)}{place}.")
    trials = run_search(layout, params, search, _teller(search))
    best = chosen(trials)
    if best is None:
        raise ReproError(
            f"{request.key}: the loss of every trial became infinite or not a number: search smaller weights "
            "or learning rates with --set or --space."
        )
    ensure_cells(layout, [request])
    keys = use_tuned(layout, request, override_of(best.settings), len(trials))
    remark(f"Trial {best.number} was chosen; its settings are now those of {', '.join(keys)}.")
    return trials


def _teller(search: Search) -> Callable[[Trial, Sequence[Trial]], None]:
    """Return what tells of a finished trial, and of the time that is left at the pace so far."""
    from repro.durations import spoken
    from repro.tuning.ledger import chosen

    started, made = time.monotonic(), 0

    def tell(trial: Trial, trials: Sequence[Trial]) -> None:
        nonlocal made
        made += 1
        left = (time.monotonic() - started) / made * (search.trial_count - len(trials))
        best = chosen(trials)
        value = "failed" if trial.best_validation is None else f"{trial.metric} {trial.best_validation:.4f}"
        lead = "" if best is None else f" (best {best.best_validation:.4f}, trial {best.number})"
        rest = f"about {spoken(left)} left" if len(trials) < search.trial_count else "all done"
        remark(f"trial {trial.number}: {value}{lead}; {len(trials)} of {search.trial_count}, {rest}")

    return tell
