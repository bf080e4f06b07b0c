"""Brings cells up to date through DVC: says what it will run and how long, passes Ctrl-C on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.attended_dvc import LIFELINE
from repro.checkout_lock import descriptors, inherited, refuse_others, writing
from repro.dvc_words import is_busy, sentence_of
from repro.errors import ReproError
from repro.failures import INTERRUPTED, OUR_BUG, StageBugError
from repro.layout import Layout, text_sources
from repro.processes import wait_and_pass_signals
from repro.remarks import remark
from repro.stages.entry import FAILURE_FILE, VERBOSITY, quiet_threads
from repro.text_views import text_entry
from repro.workload import Work, concerning, estimate, read_by, with_memory

if TYPE_CHECKING:
    from repro.params import Cell, Params

FEW_TARGETS = 6
"""Up to so many stages DVC is asked about by name; above that, asking about all it knows is quicker.

It reads dvc.yaml and dvc.lock anew for every name: 47 stages of 140 took 30.5 s by name and 4.8 s without names
(DVC 3.67.1, with libyaml; without it 73.6 and 9.6 s).
"""


def bring_up_to_date(
    layout: Layout,
    keys: Sequence[str],
    *,
    run: bool = True,
    say: Callable[[str], None] = remark,
    tables: bool = False,
) -> Work:
    """Make the results of the cells ``keys`` current and return what had to run.

    Args:
        layout: The checkout.
        keys: Keys of cells in params.yaml.
        run: False reads only, and names what is missing or out of date.
        say: Takes the sentence that says what will run; default is a line on stderr.
        tables: Also all else there is of the cells' data sets: the stage ``relate`` where there is
            text, ``compare`` and ``tabulate``.

    Raises:
        ReproError: If a cell is not in the grid, raw data are missing, something is out of date and
            ``run`` is False, another pipeline is at work, or a stage fails.
        KeyboardInterrupt: After Ctrl-C, once every process of the pipeline has ended.
    """
    from repro.params import load_params

    params = load_params(layout.params)
    cells = _cells(layout, params, keys, run=run)
    require_raw_data(layout, params, sorted({cell.dataset for cell in cells.values()}))
    require_text_sources(layout, params, cells)
    work = estimate(layout, params, cells, stale_for(layout, params, cells, tables=tables), tables=tables)
    if not work.stages:
        return work
    if not run:
        raise ReproError(f"Not up to date: {', '.join(work.stages)}: run the same command without --no-run.")
    work = with_memory(layout, params, cells, work)
    say(work.sentence())
    reproduce(layout, _targets(params, cells, work.stages, tables=tables))
    return work


def bring_inputs_up_to_date(layout: Layout, params: Params, cells: Mapping[str, Cell]) -> None:
    """Make what the training of ``cells`` reads current: prepared data, and text vectors where they read any.

    Raises:
        ReproError, KeyboardInterrupt: As :func:`bring_up_to_date`.
    """
    require_raw_data(layout, params, sorted({cell.dataset for cell in cells.values()}))
    require_text_sources(layout, params, cells)
    _bring_data_up_to_date(layout, [stage for cell in cells.values() for stage in read_by(cell)])


def bring_prepared_up_to_date(layout: Layout, params: Params, datasets: Sequence[str]) -> None:
    """Make the prepared data of data sets current, without any text.

    Raises:
        ReproError, KeyboardInterrupt: As :func:`bring_up_to_date`.
    """
    require_raw_data(layout, params, datasets)
    _bring_data_up_to_date(layout, [f"prepare@{name}" for name in datasets])


def _bring_data_up_to_date(layout: Layout, stages: Sequence[str]) -> None:
    targets = list(dict.fromkeys(stages))
    stale = stale_stages(layout, targets)
    if stale:
        remark(f"First the data, through DVC: {', '.join(sorted(stale))}.")
        reproduce(layout, targets)


def stale_for(
    layout: Layout, params: Params, cells: Mapping[str, Cell], *, tables: bool = False
) -> list[str]:
    """Return the stages that DVC would run for ``cells``, and for the tables of their data sets.

    Raises:
        ReproError: As :func:`stale_stages`.
    """
    if tables or len(cells) > FEW_TARGETS:
        return concerning(stale_stages(layout), params, cells, tables=tables)
    return stale_stages(layout, [f"evaluate@{key}" for key in cells])


def stale_stages(layout: Layout, targets: Sequence[str] = ()) -> list[str]:
    """Return the stages, with all they depend on, that DVC would run again (default: all).

    Raises:
        ReproError: If DVC cannot read the pipeline, or another process holds its lock.
    """
    prepare_repository(layout)
    command = [
        sys.executable,
        "-m",
        "dvc",
        "status",
        "--json",
        *(("--with-deps",) if targets else ()),
        *targets,
    ]
    done = _ask_dvc(layout, command)
    if done.returncode != 0 and is_busy(done.stderr):
        refuse_others(layout)  # else it was the record of a killed one, which is gone now
        done = _ask_dvc(layout, command)
    if done.returncode != 0:
        raise ReproError(sentence_of(layout, done.stderr))
    return [name.split(":")[-1] for name in json.loads(done.stdout or "{}")]


def _ask_dvc(layout: Layout, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=layout.root, env=_environment(layout), capture_output=True, text=True, check=False
    )


def reproduce(layout: Layout, targets: Sequence[str] = ()) -> None:
    """Run ``dvc repro`` on ``targets`` (default: all) in a process group of its own.

    What DVC itself prints goes to ``.repro/logs/dvc.log``; the stages write to stderr.

    Raises:
        ReproError: With the sentence of the stage that failed.
        StageBugError: If a stage failed through a bug of ours.
        KeyboardInterrupt: After Ctrl-C or a termination signal, once the whole group has ended.
    """
    with writing(layout):
        prepare_repository(layout)
        logs = layout.state / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        failure = logs / f"failure-{os.getpid()}.json"
        failure.unlink(missing_ok=True)
        try:
            code = _run_attended(layout, ["repro", *targets], logs / "dvc.log", failure)
            if code != 0:
                _raise_for(layout, failure)
        finally:
            failure.unlink(missing_ok=True)


def _run_attended(layout: Layout, words: Sequence[str], log: Path, failure: Path) -> int:
    """Return the exit code of DVC, which keeps this process's lock and ends when this process does."""
    verbose = os.environ.get(VERBOSITY) == "verbose"
    with log.open("w", encoding="utf-8") as handle:
        output = sys.stderr.fileno() if verbose else handle
        with _attended(layout, words, stdout=output, told={FAILURE_FILE: str(failure)}) as process:
            return wait_and_pass_signals(process)


