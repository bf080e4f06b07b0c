"""``repro figures``: the plots of a paper, each with alt text, caption and the numbers drawn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repro.checkout_lock import writes
from repro.commands.selection import (
    BackboneOption,
    DatasetOption,
    NoRunOption,
    check_format,
    print_table,
    split_list,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from repro.layout import Layout
    from repro.params import Params


@writes
def figures(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="comparison, training, ablation, gains, embeddings, case, sparsity, noise, sensitivity or "
            "protocol. Default: all.",
            show_default=False,
        ),
    ] = None,
    *,
    dataset: DatasetOption = None,
    backbone: BackboneOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder to write to. Default: results/figures/DATASET."),
    ] = None,
    image: Annotated[
        list[str] | None,
        typer.Option("--format", help="png, pdf or svg, with commas or repeated. Default: png,pdf."),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option("--user", help="Id of the user of the case study. Default: chosen by a rule."),
    ] = None,
    list_format: Annotated[
        str, typer.Option("--list-format", help="Of the printed list: rich, md, latex, csv or json.")
    ] = "rich",
    no_run: NoRunOption = False,
) -> None:
    """Draw the figures of data sets: training, comparison, ablation, gains, embeddings, a case.

    Each is written as PNG and PDF, readable in one column, in grey and without colour vision, with its
    numbers as CSV beside it and a page figures.md with alt text, caption and command. What cannot be
    drawn is listed with the reason.

    Example: repro figures --dataset demo

    Example: repro figures embeddings case --dataset demo --backbone lightgcn --format svg
    """
    from repro.figures_catalogue import check_kinds, figures_of
    from repro.figures_page import check_forms, figures_table, write_figures
    from repro.layout import Layout
    from repro.params import load_params

    check_format(list_format)
    forms = check_forms(split_list(image) or ["png", "pdf"])
    kinds = check_kinds(split_list(names))
    layout = Layout.find()
    params = load_params(layout.params)
    datasets, backbones = _datasets(params, split_list(dataset), user), split_list(backbone)
    if not no_run:
        _bring_up_to_date(layout, params, datasets, backbones, kinds)
    written, absences, folders = [], [], []
    for name in datasets:
        folder = layout.results / "figures" / name
        if out is not None:
            folder = out / name if len(datasets) > 1 else out
        drawn, absent = figures_of(layout, params, name, backbones, kinds=kinds, user=user)
        written += write_figures(drawn, absent, folder, forms, name)
        absences += absent
        folders.append(folder)
    print_table(figures_table(written, absences, folders), list_format)


def _datasets(params: Params, named: Sequence[str], user: str | None) -> list[str]:
    """Return the data sets to draw, by default those that have cells.

    Raises:
        ReproError: If one is unknown, or a user is named for several.
    """
    from repro.errors import ReproError

    for name in named:
        if name not in params.datasets:
            raise ReproError(
                f"There is no data set {name!r} in params.yaml: choose {', '.join(params.datasets)}."
            )
    chosen = list(dict.fromkeys(named or (cell.dataset for cell in params.cells.values())))
    if user is not None and len(chosen) != 1:
        raise ReproError(f"--user {user} is of one data set: name it with --dataset.")
    return chosen


def _bring_up_to_date(
    layout: Layout,
    params: Params,
    datasets: Sequence[str],
    backbones: Sequence[str],
    kinds: Sequence[str],
) -> None:
    """Let DVC make what the figures read and is missing or stale."""
    from repro.engine import bring_up_to_date
    from repro.figures_catalogue import reads

    wanted = [
        key
        for key, cell in params.cells.items()
        if cell.dataset in datasets and (not backbones or cell.backbone in backbones) and reads(cell, kinds)
    ]
    if wanted:
        bring_up_to_date(layout, wanted)
