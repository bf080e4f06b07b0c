"""``repro noise``: what is lost when training interactions or texts are polluted, and who loses less?"""

from __future__ import annotations

from typing import Annotated

import typer

from repro.commands.selection import (
    BackboneOption,
    CorrectionOption,
    FigureOption,
    FolderOption,
    FormatOption,
    MetricsOption,
    NoRunOption,
    bring_up_to_date,
    draw,
    grid_places,
    print_tables,
    read_options,
    split_list,
)

USUAL = {"clicks": ("base", "irllrec"), "text": ("rlmrec-con", "irllrec")}
"""Variants that are compared unless others are named; base reads no text."""


def noise(
    *,
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Data set.")],
    backbone: BackboneOption = None,
    kind: Annotated[
        str,
        typer.Option(
            "--kind",
            help="clicks (fake training interactions) or text (nodes that have another node's text vectors).",
        ),
    ] = "clicks",
    share: Annotated[
        list[str] | None,
        typer.Option("--share", help="Shares in per cent, 1 to 100. Default: 5,10,15,20,25."),
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            "--variant",
            help="Variant to pollute, such as irllrec-no-tran; may be repeated. Default: base and irllrec, with "
            "text noise rlmrec-con and irllrec.",
        ),
    ] = None,
    metrics: MetricsOption = None,
    figure: FigureOption = False,
    folder: FolderOption = None,
    correction: CorrectionOption = None,
    format: FormatOption = "rich",
    no_run: NoRunOption = False,
) -> None:
    """Train variants on polluted data: what each loses, and whether irllrec loses less.

    Every variant and seed meets the same noise. One cell is trained for each variant and share.

    Example: repro noise --dataset demo --share 10,20 --variant irllrec --variant irllrec-no-tran --figure

    Example: repro noise --dataset demo --kind text --share 20
    """
    from repro.commands.compare import request_of
    from repro.errors import ReproError
    from repro.noise_tables import noise_tables
    from repro.robustness import KINDS, Curve, noisy_request, study

    asked = read_options(format, correction, metrics)
    if kind not in KINDS:
        raise ReproError(f"there is no kind of noise {kind!r}: choose {' or '.join(KINDS)}.")
    shares = read_shares(share)
    names = list(dict.fromkeys(split_list(variant) or USUAL[kind]))
    places = grid_places(asked.params, [dataset], backbone, composed=True)
    wanted = {
        place: [
            (clean, {percent: noisy_request(asked.params, clean, kind, percent) for percent in shares})
            for clean in dict.fromkeys(
                request_of(asked.params, f"{dataset}/{place[1]}/{name}").clean for name in names
            )
        ]
        for place in places
    }
    requests = [
        request for there in wanted.values() for clean, noisy in there for request in (clean, *noisy.values())
    ]
    params, cells = bring_up_to_date(asked.layout, requests, no_run)
    found = {cell.key: cell for cell in cells}
    studies = [
        study(
            kind,
            [
                Curve(found[clean.key], {percent: found[cell.key] for percent, cell in noisy.items()})
                for clean, noisy in there
            ],
            asked.metrics,
            params,
            asked.correction,
        )
        for there in wanted.values()
    ]
    print_tables([table for one in studies for table in noise_tables(one, params)], format)
    if figure or folder:
        from repro.noise_view import noise_figure_of

        draw((noise_figure_of(one, params) for one in studies), folder, asked.layout)


def read_shares(texts: list[str] | None) -> list[int]:
    """Return the shares of an option in ascending order, each once.

    Raises:
        ReproError: If one is no whole number from 1 to 100.
    """
    from repro.errors import ReproError
    from repro.robustness import SHARES

    given = split_list(texts)
    for text in given:
        if not text.isdigit() or not 1 <= int(text) <= 100:
            raise ReproError(f"--share {text}: give whole per cent from 1 to 100, for example 5,10,20.")
    return sorted({int(text) for text in given}) or list(SHARES)
