"""Puts results, statistics and table forms together: one function for each table."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from repro.analysis import (
    Pair,
    ablation_pairs,
    by_backbone,
    compare,
    family_note,
    main_questions,
    scores_of,
)
from repro.metric_kinds import is_of_lists, name_of
from repro.params import Params
from repro.results import CellResult
from repro.statistics.comparison import Comparison, correct_family
from repro.statistics.equivalence import Margin
from repro.statistics.paired import wilcoxon as wilcoxon_test
from repro.statistics.verdict import explain, explain_not_worse, not_worse_words, stars, verdict
from repro.tables.comparisons import ComparisonRow, comparison_table
from repro.tables.main import OURS, main_table
from repro.tables.model import Table, figures, p_text, short_metric
from repro.tables.provenance import provenance_notes
from repro.tables.published import Published
from repro.training_notes import training_notes

STARS_NOTE = "* p<0.05, ** p<0.01, *** p<0.001, corrected"


def main_table_of(
    cells: Sequence[CellResult],
    metrics: Sequence[str],
    params: Params,
    correction: str,
    published: Published | None,
) -> Table:
    """Return the main table over these cells; variations of a cell are left out."""
    shown = [
        cell
        for cells_there in by_backbone(cells).values()
        for cell in cells_there
        if not cell.cell.is_variation
    ]
    comparisons = correct_family(compare(main_questions(shown, metrics), params), correction)
    tests = {(c.candidate, c.reference, c.metric): c for c in comparisons}
    scores = [scores_of(cell, metrics) for cell in shown]
    notes = [
        "Best in bold, second underlined, over each data set. Stars on a row: different from the base of the "
        f"same backbone ({STARS_NOTE}; ▼ marks a value below base). 'vs best other': {OURS} against the best "
        "other variant of each column, with its own p.",
        *beyond_accuracy_notes(metrics),
        family_note(comparisons, params),
        *training_notes(shown),
        *provenance_notes(scores),
    ]
    return main_table(scores, tests, metrics, stars, published=published, notes=notes)


def significance_table_of(
    cells: Sequence[CellResult], metrics: Sequence[str], params: Params, correction: str
) -> Table:
    """Return every comparison of these cells: the main table's family, and that of the ablations."""
    families = {
        "main": main_questions(cells, metrics),
        "ablation": [(pair, metric) for pair in ablation_pairs(cells) for metric in metrics],
    }
    sections = []
    for family, asked in families.items():
        comparisons = correct_family(compare(asked, params), correction)
        rows = [
            comparison_row(c, (c.candidate, c.reference), params, facts={"family": family})
            for c in comparisons
        ]
        sections.append((family, rows))
    return comparison_table(
        "Significance",
        sections,
        ("candidate", "reference"),
        ("reference", "candidate"),
        notes=["p-values are corrected within each family."],
        alpha=params.statistics.alpha,
    )


def pair_table_of(
    first: CellResult,
    second: CellResult,
    metrics: Sequence[str],
    params: Params,
    *,
    correction: str,
    why: bool,
    wilcoxon: bool,
    margin: Margin | None = None,
) -> Table:
    """Return one paired comparison first − second, with every test there is.

    A ``margin`` of its own takes the place of that of params.yaml, and adds the test that the first is not
    worse by as much.
    """
    asked = [(Pair(first, second), metric) for metric in metrics]
    comparisons = correct_family(compare(asked, params, margin=margin), correction)
    extra_columns = ["p randomisation", "p tied", *(["p not worse"] if margin else [])]
    rows, notes = [], []
    for c in comparisons:
        extra: tuple[str, ...] = (p_text(c.p_randomisation), p_text(c.p_tied_corrected))
        facts: dict[str, float | None] = {}
        if margin:
            facts = _margin_facts(c)
            extra = (*extra, p_text(c.p_not_worse_corrected))
        if wilcoxon:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                differences = first.values(c.metric).mean(axis=0) - second.values(c.metric).mean(axis=0)
                result = wilcoxon_test(differences)
            notes = [f"Warning: {caught[0].message}"]
            facts = facts | {"p_wilcoxon": figures(result.p_value)}
            extra = (*extra, p_text(result.p_value))
        rows.append(comparison_row(c, (), params, facts=facts, extra=extra))
    if wilcoxon:
        extra_columns.append("p Wilcoxon")
    seeds = len(first.seeds)
    told = [
        f"{len(first.users):,} users, {seeds} seed{'s' * (seeds != 1)}; {STARS_NOTE}. "
        + family_note(comparisons, params),
        interval_note(params, margin) + " '… with seeds': seeds resampled, too.",
        *([margin_note(comparisons, margin, params)] if margin else []),
        *notes,
        *training_notes([first, second]),
        *provenance_notes([scores_of(first, metrics), scores_of(second, metrics)]),
    ]
    if why:
        alpha = params.statistics.alpha
        for c in comparisons:
            told += explain(c, alpha, seeds)
            told += [f"  {explain_not_worse(c, alpha)}"] if margin and c.user_count > 1 else []
    return comparison_table(
        f"{first.name} − {second.name}",
        [("", rows)],
        (),
        ("B", "A"),
        notes=told,
        alpha=params.statistics.alpha,
        extra_columns=extra_columns,
        seeds_interval=True,
    )


