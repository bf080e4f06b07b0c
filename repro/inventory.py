"""Which data sets there are, and the state of each on this machine."""

from __future__ import annotations

from irllrec.data.raw import altered_file, read_manifest
from repro.layout import Layout
from repro.params import Split, load_params
from repro.sources import load_sources


def inventory(layout: Layout) -> tuple[list[tuple[str, ...]], list[str]]:
    """Return a row for every known data set, and notes on sources and licences.

    A row: name, source, size of its files, whether it is here (``verified`` means that every raw
    file still has the hash of the manifest) and has text, whether it is in the grid, what it is.
    """
    sources = load_sources(layout.sources)
    datasets = load_params(layout.params).datasets
    rows: list[tuple[str, ...]] = []
    for name, published in sources.datasets.items():
        sizes = [file.bytes for file in published.files.by_split().values()]
        total = f"{sum(size or 0 for size in sizes) / 1e6:.1f} MB" + (" and more" if None in sizes else "")
        grid = "yes" if name in datasets else "no"
        rows.append((name, published.source, total, _state(layout, name), grid, published.title))
    for name, dataset in datasets.items():
        if name not in sources.datasets:
            rows.append(
                (name, dataset.origin, "", _state(layout, name), "yes", _origin_words(dataset.origin))
            )
    notes = [
        f"{name}: {archive.title}; {sources.sources[archive.source].url}/{archive.file.name}, "
        f"{archive.size / 1e6:.0f} MB; `repro data fetch NAME --text` takes only the part of "
        f"{', '.join(archive.datasets)} that is asked for; size pinned, hashes recorded at first fetch."
        for name, archive in sources.archives.items()
    ]
    for name, source in sources.sources.items():
        notes.append(f"{name}: {source.title}. Licence: {source.licence}.")
    return rows, notes


def _origin_words(origin: str) -> str:
    return "embedded, with planted intents" if origin == "generated" else "your own files"


def _state(layout: Layout, name: str) -> str:
    state = raw_state(layout, name)
    if state == "verified" and read_manifest(layout.raw(name))["counts"]["texts"]:
        return f"{state}, with text"
    return state


def raw_state(layout: Layout, name: str) -> str:
    """Return whether the raw data are there and are still what their manifest says."""
    raw = layout.raw(name)
    if not (raw / "manifest.json").is_file():
        partial = raw.parent / f".{name}.partial"
        return "part of a download" if partial.is_dir() else "no"
    return "verified" if altered_file(raw, read_manifest(raw)) is None else "changed"


def is_prepared(layout: Layout, name: str, split: Split) -> bool:
    """Return whether the prepared data set was made from the present raw data and this split."""
    prepared, raw = layout.prepared(name) / "manifest.json", layout.raw(name) / "manifest.json"
    if not prepared.is_file() or not raw.is_file():
        return False
    made = read_manifest(prepared.parent)
    settings = {"how": split.how, "ratio": list(split.ratio), "seed": split.seed}
    return made.get("raw_files") == read_manifest(raw.parent)["files"] and made.get("split") == settings
