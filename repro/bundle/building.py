"""Makes a bundle: brings the files together, derives every table from these, and packs them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from irllrec.data.storage import write_json, write_text
from repro.bundle.archive import MOST_FILES, Advance, files_in, pack
from repro.bundle.contents import Chosen, bring, check_private, choose, is_included, machine_of
from repro.bundle.deriving import README, derive, raise_it, readme_of, step_count
from repro.bundle.environment import environment, own_version
from repro.bundle.manifest import write_manifest
from repro.bundle.pins import unpinned
from repro.bundle.printed import Source
from repro.bundle.record import Bundle, Contained, write_record
from repro.bundle.reporting import REPORT
from repro.layout import Layout
from repro.params import Params, load_params
from repro.provenance import commit

ENVIRONMENT = "environment.json"

Steps = Callable[[str, int], AbstractContextManager[Advance]]
"""Shows a title and a number of steps, and takes the name of each that is done."""


@dataclass(frozen=True)
class Built:
    """A finished bundle.

    Attributes:
        path: The zip.
        sha256: Of the zip.
        size: Of the zip, in bytes.
        file_count: Files in it.
        bundle: What is noted in it.
    """

    path: Path
    sha256: str
    size: int
    file_count: int
    bundle: Bundle


def build(
    layout: Layout,
    params: Params,
    keys: Sequence[str],
    out: Path,
    *,
    stale: Sequence[str] | None,
    steps: Steps,
) -> Built:
    """Write the bundle of these cells to ``out``, whole or not at all.

    Everything derived is made from the copied files alone, as a check makes it.

    Args:
        layout: The checkout.
        params: Its params.yaml.
        keys: The cells; those without results are noted as left out.
        out: The zip.
        stale: Cells whose results are older than code or settings; None where DVC cannot tell.
        steps: Shows progress.

    Raises:
        ReproError: If no cell has results, a table cannot be made, or a file tells of this machine.
        DataError: If the disk is full.
    """
    chosen = choose(layout, params, keys)
    with tempfile.TemporaryDirectory(prefix="irllrec-bundle-") as name:
        folder = Path(name).resolve()
        redacted = bring(layout, params, chosen, folder)
        bundle = _fill(layout, params, chosen, folder, redacted, stale, steps)
        count = len(files_in(folder))
        with steps("Packing", count) as advance:
            sha256 = pack(folder, out, advance)
    assert count <= MOST_FILES
    return Built(out, sha256, out.stat().st_size, count, bundle)


def _fill(
    layout: Layout,
    params: Params,
    chosen: Chosen,
    folder: Path,
    redacted: Sequence[str],
    stale: Sequence[str] | None,
    steps: Steps,
) -> Bundle:
    """Write all that is not copied, the manifest last."""
    staged = Layout(folder)
    bundle = Bundle(
        version=own_version(),
        commit=commit(layout.root),
        datasets={name: contained(params, name) for name in chosen.datasets},
        cells=tuple(chosen.cells),
        left_out=chosen.left_out,
        stale=None if stale is None else tuple(key for key in stale if key in chosen.cells),
        redacted=tuple(sorted(redacted)),
    )
    source = Source.read(staged, load_params(staged.params), bundle.cells)
    with steps("Making tables", step_count(source)) as advance:
        derived = derive(source, bundle, advance, raise_it)
    for name, text in derived.files.items():
        write_text(folder / name, text)
    if derived.report is not None:
        write_text(folder / REPORT, derived.report)
    pinned = unpinned(staged, bundle.cells, derived.files)
    bundle = bundle.model_copy(
        update={
            "commands": derived.commands,
            "not_pinned": tuple(pinned),
            "has_report": derived.report is not None,
        }
    )
    write_record(folder, bundle)
    write_text(folder / README, readme_of(bundle))
    write_json(folder / ENVIRONMENT, environment())
    machine = machine_of(layout, params)
    for name in files_in(folder):
        check_private(machine, name, (folder / name).read_bytes())
    write_manifest(folder)
    return bundle


def contained(params: Params, dataset: str) -> Contained:
    """Return how much of a data set a bundle holds."""
    included = "included" if is_included(params, dataset) else "hashes only"
    return Contained.model_validate({"origin": params.datasets[dataset].origin, "interactions": included})
