"""``repro verify``: our cells against the published ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from repro.commands.selection import (
    BackboneOption,
    CorrectionOption,
    DatasetOption,
    FormatOption,
    MetricsOption,
    print_table,
    read_options,
    split_list,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


def verify(
    *,
    dataset: DatasetOption = None,
    backbone: BackboneOption = None,
    metrics: MetricsOption = None,
    published_source: Annotated[
        list[str] | None,
        typer.Option(
            "--published-source",
            help="Only figures of this source, or of those whose names begin so (rlmrec); may be repeated.",
        ),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option("--tolerance", help="Distance in per cent up to which a value is the published one."),
    ] = 3.0,
    correction: CorrectionOption = None,
    format: FormatOption = "rich",
    run: Annotated[
        bool,
        typer.Option("--run/--no-run", help="First bring the cells of the grid up to date; may take hours."),
    ] = False,
) -> None:
    """Set our cells against the published ones, each with a verdict.

    Reproduced: the published value lies in our interval over seeds, or within the tolerance.
    Direction holds: it does not, and the gain over base has the published sign, significantly.
    Contradicted: the gain has the other sign, or neither value nor gain is found. Where one side
    is missing, the table says which and why. docs/protocol.md has the rule.

    Example: repro verify --dataset amazon --metric recall@20

    Example: repro verify --published-source rlmrec --format csv
    """
    from repro.analysis import read_cells
    from repro.errors import ReproError
    from repro.readiness import evaluated_keys
    from repro.tables.published import read_published
    from repro.verification import Selection, verification_table_of

    asked = read_options(format, correction, metrics)
    if not 0 <= tolerance < 100:
        raise ReproError(f"--tolerance is {tolerance:g}: give per cent from 0 to below 100.")
    published = read_published(asked.layout.published, split_list(published_source))
    selection = Selection(tuple(dataset or ()), tuple(backbone or ()))
    _check("data set", selection.datasets, {*asked.params.datasets, *(place[0] for place in published)})
    _check("backbone", selection.backbones, {*asked.params.backbones, *(place[1] for place in published)})
    wanted = [
        key
        for key, cell in asked.params.cells.items()
        if not cell.is_variation and selection.holds((cell.dataset, cell.backbone, cell.variant))
    ]
    if run:
        from repro.engine import bring_up_to_date

        bring_up_to_date(asked.layout, wanted)
    cells = read_cells(asked.layout, asked.params, evaluated_keys(asked.layout, asked.params, wanted))
    table = verification_table_of(
        cells,
        published,
        asked.metrics,
        asked.params,
        selection=selection,
        correction=asked.correction,
        tolerance=tolerance / 100,
    )
    print_table(table, format)


def _check(kind: str, names: Sequence[str], known: set[str]) -> None:
    from repro.errors import ReproError

    for name in names:
        if name not in known:
            raise ReproError(
                f"There is no {kind} {name!r}, neither in params.yaml nor among the published figures: "
                f"choose {', '.join(sorted(known))}."
            )
