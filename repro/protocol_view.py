"""The protocol switchboard as a table and as figures: puts rankings, statistics and forms together."""

from __future__ import annotations

from dataclasses import dataclass

from repro.analysis import Pair, family_note, read_cells, scores_of
from repro.assembly import STARS_NOTE, interval_note
from repro.errors import ReproError
from repro.figures.model import Figure
from repro.layout import Layout
from repro.metric_kinds import cutoff_of, is_accuracy, name_of
from repro.params import Params
from repro.protocol.models import Splits
from repro.protocol.orders import order_notes
from repro.protocol.rankings import Rankings
from repro.protocol.sensitivity import Asked, Combined, Judged, Sides, combine, judge
from repro.protocol.settings import DRAWN, Choice, Setting, changed_choices, combinations, standing_choice
from repro.protocol.splits import evaluated_pairs, is_evaluated, retraining_note
from repro.protocol.wording import (
    combinations_note,
    lists_notes,
    missing_notes,
    sampling_notes,
    summary,
    tie_notes,
)
from repro.results import CellResult
from repro.statistics.verdict import stars
from repro.tables.comparisons import ComparisonRow, comparison_table
from repro.tables.main import OURS
from repro.tables.model import Scalar, Table, p_text
from repro.tables.provenance import provenance_notes

BASE = "base"


@dataclass(frozen=True)
class Sensitivity:
    """A claim under every protocol that what is on disk allows.

    Attributes:
        pair: The claim: candidate better than reference.
        rows: One protocol a row, the first being the standing one.
        combined: All combinations of the switches that need stored lists only.
        combinations_asked: How many combinations there are; those with lists too short are left out.
        notes: What could not be judged, and what ties, sampling and other splits show.
    """

    pair: Pair
    rows: tuple[Judged, ...]
    combined: tuple[Combined, ...]
    combinations_asked: int
    notes: tuple[str, ...]


def protocol_figures_of(
    layout: Layout,
    params: Params,
    dataset: str,
    *,
    backbone: str | None = None,
    variant: str = OURS,
    against: str = BASE,
    metric: str | None = None,
) -> list[Figure]:
    """Return the figures of what protocol choices change, from what is on disk; none without both results.

    Args:
        layout: The checkout.
        params: Its params.yaml.
        dataset: Name of the data set.
        backbone: Name of the backbone; None takes the first that has both results.
        variant: The candidate.
        against: What it is compared with.
        metric: Of the claim, with a cut-off; None takes the first stored one at its largest cut-off.

    Raises:
        ReproError: If stored results cannot be read, or the metric has no better side.
    """
    from repro.protocol.drawing import figures_of

    pair = _stored_pair(layout, params, dataset, backbone, (variant, against))
    if pair is None:
        return []
    found = sensitivity_of(layout, params, pair, metric, params.statistics.correction)
    return figures_of(found.pair, found.rows, found.combined, params)


def sensitivity_of(
    layout: Layout, params: Params, pair: Pair, metric: str | None, correction: str
) -> Sensitivity:
    """Return the claim under every protocol that what is on disk allows.

    Raises:
        ReproError: If both cells were evaluated under different masks, or the metric has no better side.
    """
    standing = _standing_setting(params, pair, metric)
    sides = _sides(pair, standing)
    splits = sides[0].splits
    drawn = [count for count in DRAWN if count < splits.least_candidates(pair.candidate.users)]
    seeds = [int(seed) for seed in pair.candidate.seeds if seed in pair.reference.seeds]
    wanted = changed_choices(standing, seeds, drawn)
    possible = [choice for choice in wanted if all(side.can(choice.setting) for side in sides)]
    elsewhere = evaluated_pairs(layout, params, pair)
    asked: list[Asked] = [(sides, standing_choice(standing)), *((sides, choice) for choice in possible)]
    asked += [
        (_sides(other, standing), Choice("split seed", f"{seed}, other users", standing))
        for seed, other in elsewhere.items()
    ]
    rows = judge(asked, params, correction)
    settings = combinations(standing)
    notes = [
        *lists_notes(rows),
        *missing_notes(wanted, possible, sides),
        *tie_notes(sides, standing),
        *sampling_notes(drawn, splits, possible=all(side.models.score for side in sides)),
        *order_notes(_methods(layout, params, sides), standing, drawn),
        *retraining_note(params, pair, elsewhere),
    ]
    return Sensitivity(
        pair, tuple(rows), tuple(combine(sides, settings, params, correction)), len(settings), tuple(notes)
    )


