"""The raw data: what is there, and whether it still is what its manifest says."""

from __future__ import annotations

from collections.abc import Iterator

from irllrec.data.raw import read_manifest
from irllrec.errors import DataError
from repro.diagnosis.findings import Finding, problem
from repro.layout import Layout
from repro.params import Params
from repro.provenance import sha256_of_file


def data(layout: Layout, params: Params, *, quick: bool) -> Iterator[Finding]:
    """Yield one finding for each data set of the grid.

    Args:
        layout: The checkout.
        params: Its grid.
        quick: Look only whether files are there, and hash none.
    """
    for name, dataset in params.datasets.items():
        folder = layout.raw(name)
        if not folder.is_dir():
            if dataset.origin == "generated":
                yield Finding(name, "not generated yet", "dvc repro (the pipeline makes it)")
            else:
                fetch = f"repro data fetch {name}"
                bring = f"repro data import {name} --interactions FILE"
                yield problem(name, "missing", fetch if dataset.origin == "fetched" else bring)
            continue
        wrong = [] if quick else altered_files(layout, name)
        again = "dvc repro" if dataset.origin == "generated" else f"dvc checkout data/raw/{name}.dvc"
        if wrong:
            yield problem(name, f"altered or unreadable: {', '.join(wrong)}", again)
        else:
            yield Finding(name, "present" if quick else "present, hashes agree with its manifest")


def altered_files(layout: Layout, name: str) -> list[str]:
    """Return the files of a raw data set whose hash is not that of its manifest."""
    folder = layout.raw(name)
    try:
        files = read_manifest(folder)["files"]
    except (DataError, KeyError):
        return ["manifest.json"]
    wrong = []
    for file, recorded in files.items():
        digest = recorded["sha256"] if isinstance(recorded, dict) else recorded
        if not (folder / file).is_file() or sha256_of_file(folder / file) != digest:
            wrong.append(file)
    return wrong
