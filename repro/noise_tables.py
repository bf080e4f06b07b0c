"""The tables of a noise study: what each variant loses, and whether one loses less than another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from repro.analysis import family_note, scores_of
from repro.assembly import STARS_NOTE, comparison_row, interval_note
from repro.params import Params
from repro.robustness import CLICKS, RELATIVE, TITLES, Contrast, Curve, NoiseStudy
from repro.strata_tables import percent_text
from repro.tables.comparisons import ComparisonRow, comparison_table
from repro.tables.model import Table
from repro.tables.provenance import provenance_notes

WORDS = {"better": "loses less", "worse": "loses more"}


def noise_tables(found: NoiseStudy, params: Params) -> list[Table]:
    """Return the table of changes and, where there is something to compare, that of their differences.

    Their records have the same keys.
    """
    return [_change_table(found, params), *([_contrast_table(found, params)] if found.contrasts else [])]


def place_of(found: NoiseStudy) -> str:
    """Return data set, backbone, users and seeds in words."""
    clean = found.curves[0].clean
    seeds = len(clean.seeds)
    return (
        f"{found.backbone} on {found.dataset}, {len(clean.users):,} users, {seeds} seed{'s' * (seeds != 1)}"
    )


def unreached(found: NoiseStudy) -> str:
    """Return a sentence on the variants that the noise leaves as they are, empty where there are none."""
    names = [curve.variant for curve in found.curves if not curve.is_reached]
    if not names:
        return ""
    return f"{', '.join(names)} read{'s' * (len(names) == 1)} no text vectors: text noise leaves them as they are."


def _change_table(found: NoiseStudy, params: Params) -> Table:
    sections: dict[str, list[ComparisonRow]] = {}
    for change in found.changes:
        c = change.comparison
        facts = _facts(found, change.share, "change") | {
            "variant": change.variant,
            "than": "",
            "scale": "metric",
        }
        extra = (percent_text(c.improvement, c.improvement_low, c.improvement_high),)
        row = comparison_row(c, (f"{change.share}%",), params, facts=facts, extra=extra)
        sections.setdefault(f"{change.variant} · {c.metric}", []).append(row)
    comparisons = [change.comparison for change in found.changes]
    told = [_noise_note(found), unreached(found), f"{STARS_NOTE}. {family_note(comparisons, params)}"]
    return comparison_table(
        f"Noise: {TITLES[found.kind]}, {place_of(found)}",
        list(sections.items()),
        ("noise",),
        ("clean", "noisy"),
        notes=[
            *(note for note in told if note),
            interval_note(params) + " 'relative': the difference as a share of the clean model's value.",
            *provenance_notes([scores_of(curve.clean, found.metrics) for curve in found.curves]),
        ],
        alpha=params.statistics.alpha,
        extra_columns=("relative [CI]",),
    )


def _contrast_table(found: NoiseStudy, params: Params) -> Table:
    sections: dict[str, list[ComparisonRow]] = {}
    for contrast in found.contrasts:
        c = contrast.comparison
        facts = _facts(found, contrast.share, "difference of changes") | {
            "variant": contrast.first,
            "than": contrast.second,
            "scale": contrast.scale,
            "improvement": None,  # a share of a change says nothing
        }
        row = comparison_row(c, (f"{contrast.share}%", contrast.scale), params, facts=facts)
        row = replace(row, verdict=WORDS.get(row.verdict, row.verdict))
        sections.setdefault(_heading(contrast), []).append(row)
    comparisons = [contrast.comparison for contrast in found.contrasts]
    return comparison_table(
        f"Does {found.favourite} lose less to noise?",
        list(sections.items()),
        ("noise", "scale"),
        ("other's change", f"{found.favourite}'s"),
        notes=[
            f"Each row compares two changes from clean to noisy. Above 0: {found.favourite} loses less. "
            f"Scale '{RELATIVE}': changes as shares of each variant's own clean value, tested by the delta "
            "method, so that a better model is not blamed for having more to lose.",
            f"{STARS_NOTE}. {family_note(comparisons, params)}",
            interval_note(params),
        ],
        alpha=params.statistics.alpha,
    )


def _heading(contrast: Contrast) -> str:
    return f"{contrast.first} against {contrast.second} · {contrast.comparison.metric}"


def _facts(found: NoiseStudy, share: int, question: str) -> dict[str, str | int | float | None]:
    return {"question": question, "noise": found.kind, "share": share}


def _noise_note(found: NoiseStudy) -> str:
    """Return what the noise is, with the number of fakes of each share."""
    if found.kind != CLICKS:
        return (
            "The share of users, and of items, whose profile and intent vectors are those of another one; a "
            "smaller share is part of a larger. The same for every variant and seed."
        )
    counts = ", ".join(f"{share}% {count:,}" for share, count in _fake_counts(found.curves).items())
    return (
        f"Fake interactions added to training: {counts}; uniform over pairs outside training, a smaller share "
        "part of a larger, the same for every variant and seed; hidden from rankings like true training items. "
        "Texts stay as they were."
    )


def _fake_counts(curves: Sequence[Curve]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for curve in curves:
        for share, cell in curve.noisy.items():
            counts.setdefault(share, (cell.run.get("noise") or {}).get("fake_interactions", 0))
    return dict(sorted(counts.items()))
