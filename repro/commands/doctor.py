"""``repro doctor``: what this machine and this checkout have, and the fix beside each problem."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from repro.commands.selection import FormatOption, check_format, print_table

if TYPE_CHECKING:
    from repro.layout import Layout
    from repro.params import Params
    from repro.tables.model import Table

_ENOUGH_MEMORY_GIB = 4.0
_ENOUGH_DISK_GIB = 5.0
_GIB = 1 << 30


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        subject: What was looked at.
        found: What is there.
        fix: The command or step that mends it; empty where there is nothing to do.
        wrong: Whether it is a problem, and not only work that is still to be done.
    """

    subject: str
    found: str
    fix: str = ""
    wrong: bool = False

    @property
    def mark(self) -> str:
        """A tick, a cross, or an arrow for what is still to be done."""
        return "✗" if self.wrong else "→" if self.fix else "✓"


def _problem(subject: str, found: str, fix: str) -> Finding:
    return Finding(subject, found, fix, wrong=True)


def doctor(
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out what takes seconds: file hashes and DVC's status.")
    ] = False,
    format: FormatOption = "rich",
) -> None:
    """Check this machine, the data and the grid.

    Versions, memory, disk, accelerator, hashes of the data, and what is out of date.

    Exits with 1 if something needs a fix.

    Example: repro doctor
    """
    from repro.layout import Layout
    from repro.params import load_params

    layout = Layout.find()
    check_format(format)
    params = load_params(layout.params)
    findings = [*_software(layout), *_machine(layout), *_data(layout, params, quick=quick)]
    findings += _grid(layout) if not quick else []
    print_table(_table(findings), format)
    if any(finding.wrong for finding in findings):
        raise typer.Exit(1)


def _software(layout: Layout) -> Iterator[Finding]:
    from repro.provenance import commit, versions

    pinned = _pinned_versions(layout)
    for name, version in versions().items():
        if version is None:
            yield _problem(name, "not installed", "make setup")
        elif name in pinned and version.partition("+")[0] != pinned[name]:
            yield _problem(name, f"{version}, pinned is {pinned[name]}", "rm -r .venv && make setup")
        else:
            yield Finding(name, version)
    yield Finding("commit", commit(layout.root) or "no git (an unpacked release)")


def _pinned_versions(layout: Layout) -> dict[str, str]:
    path = layout.root / "constraints.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    pairs = (line.partition("==") for line in lines if "==" in line and not line.startswith("#"))
    return {name.strip(): version.strip() for name, _, version in pairs}


def _machine(layout: Layout) -> Iterator[Finding]:
    import shutil

    import psutil
    import torch

    from irllrec.native.building import kernels

    yield Finding("processor", f"{psutil.cpu_count()} cores, {torch.get_num_threads()} threads in torch")
    memory = psutil.virtual_memory()
    small = memory.available / _GIB < _ENOUGH_MEMORY_GIB
    yield Finding(
        "memory",
        f"{memory.available / _GIB:.1f} of {memory.total / _GIB:.1f} GiB free",
        "close other programs, or set engine.workers to 1 in params.yaml" if small else "",
        wrong=small,
    )
    disk = shutil.disk_usage(layout.root)
    full = disk.free / _GIB < _ENOUGH_DISK_GIB
    yield Finding(
        "disk",
        f"{disk.free / _GIB:.1f} of {disk.total / _GIB:.1f} GiB free",
        "free some space, for example with `dvc gc --workspace`" if full else "",
        wrong=full,
    )
    if torch.cuda.is_available():
        yield Finding("accelerator", torch.cuda.get_device_name(0))
    else:
        yield Finding("accelerator", "none: the processor does the work")
    built = kernels()
    yield Finding("kernels", f"{built.name}: {built.reason}")


def _data(layout: Layout, params: Params, *, quick: bool) -> Iterator[Finding]:
    for name, dataset in params.datasets.items():
        folder = layout.raw(name)
        if not folder.is_dir():
            if dataset.origin == "generated":
                yield Finding(f"data {name}", "not generated yet; the pipeline makes it")
            else:
                fetch = f"repro data fetch {name}"
                bring = f"repro data import {name} --interactions FILE"
                yield _problem(f"data {name}", "missing", fetch if dataset.origin == "fetched" else bring)
            continue
        wrong = [] if quick else _altered_files(layout, name)
        again = "dvc repro" if dataset.origin == "generated" else f"dvc checkout data/raw/{name}.dvc"
        if wrong:
            yield _problem(f"data {name}", f"altered or unreadable: {', '.join(wrong)}", again)
        else:
            yield Finding(f"data {name}", "present" if quick else "present, hashes agree with its manifest")


def _altered_files(layout: Layout, name: str) -> list[str]:
    """Return the files of a raw data set whose hash is not that of its manifest."""
    from irllrec.data.raw import read_manifest
    from irllrec.errors import DataError
    from repro.provenance import sha256_of_file

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


def _grid(layout: Layout) -> Iterator[Finding]:
    from repro.engine import stale_stages
    from repro.errors import ReproError

    try:
        stale = stale_stages(layout)
    except ReproError as error:
        yield _problem("grid", "DVC cannot tell", str(error))
        return
    if stale:
        shown = ", ".join(stale[:5]) + (f" and {len(stale) - 5} more" if len(stale) > 5 else "")
        yield Finding("grid", f"out of date: {shown}", "dvc repro")
    else:
        yield Finding("grid", "every cell is up to date")


def _table(findings: list[Finding]) -> Table:
    from repro.tables.model import Block, Entry, Group, Line, Table

    lines = tuple(
        Line(
            (
                Entry(finding.mark),
                Entry(finding.subject),
                Entry(finding.found),
                Entry(finding.fix),
            )
        )
        for finding in findings
    )
    problems = sum(1 for finding in findings if finding.wrong)
    return Table(
        title="Doctor",
        columns=("", "subject", "found", "fix"),
        label_count=4,
        blocks=(Block("", (Group("", lines),)),),
        notes=(
            "✓ fine, → still to be done, ✗ a problem. "
            + (f"{problems} to fix." if problems else "Nothing to fix."),
        ),
        records=tuple(
            {"ok": "no" if f.wrong else "yes", "subject": f.subject, "found": f.found, "fix": f.fix}
            for f in findings
        ),
    )
