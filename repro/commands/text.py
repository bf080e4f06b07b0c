"""``repro text``: summaries by a language model on Ollama – before, while and after they are made."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repro.commands.selection import FormatOption, check_format, print_table

if TYPE_CHECKING:
    from repro.layout import Layout
    from repro.params import Params

app = typer.Typer(no_args_is_help=True, help="Summaries by a language model: estimate, run, inspect, export.")

EntriesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--dataset",
        "-d",
        help="Entry under `text` in params.yaml, which is a data set or DATASET-NAME; may be repeated. "
        "Default: all that ask a language model.",
    ),
]
EntryOption = Annotated[
    str, typer.Option("--dataset", "-d", help="Entry under `text`: a data set, or DATASET-NAME.")
]


@app.command("estimate")
def estimate(dataset: EntriesOption = None, format: FormatOption = "rich") -> None:
    """Print the number of prompts, their tokens and the hours they take; nothing is asked.

    Example: repro text estimate --dataset yelp
    """
    from repro.text_work import estimate_table

    layout, params, names = _entries_to_tell(dataset, format)
    print_table(estimate_table(layout, params, names), format)


@app.command("run")
def run(dataset: EntriesOption = None) -> None:
    """Ask what has no reply yet, and keep every reply; `dvc repro` then finds them.

    It can be interrupted at any moment, killed even, and goes on behind the last reply. Replies that
    are no good are asked for again, then given up and kept with their text: `repro text status` counts
    them, `repro text retry` asks again.

    Example: repro text run --dataset yelp
    """
    _ask(dataset, retry=False)


@app.command("retry")
def retry(dataset: EntriesOption = None) -> None:
    """Ask again what was given up, with other seeds.

    Example: repro text retry --dataset yelp
    """
    _ask(dataset, retry=True)


@app.command("status")
def status(dataset: EntriesOption = None, format: FormatOption = "rich") -> None:
    """Print how far each entry is: answered, still to ask, given up, failed attempts, model and digest.

    Example: repro text status
    """
    from repro.text_work import status_table

    layout, params, names = _entries_to_tell(dataset, format)
    print_table(status_table(layout, params, names), format)


@app.command("show")
def show(
    node: Annotated[str, typer.Argument(metavar="ID", help="Id of a user, or with --item of an item.")],
    dataset: EntryOption,
    item: Annotated[bool, typer.Option("--item", help="The id is an item's.")] = False,
    prompt: Annotated[bool, typer.Option("--prompt", help="Also print the prompt.")] = False,
) -> None:
    """Print what is known of one user or item: summary, where it is from, failed attempts.

    Example: repro text show u12 --dataset demo

    Example: repro text show 1 --dataset yelp --item --prompt
    """
    from repro.printing import printable
    from repro.text_inspection import describe_node

    layout, params = _project()
    for line in describe_node(layout, params, dataset, "item" if item else "user", node, with_prompt=prompt):
        print(printable(line))


@app.command("export")
def export(
    dataset: EntryOption,
    to: Annotated[
        Path | None, typer.Option("--to", help="File to write. Default: NAME-summaries.jsonl.gz here.")
    ] = None,
) -> None:
    """Write the summaries of an entry to a compressed file, for others to replay without a server.

    The same summaries give the same bytes. To replay it, set `summarizer: pinned` and `summaries_from`
    to the file.

    Example: repro text export --dataset yelp --to yelp-summaries.jsonl.gz
    """
    from repro.text_inspection import export_summaries

    layout, params = _project()
    path = to or Path(f"{dataset}-summaries.jsonl.gz")
    header = export_summaries(layout, params, dataset, path)
    print(f"{path}: {header['records']:,} summaries, sha256 of the records {header['records_sha256']}")
    print(
        f"To replay them: text.{dataset}: {{…, summarizer: pinned, summaries_from: {path}, …}}",
        file=sys.stderr,
    )


@app.command("drift")
def drift(
    dataset: EntryOption,
    sample: Annotated[int, typer.Option("--sample", min=1, help="How many nodes to ask about again.")] = 50,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the sample.")] = 2025,
    train: Annotated[
        bool,
        typer.Option(
            "--train/--no-train", help="Also train one seed on both texts and compare the rankings."
        ),
    ] = True,
    format: FormatOption = "rich",
) -> None:
    """Ask again about a sample and print how far text, vectors and rankings move.

    The new replies are not kept. Pinned summaries can be checked so as well: give the entry a `chat`.

    Example: repro text drift --dataset yelp --sample 100
    """
    from repro.text_drift import drift_table

    check_format(format)
    layout, params = _project()
    print_table(drift_table(layout, params, dataset, sample, seed=seed, train=train), format)


def _project() -> tuple[Layout, Params]:
    from repro.layout import Layout
    from repro.params import load_params

    layout = Layout.find()
    return layout, load_params(layout.params)


def _entries_to_tell(named: list[str] | None, form: str) -> tuple[Layout, Params, list[str]]:
    """Return the project and the entries to tell of, whose data are prepared where that was never done."""
    from repro.engine import bring_prepared_up_to_date
    from repro.text_work import asking_entries

    check_format(form)
    layout, params = _project()
    names = asking_entries(params, named)
    missing = [params.text[name].dataset for name in names]
    missing = [dataset for dataset in missing if not layout.prepared(dataset).is_dir()]
    if missing:
        bring_prepared_up_to_date(layout, params, missing)
    return layout, params, names


def _ask(dataset: list[str] | None, *, retry: bool) -> None:
    from repro.engine import bring_prepared_up_to_date
    from repro.text_work import ask_entry, asking_entries

    layout, params = _project()
    names = asking_entries(params, dataset)
    bring_prepared_up_to_date(layout, params, [params.text[name].dataset for name in names])
    for name in names:
        print(ask_entry(layout, params, name, retry=retry))
