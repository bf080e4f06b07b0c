"""Stage prepare: raw data and the split of params.yaml become the prepared data set."""

from __future__ import annotations

from irllrec.data.cards import card_markdown, make_card
from irllrec.data.preparing import prepare, write_prepared
from irllrec.data.raw import atomic_folder, read_manifest
from irllrec.data.storage import write_json, write_text
from repro.errors import ReproError
from repro.layout import Layout
from repro.params import load_params
from repro.stages.entry import read_name, run


def main(argv: list[str]) -> None:
    """Make ``data/prepared/NAME`` whole or not at all."""
    prepare_dataset(Layout.find(), read_name(argv, "prepare", "a data set of params.yaml"))


def prepare_dataset(layout: Layout, name: str) -> None:
    """Write the prepared folder of one data set, its card included.

    Raises:
        ReproError: If params.yaml has no such data set.
        DataError: If its raw data are missing or cannot be split as asked.
    """
    datasets = load_params(layout.params).datasets
    if name not in datasets:
        raise ReproError(
            f"{layout.params} has no data set {name!r} under `datasets`, it has {', '.join(datasets)}: add "
            "it with `repro data fetch` or `repro data import`."
        )
    split = datasets[name].split
    raw = layout.raw(name)
    data = prepare(raw, split.how, split.ratio, split.seed)
    settings = {"how": split.how, "ratio": list(split.ratio), "seed": split.seed}
    manifest = {
        "name": name,
        "origin": datasets[name].origin,
        "split": settings,
        "raw_files": read_manifest(raw)["files"],
    }
    with atomic_folder(layout.prepared(name), replace=True) as folder:
        write_prepared(folder, data, manifest)
        card = make_card(folder)
        write_json(folder / "card.json", card)
        write_text(folder / "card.md", card_markdown(card))


if __name__ == "__main__":
    run(main)
