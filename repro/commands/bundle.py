"""``repro bundle``: one archive for reviewers, and its check on another machine."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repro.checkout_lock import writing
from repro.commands.selection import (
    DatasetOption,
    FormatOption,
    NoRunOption,
    check_format,
    print_table,
    split_list,
)
from repro.shortened import first_few
from repro.stages.entry import VERBOSITY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from repro.bundle.building import Built
    from repro.layout import Layout
    from repro.params import Params

app = typer.Typer()


@app.callback(invoke_without_command=True)
def bundle(
    context: typer.Context,
    *,
    dataset: DatasetOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The zip to write. Default: bundle-DATASETS.zip, here.")
    ] = None,
    no_run: NoRunOption = False,
) -> None:
    """Pack results, tables, settings and hashes into one zip for reviewers; `check` checks one.

    It holds per-user results, lists, every table in all formats, the report, params.yaml, dvc.lock,
    the environment and a manifest of SHA-256. Interactions and summaries are only in it where the data
    set was generated; of others there are hashes. With --no-run cells without results are left out and named.

    Example: repro bundle --dataset demo

    Example: repro bundle check bundle-demo.zip
    """
    if context.invoked_subcommand is not None:
        if dataset or out or no_run:
            from repro.errors import ReproError

            raise ReproError(
                "--dataset, --out and --no-run choose what is packed: leave them out of `bundle check`."
            )
        return
    from repro.bundle.building import build
    from repro.bundle.display import steps
    from repro.layout import Layout
    from repro.params import load_params

    layout = Layout.find()
    params = load_params(layout.params)
    keys = _keys(params, split_list(dataset))
    path = _path(out, list(dict.fromkeys(params.cells[key].dataset for key in keys)))
    with nullcontext() if no_run else writing(layout):
        stale = _bring_up_to_date(layout, params, keys, no_run=no_run)
        built = build(layout, params, keys, path, stale=stale, steps=steps)
    _tell(built)


@app.command("check")
def check_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A zip that `repro bundle` wrote.")],
    *,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="FOLDER",
            help="Prepared data that the bundle may not hold: a checkout, or its data/prepared.",
        ),
    ] = None,
    expect: Annotated[
        str | None,
        typer.Option("--expect", metavar="SHA256", help="Hash of the zip, as printed when it was made."),
    ] = None,
    format: FormatOption = "rich",
) -> None:
    """Check a bundle: every file, every per-user value, every printed digit.

    Needs the installed package only: no checkout, GPU, language model, network or training. What
    differs is named by file, table, row and column, and the command exits with 1.

    Example: repro bundle check bundle-demo.zip
    """
    import re

    from repro.bundle.checking import check
    from repro.bundle.differences import words_of
    from repro.bundle.display import steps
    from repro.bundle.findings import findings_table
    from repro.errors import ReproError

    check_format(format)
    if expect is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", expect):
        raise ReproError(f"--expect is {expect!r}: give the 64 digits that `repro bundle` printed.")
    if data is not None and not data.is_dir():
        raise ReproError(f"--data {data} is no folder: name a checkout, or its data/prepared.")
    found = check(file, data=data, expect=expect, steps=steps)
    print_table(findings_table(file.name, found), format)
    if found.differences:
        raise ReproError(f"{file} is not as it should be: {words_of(found.differences)}.")


def _keys(params: Params, named: Sequence[str]) -> list[str]:
    """Return the cells of the named data sets, by default of all."""
    from repro.errors import ReproError

    for name in named:
        if name not in params.datasets:
            raise ReproError(
                f"There is no data set {name!r} in params.yaml: choose {', '.join(params.datasets)}."
            )
    keys = [key for key, cell in params.cells.items() if not named or cell.dataset in named]
    for name in named:
        if not any(params.cells[key].dataset == name for key in keys):
            raise ReproError(
                f"the grid has no cell of {name}: add some with `repro grid add --dataset {name}`."
            )
    if not keys:
        raise ReproError("the grid in params.yaml has no cell: add one with `repro grid add`.")
    return keys


def _path(out: Path | None, datasets: Sequence[str]) -> Path:
    from repro.errors import ReproError

    path = (out or Path(f"bundle-{'-'.join(datasets[:3])}.zip")).expanduser().absolute()
    if path.is_dir():
        raise ReproError(f"--out {path} is a folder: name a file in it, for example {path / 'bundle.zip'}.")
    return path


def _bring_up_to_date(
    layout: Layout, params: Params, keys: Sequence[str], *, no_run: bool
) -> list[str] | None:
    """Make cells and tables current, or with ``no_run`` return the cells that are not; None if DVC cannot tell."""
    from repro.engine import bring_up_to_date
    from repro.errors import ReproError
    from repro.readiness import evaluated_keys, up_to_date_keys

    if not no_run:
        bring_up_to_date(layout, keys, tables=True)
        return []
    try:
        current = up_to_date_keys(layout, params, keys)
    except ReproError as error:
        print(f"DVC cannot tell what is out of date: {error}", file=sys.stderr)
        return None
    return [key for key in evaluated_keys(layout, params, keys) if key not in current]


def _tell(built: Built) -> None:
    """Print the file on stdout and what a user should know of it on stderr."""
    print(built.path)
    if os.environ.get(VERBOSITY) == "quiet":
        return
    size = f"{built.size / 1e6:.1f} MB"
    held = built.bundle
    print(
        f"{built.file_count} files, {len(held.cells)} cells, {size}. SHA-256: {built.sha256}", file=sys.stderr
    )
    for what, names in (
        ("Left out, since they have no results", held.left_out),
        ("Older than code or settings", held.stale or ()),
        ("Cleaned of paths or hosts", held.redacted),
        ("Not as dvc.lock names it", held.not_pinned),
    ):
        if names:
            print(f"{what}: {first_few(names, 5)}.", file=sys.stderr)
    print(f"Check it anywhere: repro bundle check {built.path.name} --expect {built.sha256}", file=sys.stderr)
