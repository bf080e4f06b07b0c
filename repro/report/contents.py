"""What stands in a report and in which order, and the file it becomes."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from irllrec.data.storage import write_text
from repro.layout import Layout
from repro.params import Params
from repro.provenance import commit
from repro.report.claims_section import judged_claims, tests_section
from repro.report.evidence import Evidence, gather
from repro.report.model import MadeBy, Report
from repro.report.opening import lead, title
from repro.report.page import page
from repro.report.record_sections import (
    data_section,
    deviations_section,
    provenance_section,
    tuning_section,
)
from repro.report.result_sections import ablation_section, main_section, published_section

PACKAGE = "irllrec-repro"


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
    """
    report = report_of(gather(layout, params, datasets, stale))
    write_text(out, page(report))
    return report


def report_of(evidence: Evidence) -> Report:
    """Return the report on what there is; parts that cannot be made are named as gaps."""
    command = f"repro report {evidence.options}"
    found = [
        tests_section(evidence),
        main_section(evidence),
        published_section(evidence),
        ablation_section(evidence),
        data_section(evidence),
        deviations_section(evidence),
        tuning_section(evidence),
        provenance_section(evidence, command),
    ]
    claims = judged_claims(evidence)
    return Report(
        title=title(evidence),
        lead=lead(evidence, claims),
        claims=claims,
        sections=tuple(section for section in found if section is not None),
        made_by=MadeBy(
            command=command,
            program=f"{PACKAGE} {metadata.version(PACKAGE)}",
            commit=commit(evidence.layout.root) or "–",
        ),
    )
