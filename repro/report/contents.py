"""What stands in a report and in which order, and the file it becomes."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path

from irllrec.data.raw import disk_errors
from irllrec.data.storage import write_text
from repro.layout import Layout
from repro.params import Params
from repro.provenance import commit
from repro.report.claims_section import judge_claims, tests_section, verdicts_of
from repro.report.evidence import Evidence, gather
from repro.report.group_sections import groups_section
from repro.report.model import MadeBy, Report, Section
from repro.report.opening import lead, title
from repro.report.page import page
from repro.report.record_sections import (
    data_section,
    deviations_section,
    provenance_section,
    tuning_section,
)
from repro.report.result_sections import ablation_section, learning_section, main_section, published_section
from repro.report.robustness_sections import noise_section, protocol_section, sensitivity_section

PACKAGE = "irllrec-repro"

_Maker = Callable[[Evidence], Section | None]

_SECTIONS: tuple[_Maker, ...] = (
    main_section,
    published_section,
    ablation_section,
    groups_section,
    noise_section,
    sensitivity_section,
    protocol_section,
    learning_section,
    data_section,
    deviations_section,
    tuning_section,
    provenance_section,
)
"""In the order of the page, behind the tests of the claims."""


def write_report(
    layout: Layout, params: Params, datasets: Sequence[str], out: Path, stale: Sequence[str] = ()
) -> Report:
    """Write the report on these data sets and return what stands in it.

    Args:
        layout: The checkout.
        params: Its params.yaml.
        datasets: Names, each with cells in the grid.
        out: The HTML file; written whole or not at all.
        stale: Keys of cells whose results are older than code or settings.

    Raises:
        ReproError: If no cell has results.
        DataError: If the file cannot be written.
    """
    report = report_of(gather(layout, params, datasets, stale))
    with disk_errors(out):
        write_text(out, page(report))
    return report


def report_of(evidence: Evidence) -> Report:
    """Return the report on what there is; parts that cannot be made are named as gaps."""
    try:
        judged = judge_claims(evidence)
        makers: list[_Maker] = [partial(tests_section, judged), *_SECTIONS]
        sections = [section for make in makers if (section := _made(make, evidence)) is not None]
    finally:
        gc.unfreeze()
    claims = verdicts_of(judged)
    return Report(
        title=title(evidence),
        lead=lead(evidence, claims),
        claims=claims,
        sections=tuple(sections),
        made_by=MadeBy(
            command=evidence.command,
            program=f"{PACKAGE} {metadata.version(PACKAGE)}",
            commit=commit(evidence.layout.root) or "–",
        ),
    )


def _made(make: _Maker, evidence: Evidence) -> Section | None:
    """Return a section, with what is loaded by now kept out of Python's garbage collections.

    statsmodels collects garbage at every correction of p-values; with torch and matplotlib loaded, that was a
    fifth of a report's time.
    """
    gc.freeze()
    return make(evidence)
