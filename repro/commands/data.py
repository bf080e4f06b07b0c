"""``repro data``: where data come from, what they are, and whether their split holds."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from repro.checkout_lock import writes
from repro.commands.resplit import resplit
from repro.commands.selection import FormatOption, check_format, print_table
from repro.remarks import remark

if TYPE_CHECKING:
    from repro.layout import Layout

app = typer.Typer(no_args_is_help=True, help="Fetch, import, describe and audit data sets.")
app.command("resplit")(resplit)

ReplaceOption = Annotated[
    bool, typer.Option("--replace", help="Put the new data in the place of a data set of this name.")
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A data set of params.yaml.")]


@app.command("list")
def list_(format: FormatOption = "rich") -> None:
    """Print every known data set: its source, whether it is here, verified and in the grid.

    Example: repro data list
    """
    from repro.inventory import inventory
    from repro.layout import Layout
    from repro.tables.listing import listing

    check_format(format)
    rows, notes = inventory(Layout.find())
    columns = ("dataset", "source", "files", "here", "in the grid", "what")
    print_table(listing("Data sets and their sources", columns, rows, notes), format)


@app.command("fetch")
@writes
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="amazon, yelp, steam or movie.")],
    mirror: Annotated[
        str | None,
        typer.Option("--from", help="Mirror folder or URL laid out <source>/<dataset>/<file>."),
    ] = None,
    text: Annotated[bool, typer.Option("--text", help="Also the published profiles and vectors.")] = False,
    replace: ReplaceOption = False,
) -> None:
    """Download a published split, check its size and hashes, and put it into the grid.

    An interrupted download goes on where it stopped. Nothing is opened before it is verified. --text
    (amazon, yelp, steam) downloads the data set's own part of a large archive and adds it to matrices
    that are here already; a mirror has archive/data.zip, or archive/<dataset>/ unpacked.

    Example: repro data fetch amazon --text --from ~/mirror
    """
    from repro.fetching import fetch as fetch_files
    from repro.fetching import grid_entry, takes_published
    from repro.importing import check_name
    from repro.layout import Layout
    from repro.params import load_params
    from repro.printing import printable
    from repro.unfinished import placing

    layout = Layout.find()
    check_name(name)
    _check_replaceable(layout, name)
    with placing(layout, name) as earlier:
        fetched = fetch_files(layout, name, mirror, text=text, replace=replace, earlier=earlier)
        params = load_params(layout.params)
        entry, published = grid_entry(params, name, fetched), takes_published(params, name, fetched)
        cells = _join_grid(layout, name, entry, published=published)
    print(printable("\n".join(fetched.lines)))
    for sentence in fetched.remarks:
        remark(sentence)
    _print_next(layout, name, cells)


@app.command("import")
@writes
def import_(
    name: Annotated[str, typer.Argument(metavar="NAME", help="How to call it: a-z, 0-9 and hyphens.")],
    interactions: Annotated[
        Path, typer.Option("--interactions", help="csv, tsv, parquet or RecBole .inter file.")
    ],
    user_text: Annotated[
        Path | None, typer.Option("--user-text", help="Texts of users: JSONL, RecBole .user, csv.")
    ] = None,
    item_text: Annotated[
        Path | None, typer.Option("--item-text", help="Texts of items: JSONL, RecBole .item, csv.")
    ] = None,
    vectors: Annotated[
        Path | None, typer.Option("--vectors", help="npz with user_id, user, item_id, item: a row a node.")
    ] = None,
    user_vectors: Annotated[
        Path | None, typer.Option("--user-vectors", help="npz with user_id and user only.")
    ] = None,
    item_vectors: Annotated[
        Path | None, typer.Option("--item-vectors", help="npz with item_id and item only.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option("--split", help="given, ratio or time. Default: given if there is a split column."),
    ] = None,
    ratio: Annotated[str, typer.Option("--ratio", help="train:valid:test shares.")] = "3:1:1",
    split_seed: Annotated[int, typer.Option("--split-seed", help="Seed of a drawn split.")] = 2023,
    rating_min: Annotated[
        float | None, typer.Option("--rating-min", help="Least rating that counts as an interaction.")
    ] = None,
    seeds: Annotated[str, typer.Option("--seeds", help="Seeds of the runs, with commas.")] = (
        "2023,2024,2025,2026,2027"
    ),
    user_column: Annotated[str, typer.Option("--user-column", help="Column of users.")] = "user_id",
    item_column: Annotated[str, typer.Option("--item-column", help="Column of items.")] = "item_id",
    split_column: Annotated[
        str, typer.Option("--split-column", help="Column of train, valid, test.")
    ] = "split",
    timestamp_column: Annotated[
        str, typer.Option("--timestamp-column", help="Column of time, any unit.")
    ] = "timestamp",
    rating_column: Annotated[str, typer.Option("--rating-column", help="Column of ratings.")] = "rating",
    skip_unknown: Annotated[
        bool,
        typer.Option("--skip-unknown", help="Leave out texts and vectors of nodes without interactions."),
    ] = False,
    replace: ReplaceOption = False,
) -> None:
    """Bring your own interactions, with texts or text vectors if there are some, into the grid.

    JSONL text has one object a line: user_id or item_id, and any of title, profile (a ready
    summary), text, description, tags, genres, and reviews (objects with text and the id of the
    other side). A drawn split is made per user; a split by time cuts at two moments for all.

    Example: repro data import shop --interactions clicks.csv --item-text items.jsonl --split ratio
    """
    from irllrec.data.tables import ColumnNames
    from repro.commands.import_options import parse_ratio, parse_seeds
    from repro.importing import ImportRequest, check_name, import_dataset
    from repro.layout import Layout
    from repro.unfinished import placing

    check_name(name)
    layout = Layout.find()
    _check_replaceable(layout, name)
    request = ImportRequest(
        name=name,
        interactions=interactions,
        columns=ColumnNames(user_column, item_column, split_column, timestamp_column, rating_column),
        user_text=user_text,
        item_text=item_text,
        vectors=vectors,
        user_vectors=user_vectors,
        item_vectors=item_vectors,
        how=split,
        ratio=parse_ratio(ratio),
        split_seed=split_seed,
        rating_min=rating_min,
        seeds=parse_seeds(seeds),
        skip_unknown=skip_unknown,
        replace=replace,
    )
    with placing(layout, name) as earlier:
        imported = import_dataset(layout, dataclasses.replace(request, replace=replace or earlier.placed))
        cells = _join_grid(layout, name, imported.entry)
    for sentence in imported.remarks:
        remark(sentence)
    _print_next(layout, name, cells)


@app.command("card")
def card(name: NameArgument, format: FormatOption = "rich") -> None:
    """Print sizes, density, degree quantiles, cold and duplicate counts, the reach of the text and its audit.

    Example: repro data card demo --format md
    """
    import json

    from irllrec.data.cards import card_rows
    from irllrec.data.storage import read_json
    from repro.layout import Layout
    from repro.params import load_params
    from repro.tables.listing import listing
    from repro.text_audits import audit_rows, stored_audits

    layout = Layout.find()
    check_format(format)
    _bring_up_to_date(layout, name)
    content = read_json(layout.prepared(name) / "card.json")
    audits = stored_audits(layout, load_params(layout.params), name)
    if format == "json":
        json.dump(
            {**content, "text_audits": audits}, sys.stdout, indent=2, sort_keys=True, ensure_ascii=False
        )
        sys.stdout.write("\n")
        return
    rows = card_rows(content) + audit_rows(audits)
    print_table(listing(f"Data set {name}", ("what", "value"), rows), format)


@app.command("audit")
def audit(name: NameArgument, format: FormatOption = "rich") -> None:
    """Prove the split: disjoint parts, valid indices, training items, reviews, file hashes.

    Exits with 1 if a check fails. What is only reported, such as items unseen in training, is no
    failure.

    Example: repro data audit demo
    """
    from irllrec.data.auditing import FAILED
    from irllrec.data.auditing import audit as run_audit
    from repro.errors import ReproError
    from repro.layout import Layout
    from repro.tables.listing import listing

    layout = Layout.find()
    check_format(format)
    _bring_up_to_date(layout, name, missing_only=True)
    checks = run_audit(layout.raw(name), layout.prepared(name))
    rows = [(check.name, check.outcome, check.detail) for check in checks]
    print_table(listing(f"Audit of {name}", ("check", "outcome", "detail"), rows), format)
    failed = [check for check in checks if check.outcome == FAILED]
    if failed:
        sys.stdout.flush()
        raise ReproError(
            f"{name}: {len(failed)} of {len(checks)} checks failed, first: {failed[0].name} "
            f"({failed[0].detail}): make it again with `dvc repro --force prepare@{name}`, or fetch or "
            "import it again with --replace."
        )


def _check_replaceable(layout: Layout, name: str) -> None:
    """Refuse the name of an embedded data set: the pipeline would overwrite it."""
    from repro.errors import ReproError
    from repro.params import load_params

    if name in load_params(layout.params).generated:
        raise ReproError(f"{name} is the embedded data set of params.yaml: choose another name.")


def _join_grid(layout: Layout, name: str, entry: dict[str, Any], *, published: bool = False) -> list[str]:
    """Pin the raw data, enter the data set into params.yaml and return the keys of its cells."""
    from repro.engine import pin
    from repro.grid import add_dataset

    pin(layout, layout.raw(name))
    return add_dataset(layout, name, entry, published=published)


def _print_next(layout: Layout, name: str, cells: list[str]) -> None:
    from irllrec.data.raw import read_manifest

    counts = read_manifest(layout.raw(name))["counts"]
    print(
        f"{name}: {counts['users']:,} users, {counts['items']:,} items, {counts['interactions']:,} "
        f"interactions, {counts['texts']:,} texts; in the grid: {', '.join(cells)}."
    )
    remark(f"Next: repro data audit {name}, or repro table main --dataset {name}")


def _bring_up_to_date(layout: Layout, name: str, missing_only: bool = False) -> None:
    """Make the prepared data set through DVC where it is missing or stale.

    ``missing_only`` leaves one alone that was made from these raw data and settings: an audit must
    see the files as they are.
    """
    from repro.engine import reproduce, stale_stages
    from repro.errors import ReproError
    from repro.inventory import is_prepared
    from repro.params import load_params

    datasets = load_params(layout.params).datasets
    if name not in datasets:
        raise ReproError(
            f"{layout.params} has no data set {name!r}, it has {', '.join(datasets)}: add it with `repro "
            "data fetch` or `repro data import`."
        )
    if datasets[name].origin != "generated" and not layout.raw(name).is_dir():
        verb = "fetch" if datasets[name].origin == "fetched" else "import"
        raise ReproError(f"{layout.raw(name)} is missing: run `repro data {verb} {name}` or `dvc pull`.")
    if missing_only and is_prepared(layout, name, datasets[name].split):
        return
    stage = f"prepare@{name}"
    if stale_stages(layout, [stage]):
        remark(f"Preparing {name} through DVC")
        reproduce(layout, [stage])