def comparison_row(
    c: Comparison,
    labels: tuple[str, ...],
    params: Params,
    *,
    facts: Mapping[str, Any] | None = None,
    extra: tuple[str, ...] = (),
) -> ComparisonRow:
    """Return a comparison as a row, with its verdict and stars."""
    word = verdict(c, params.statistics.alpha) if c.user_count else "no users"
    return ComparisonRow(c, labels, word, stars(c.p_corrected), facts or {}, extra)


def interval_note(params: Params, margin: Margin | None = None) -> str:
    """Return the sentence that says what the intervals and 'tied' mean."""
    section = params.statistics
    width = f"{section.equivalence_margin:g}" if margin is None else _asked(margin)
    return (
        f"CI: {100 * (1 - section.alpha):g}% bootstrap over users, {section.bootstrap_samples:,} samples. "
        f"'tied': shown to differ by less than ±{width} (TOST, corrected alike)."
    )


def beyond_accuracy_notes(metrics: Sequence[str]) -> list[str]:
    """Return the sentence that says what the asked metrics beyond accuracy measure; none for accuracy."""
    told = [words for name, words in _BEYOND.items() if any(name_of(metric) == name for metric in metrics)]
    if not told:
        return []
    ranged = any(is_of_lists(metric) for metric in metrics)
    return [
        f"Beyond accuracy: {'; '.join(told)}. No side of these is better by itself (random lists win most of "
        "them), so none is best or second"
        + ("; of Cov and Gini the mean over seeds [lowest, highest], no test" if ranged else "")
        + ". Definitions: docs/protocol.md."
    ]


_BEYOND = {
    "coverage": "Cov = share of the catalogue in anybody's list",
    "novelty": "Nov = mean -log2 of the share of users who have a listed item in training, in bits",
    "gini": "Gini = inequality of how often items are listed, 0 if all alike",
    "arp": "ARP = mean number of training users of a listed item",
    "diversity": "Div = mean 1 - cosine of the intent texts of two listed items",
}


def margin_note(comparisons: Sequence[Comparison], margin: Margin, params: Params) -> str:
    """Return the sentences that say what 'p not worse' tests, and what came out for each metric."""
    found = [f"{short_metric(c.metric)} {not_worse_words(c, params.statistics.alpha)}" for c in comparisons]
    return (
        f"'p not worse': one-sided paired t-test that A is not worse than B by {_asked(margin)} or more, "
        f"corrected alike: {'; '.join(found)}."
    )


def _asked(margin: Margin) -> str:
    return f"{margin} of B's mean" if margin.relative else str(margin)


def _margin_facts(c: Comparison) -> dict[str, float | None]:
    return {
        "margin": figures(c.margin_size),
        "margin_share": figures(c.margin.value) if c.margin.relative else None,
        "p_tied": figures(c.p_tied),
        "p_not_worse": figures(c.p_not_worse),
        "p_not_worse_corrected": figures(c.p_not_worse_corrected),
    }