@contextmanager
def _attended(
    layout: Layout, words: Sequence[str], *, told: Mapping[str, str], **streams: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Start DVC in a group of its own, tied to this process by a pipe and holding the lock with it."""
    lifeline, ours = os.pipe()
    try:
        yield subprocess.Popen(
            [sys.executable, "-m", "repro.attended_dvc", *words],
            cwd=layout.root,
            env={**_environment(layout), **inherited(layout), **told, LIFELINE: str(lifeline)},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=(lifeline, *descriptors(layout)),
            **streams,
        )
    finally:
        os.close(lifeline)
        os.close(ours)


def pin(layout: Layout, path: Path) -> None:
    """Record the raw data folder ``path`` with ``dvc add``, which writes ``<path>.dvc``.

    Raises:
        ReproError: If DVC refuses; the sentence is DVC's own.
    """
    with writing(layout):
        prepare_repository(layout)
        words = ["add", str(path.relative_to(layout.root))]
        with tempfile.TemporaryFile() as said:
            with _attended(layout, words, told={}, stdout=said, stderr=said) as process:
                code = wait_and_pass_signals(process)
            said.seek(0)
            words_of_dvc = said.read().decode("utf-8", "replace")
    if code != 0:
        raise ReproError(sentence_of(layout, words_of_dvc))


def prepare_repository(layout: Layout) -> None:
    """Let DVC work in an unpacked release, where there is no git: it refuses without this setting."""
    if (layout.root / ".git").exists():
        return
    local = layout.root / ".dvc" / "config.local"
    existing = local.read_text(encoding="utf-8") if local.is_file() else ""
    if "no_scm" not in existing:
        local.parent.mkdir(exist_ok=True)
        local.write_text(existing + "[core]\n    no_scm = true\n", encoding="utf-8")


def require_raw_data(layout: Layout, params: Params, datasets: Sequence[str]) -> None:
    """Check that the data sets which the pipeline cannot make itself are there.

    Raises:
        ReproError: Naming the first that is missing and the command that brings it.
    """
    for name in datasets:
        if params.datasets[name].origin == "generated" or layout.raw(name).is_dir():
            continue
        fetched = params.datasets[name].origin == "fetched"
        fix = f"`repro data fetch {name}`" if fetched else f"`repro data import {name} --interactions FILE`"
        raise ReproError(
            f"The data set {name} is missing ({layout.raw(name)} is not there): bring it with {fix}."
        )


def require_text_sources(layout: Layout, params: Params, cells: Mapping[str, Cell]) -> None:
    """Check that the user's own summaries and models which the cells' text is made from are there.

    Raises:
        ReproError: Naming the first that is missing and its key in params.yaml.
    """
    read = {entry for cell in cells.values() if (entry := text_entry(cell)) is not None}
    for name in sorted(read & params.text.keys()):
        text = params.text[name]
        made = text_sources(name, text.dataset, text.summarizer, text.embedder)
        for field in ("summaries_from", "vectors_from"):
            path = getattr(text, field)
            if field not in made and not (layout.root / path).exists():
                raise ReproError(
                    f"{layout.params}: text.{name}.{field} is {path!r}, and {layout.root / path} is not there: "
                    "put it there, or correct the path."
                )


def _cells(layout: Layout, params: Params, keys: Sequence[str], *, run: bool) -> dict[str, Cell]:
    missing = [key for key in keys if key not in params.cells]
    if missing:
        fix = "run the same command without --no-run" if not run else "`repro grid add` adds it"
        raise ReproError(f"{layout.params}: not in the grid: {', '.join(missing)}: {fix}.")
    return {key: params.cells[key] for key in dict.fromkeys(keys)}


def _targets(params: Params, cells: Mapping[str, Cell], stages: Sequence[str], *, tables: bool) -> list[str]:
    """Return what to name to ``dvc repro`` so that ``stages`` run; each name costs DVC a look at all of its files."""
    if not tables:
        every = [f"evaluate@{key}" for key in cells]
        return [stage for stage in every if stage in stages] or every
    datasets = dict.fromkeys(cell.dataset for cell in cells.values())
    # No cell of the grid may read it, but `dvc repro` would still have it to do.
    relate = [f"relate@{name}" for name, text in params.text.items() if text.dataset in datasets]
    return relate + [f"{stage}@{name}" for name in datasets for stage in ("compare", "tabulate")]


def _environment(layout: Layout) -> dict[str, str]:
    """Return the environment of DVC and its stages: this Python first, threads that sleep."""
    quiet_threads()
    folder = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": folder + os.pathsep + os.environ.get("PATH", os.defpath),
        "REPRO_PYTHON": sys.executable,
        "REPRO_ROOT": str(layout.root),
        "DVC_NO_ANALYTICS": "1",
    }


def _raise_for(layout: Layout, failure: Path) -> None:
    try:
        record = json.loads(failure.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        log = layout.state / "logs" / "dvc.log"
        raise ReproError(f"The pipeline stopped; DVC's words are above, its log is {log}.") from None
    if record["code"] == INTERRUPTED:
        raise KeyboardInterrupt
    if record["code"] == OUR_BUG:
        raise StageBugError(f"stage {record['stage']}: {record['sentence']}")
    raise ReproError(record["sentence"])