def check_claimed(metric: str) -> None:
    """Do nothing for a metric that a claim can be made on.

    Raises:
        ReproError: If it has no better side.
    """
    if not is_accuracy(metric):
        raise ReproError(
            f"{metric} has no better side, so no claim can be made on it: name recall, ndcg, precision, hit or "
            "mrr, for example recall@20."
        )


def table_of(found: Sensitivity, params: Params) -> Table:
    """Return the analysis as a table, one protocol a row."""
    sections: dict[str, list[ComparisonRow]] = {}
    for row in found.rows:
        sections.setdefault(row.choice.switch or "standing protocol", []).append(_row(row))
    one, other = found.pair.candidate, found.pair.reference
    metric, alpha = found.rows[0].choice.setting.name, params.statistics.alpha
    return comparison_table(
        f"Protocol: {one.name} − {other.cell.variant}",
        list(sections.items()),
        ("protocol",),
        (other.cell.variant, one.cell.variant),
        notes=[
            summary(found.pair, found.rows),
            combinations_note(found.combined, found.combinations_asked, alpha),
            *found.notes,
            f"{STARS_NOTE}. {family_note([row.comparison for row in found.rows], params)} 'p': not corrected. "
            "Lost, gained: a difference that is shown only under the standing protocol, or only here.",
            interval_note(params),
            *provenance_notes([scores_of(cell, [metric]) for cell in (other, one)]),
        ],
        alpha=alpha,
        extra_columns=("p", "against standing"),
    )


def _row(row: Judged) -> ComparisonRow:
    setting = row.choice.setting
    facts: dict[str, Scalar] = {
        "switch": row.choice.switch or "standing protocol",
        "option": row.choice.option,
        "mask": setting.mask,
        "recall_divides_by": setting.counted,
        "mean_over": setting.averaging,
        "least_test_items": setting.least_test_items,
        "equal_scores": setting.ties,
        "sampled_items": setting.drawn,
        "training_seed": setting.seed,
        "users_left_out": row.left_out,
        "against_standing": row.outcome,
    }
    outcome = "" if row.outcome == "standing" else row.outcome
    extra = p_text(row.comparison.p_value), outcome
    return ComparisonRow(
        row.comparison, (row.choice.option,), row.verdict, stars(row.comparison.p_corrected), facts, extra
    )


def _sides(pair: Pair, standing: Setting) -> Sides:
    splits = Splits.read(pair.candidate.prepared)
    return Rankings(pair.candidate, splits, standing), Rankings(pair.reference, splits, standing)


def _methods(layout: Layout, params: Params, sides: Sides) -> list[Rankings]:
    """Return the plain cells of the same place whose models score all items, in the order of the grid."""
    place = sides[0].cell.cell
    keys = [
        key
        for key, cell in params.cells.items()
        if (cell.dataset, cell.backbone) == (place.dataset, place.backbone)
        and not cell.is_variation
        and is_evaluated(layout, params, key)
    ]
    known = {side.cell.key: side for side in sides}
    found = [
        known.get(cell.key) or Rankings(cell, sides[0].splits, sides[0].standing)
        for cell in read_cells(layout, params, keys)
    ]
    return [one for one in found if one.models.score]


def _stored_pair(
    layout: Layout, params: Params, dataset: str, backbone: str | None, variants: tuple[str, str]
) -> Pair | None:
    """Return the two cells where both are evaluated, on the first backbone that has them."""
    for name in [backbone] if backbone else dict.fromkeys(cell.backbone for cell in params.cells.values()):
        keys = [f"{dataset}-{name}-{variant}" for variant in variants]
        if all(key in params.cells and is_evaluated(layout, params, key) for key in keys):
            found = {cell.key: cell for cell in read_cells(layout, params, keys)}
            return Pair(found[keys[0]], found[keys[1]])
    return None


def _standing_setting(params: Params, pair: Pair, metric: str | None) -> Setting:
    chosen = metric or f"{params.protocol.metrics[0]}@{max(params.protocol.cutoffs)}"
    check_claimed(chosen)
    masks = [_mask(cell, params) for cell in (pair.candidate, pair.reference)]
    if masks[0] != masks[1]:
        raise ReproError(
            f"{pair.candidate.name} was evaluated with mask {masks[0]} and {pair.reference.name} with "
            f"{masks[1]}: evaluate both alike with `dvc repro`."
        )
    return Setting(name_of(chosen), cutoff_of(chosen), masks[0])


def _mask(cell: CellResult, params: Params) -> str:
    return str(cell.run.get("mask") or params.protocol.mask)
