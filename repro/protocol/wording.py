"""What the switchboard says in sentences: what changes, what was not possible, what ties and sampling do."""

from __future__ import annotations

from collections.abc import Sequence

from repro.analysis import Pair
from repro.protocol.models import Splits
from repro.protocol.rankings import Rankings
from repro.protocol.sensitivity import Combined, Judged
from repro.protocol.settings import Choice, Setting


def summary(pair: Pair, rows: Sequence[Judged]) -> str:
    """Return how many choices leave the verdict as it is, and which do not; the first row is the standing one."""
    standing, changed = rows[0], rows[1:]
    moved = [row for row in changed if row.outcome != "stays"]
    claim = (
        f"Standing protocol (mask {standing.choice.setting.mask}, all items ranked, equal scores by item index, "
        f"users alike, each averaged over seeds): {pair.candidate.cell.variant} against "
        f"{pair.reference.cell.variant} on {standing.choice.setting.name} is {standing.verdict}"
    )
    told = f"{claim}. The verdict stays under {len(changed) - len(moved)} of {len(changed)} choices"
    named = "; ".join(f"{row.choice.switch}: {row.choice.option} ({row.outcome})" for row in moved)
    return f"{told}; it changes under {named}." if moved else f"{told}."


def combinations_note(combined: Sequence[Combined], asked: int, alpha: float) -> str:
    """Return what all combinations of the switches that need lists only say."""
    counts = counts_of(combined, alpha)
    out = asked - len(combined)
    left = f" ({out} more are left out: the stored lists are too short)" if out else ""
    return (
        f"All {len(combined)} combinations of mask, k, metric, recall's divisor, averaging and user filter{left}: "
        f"higher in {counts['higher']} (p<{alpha:g} in {counts['better']}, corrected over them in "
        f"{counts['better corrected']}), lower in {counts['lower']} ({counts['worse']}, "
        f"{counts['worse corrected']})."
    )


def counts_of(combined: Sequence[Combined], alpha: float) -> dict[str, int]:
    """Return how many combinations point either way, are significant, and stay so after the correction."""
    counts = {}
    for name, shown, sign in (("higher", "better", 1), ("lower", "worse", -1)):
        side = [one for one in combined if one.difference * sign > 0]
        counts[name] = len(side)
        counts[shown] = sum(one.p_value < alpha for one in side)
        counts[f"{shown} corrected"] = sum(one.p_corrected < alpha for one in side)
    return counts


def lists_notes(rows: Sequence[Judged]) -> list[str]:
    """Return one sentence that names the rows in which users are left out for want of longer lists."""
    short = [row for row in rows if row.left_out]
    told = "; ".join(f"{row.choice.option} {row.left_out:,} users" for row in short)
    return (
        [
            "Validation items taken out of lists of 100 leave fewer, and without models nothing fills them up; "
            f"left out on both sides: {told}."
        ]
        if short
        else []
    )


def missing_notes(
    asked: Sequence[Choice], possible: Sequence[Choice], sides: Sequence[Rankings]
) -> list[str]:
    """Return one sentence that names the choices that could not be judged, and why."""
    missing = [choice for choice in asked if choice not in possible]
    if not missing:
        return []
    without = [side.cell.name for side in sides if not side.models.are_here]
    why = (
        f"no trained models of {' and '.join(without)} are here (`dvc pull` or `dvc repro` brings them)"
        if without
        else "a simple baseline keeps ranked lists and no scores"
    )
    told = ", ".join(f"{choice.switch}: {choice.option}" for choice in missing)
    return [f"Not judged: {told}: {why}."]


def tie_notes(sides: Sequence[Rankings], standing: Setting) -> list[str]:
    """Return one sentence that says for how many users equal scores matter at all."""
    if not all(side.models.score for side in sides):
        return []
    counts = [side.parted(standing.cutoff) for side in sides]
    told = " and ".join(
        f"{count:,} with {side.cell.cell.variant}" for side, count in zip(sides, counts, strict=True)
    )
    return [
        f"Equal scores on both sides of the cut at {standing.cutoff}, in any seed: {told}, of "
        f"{len(sides[0].cell.users):,} users. Here the lower item index goes first; the released code leaves the "
        "order to torch.topk, which promises none."
    ]


def sampling_notes(drawn: Sequence[int], splits: Splits, possible: bool) -> list[str]:
    """Return one sentence that says what the rows with sampled items are."""
    if not possible:
        return []
    if not drawn:
        return [f"Sampled items are not judged: a catalogue of {splits.test.item_count:,} is too small."]
    return [
        "Sampled: each test item alone against items drawn from those the user never met, the mean over all "
        "possible draws; such metrics can order methods otherwise than the ranking of all items (Krichene and "
        "Rendle 2020)."
    ]
