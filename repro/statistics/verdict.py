"""What a comparison amounts to: stars, one word, and whole sentences."""

from __future__ import annotations

from typing import Literal

from repro.metric_kinds import is_accuracy
from repro.statistics.comparison import Comparison

Verdict = Literal["better", "worse", "higher", "lower", "tied", "undecided"]

CORRECTION_NAMES = {"holm": "Holm", "bh": "Benjamini-Hochberg"}


def stars(p_corrected: float) -> str:
    """Return ``***`` below 0.001, ``**`` below 0.01, ``*`` below 0.05, else nothing."""
    return "***" if p_corrected < 0.001 else "**" if p_corrected < 0.01 else "*" if p_corrected < 0.05 else ""


def verdict(comparison: Comparison, alpha: float) -> Verdict:
    """Return what the corrected tests say about candidate − reference.

    ``tied`` needs evidence (TOST) and no evidence of a difference; a difference that is shown but
    smaller than the margin stays ``better`` or ``worse``, and :func:`explain` says it is small. On a
    metric beyond accuracy, which has no better side, these are ``higher`` and ``lower``.
    """
    if comparison.p_corrected < alpha:
        return _side(comparison)
    return "tied" if comparison.p_tied_corrected < alpha else "undecided"


def _side(comparison: Comparison) -> Verdict:
    if is_accuracy(comparison.metric):
        return "better" if comparison.difference > 0 else "worse"
    return "higher" if comparison.difference > 0 else "lower"


def explain(comparison: Comparison, alpha: float, seeds: int) -> list[str]:
    """Return sentences that say in words what each figure and mark of a comparison means."""
    c = comparison
    if c.user_count < 2:
        return [f"{c.metric}: {c.user_count} user(s) with test items; nothing can be tested."]
    coverage = f"{100 * (1 - alpha):g} %"
    name = CORRECTION_NAMES[c.correction]
    word = "higher" if c.difference > 0 else "lower" if c.difference < 0 else "the same"
    lines = [
        f"{c.metric}: {c.candidate} has {c.candidate_mean:.4f} and {c.reference} {c.reference_mean:.4f}, "
        f"so {c.candidate} is {word} by {abs(c.difference):.4f} ({100 * c.improvement:+.2f} %).",
        f"  Over {c.user_count} users (each averaged over {seeds} seed{'s' * (seeds != 1)}) the {coverage} "
        f"interval of the difference is [{c.low:+.4f}, {c.high:+.4f}]; where the seeds could have been "
        f"others, too, it is [{c.hierarchical_low:+.4f}, {c.hierarchical_high:+.4f}].",
        f"  Paired t = {c.statistic:.2f}, p = {c.p_value:.2g}; after the {name} correction over "
        f"{c.family_size} test{'s' * (c.family_size != 1)}, p = {c.p_corrected:.2g}: {_mark(c, alpha)}",
        f"  The randomisation test, which assumes no distribution, gives p = {c.p_randomisation:.2g} "
        f"({_agreement(c, alpha)}).",
        f"  Effect size d_z = {c.effect_size:.3f}: {_size(abs(c.effect_size))}.",
        f"  {_tie(c, alpha)}",
    ]
    if (c.low > 0) != (c.hierarchical_low > 0) or (c.high < 0) != (c.hierarchical_high < 0):
        lines.append(
            "  With other seeds the sign could change: the wider interval holds 0 and the narrower does not."
        )
    return lines


def _mark(comparison: Comparison, alpha: float) -> str:
    mark = stars(comparison.p_corrected)
    if mark:
        return f"it earns {mark}, {_side(comparison)} than {comparison.reference}."
    return f"no star, the difference could be chance (level {alpha:g})."


def _agreement(comparison: Comparison, alpha: float) -> str:
    same = (comparison.p_value < alpha) == (comparison.p_randomisation < alpha)
    return "it agrees with the t-test" if same else "it disagrees with the t-test: read the result with care"


def _size(size: float) -> str:
    """Return Cohen's words for |d_z|."""
    if size < 0.2:
        return "less than what Cohen calls small (0.2), users vary far more than the models do"
    return "small" if size < 0.5 else "medium" if size < 0.8 else "large"


def _tie(comparison: Comparison, alpha: float) -> str:
    p = f"TOST p = {comparison.p_tied_corrected:.2g}, corrected"
    margin = f"±{margin_words(comparison)}"
    if comparison.p_tied_corrected >= alpha:
        return f"They are not shown to be tied within {margin} ({p})."
    if comparison.p_corrected < alpha:
        return f"The difference is real and yet shown to be smaller than {margin} ({p}): it hardly matters."
    return f"They are tied: the difference is shown to lie within {margin} ({p})."


def margin_words(comparison: Comparison) -> str:
    """Return the margin as it was asked for and, where it is a share, as a difference of the metric."""
    margin = comparison.margin
    return (
        f"{margin} of {comparison.reference} ({comparison.margin_size:.2g})"
        if margin.relative
        else str(margin)
    )


def not_worse_words(comparison: Comparison, alpha: float) -> str:
    """Return in a few words whether the candidate is shown to lose less than the margin."""
    if comparison.p_not_worse_corrected < alpha:
        return f"shown not worse by more than {comparison.margin}"
    return "not shown"


def explain_not_worse(comparison: Comparison, alpha: float) -> str:
    """Return a sentence that says whether the candidate is shown to lose less than the margin."""
    c = comparison
    margin, p = margin_words(c), f"one-sided paired t, p = {c.p_not_worse_corrected:.2g}, corrected"
    if c.p_not_worse_corrected < alpha:
        return f"Shown: {c.candidate} is not worse by more than {margin}; {p}."
    return f"Not shown: {c.candidate} may be worse by {margin} or more; {p}."
