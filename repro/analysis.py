"""Which comparisons a table makes, and their answers: results on one side, statistics on the other."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from irllrec.seeding import stream
from repro.layout import Layout
from repro.metric_kinds import is_accuracy, is_of_lists
from repro.params import Params
from repro.results import CellResult, FloatArray, read_result
from repro.statistics.comparison import Comparison, Question, Settings, Streams, answer
from repro.statistics.equivalence import Margin
from repro.statistics.paired import check_same_users
from repro.statistics.verdict import CORRECTION_NAMES
from repro.tables.main import ABSENT, OURS, Scores, best_other

NOISES = {"clicks": "click noise", "text": "text noise"}


@dataclass(frozen=True)
class Pair:
    """Two cells of one data set to compare: candidate − reference."""

    candidate: CellResult
    reference: CellResult


def read_cells(layout: Layout, params: Params, keys: Iterable[str]) -> list[CellResult]:
    """Return the results of these cells, in the order of the grid.

    Raises:
        ReproError: If the results of one are missing, or cells of a data set differ in their users.
    """
    wanted = set(keys)
    cells = [read_result(layout, key, cell) for key, cell in params.cells.items() if key in wanted]
    first: dict[str, CellResult] = {}
    for cell in cells:
        other = first.setdefault(cell.cell.dataset, cell)
        check_same_users(other.users, cell.users, (other.name, cell.name))
    return cells


def compare(
    asked: Sequence[tuple[Pair, str]],
    params: Params,
    users: npt.NDArray[np.bool_] | None = None,
    purpose: str = "all users",
    margin: Margin | None = None,
    read: Callable[[CellResult, str], FloatArray] = CellResult.values,
) -> list[Comparison]:
    """Return the answer to each question, not yet corrected; a question asked twice counts once.

    Args:
        asked: A pair of cells of one data set, and a metric.
        params: Holds sample counts, margins and the seed.
        users: Restricts to these users, shape (user,); None takes all.
        purpose: Names the random streams, with the data set.
        margin: What is small enough to be tied; None takes that of params.yaml.
        read: How to read a metric of every seed and user of a cell, shape (seed, user).

    Raises:
        ReproError: If the users of two cells of a data set differ.
    """
    datasets: dict[str, dict[Question, Pair]] = {}
    for pair, metric in asked:
        question = Question(pair.candidate.name, pair.reference.name, metric)
        datasets.setdefault(pair.candidate.cell.dataset, {})[question] = pair
    answers: list[Comparison] = []
    chosen = slice(None) if users is None else users
    for dataset, questions in datasets.items():
        first = next(iter(questions.values())).candidate
        values: dict[str, dict[str, Any]] = {}
        for question, pair in questions.items():
            for cell in (pair.candidate, pair.reference):
                check_same_users(first.users, cell.users, (first.name, cell.name))
                values.setdefault(cell.name, {})[question.metric] = read(cell, question.metric)[:, chosen]
        streams = streams_of(params, dataset, purpose)
        answers += answer(values, list(questions), settings_of(params, margin), streams)
    return answers


def all_metrics(params: Params) -> list[str]:
    """Return the metrics that every evaluation stores, in the order of the main table."""
    return [f"{name}@{cutoff}" for name in params.protocol.metrics for cutoff in params.protocol.cutoffs]


def chief_metrics(params: Params) -> list[str]:
    """Return one metric of each kind at the largest stored cut-off."""
    return [f"{name}@{max(params.protocol.cutoffs)}" for name in params.protocol.metrics]


def settings_of(params: Params, margin: Margin | None = None) -> Settings:
    """Return the tests' settings as params.yaml has them, or with another margin."""
    section = params.statistics
    return Settings(
        alpha=section.alpha,
        equivalence_margin=margin or Margin(section.equivalence_margin),
        bootstrap_samples=section.bootstrap_samples,
        randomisation_samples=section.randomisation_samples,
    )


def streams_of(params: Params, dataset: str, purpose: str) -> Streams:
    """Return the random streams of one family on one data set."""
    seed = params.statistics.seed
    return Streams(
        users=stream(seed, "bootstrap users", dataset, purpose),
        seeds=stream(seed, "bootstrap seeds", dataset, purpose),
        signs=stream(seed, "sign flips", dataset, purpose),
    )


def scores_of(cell: CellResult, metrics: Sequence[str]) -> Scores:
    """Return a cell as a row of the main table; a metric that it cannot have is NaN."""
    of_lists = {metric: cell.seed_values(metric) for metric in metrics if is_of_lists(metric)}
    return Scores(
        dataset=cell.cell.dataset,
        backbone=cell.cell.backbone,
        variant=cell.cell.variant,
        means={metric: _mean(cell, metric, of_lists.get(metric)) for metric in metrics},
        facts=facts_of(cell.run),
        seed_count=len(cell.seeds),
        user_count=len(cell.users),
        ranges={metric: (float(values.min()), float(values.max())) for metric, values in of_lists.items()},
    )


def _mean(cell: CellResult, metric: str, by_seed: FloatArray | None) -> float:
    if by_seed is not None:
        return float(by_seed.mean())
    return float(cell.values(metric).mean()) if cell.has(metric) else math.nan


def facts_of(run: Mapping[str, Any]) -> dict[str, str]:
    """Return how a cell was run, by the names the provenance line uses; – where it does not apply."""
    text = run.get("text") or {}
    hyper = run.get("hyperparameters") or {}
    values = {
        "settings": _settings_words(run),
        "fidelity": run.get("fidelity"),
        "precision": _precision_words(run.get("precision"), text),
        "itm": run.get("itm"),
        "summarizer": text.get("summarizer"),
        "language model": _models_words(text),
        "coverage": _coverage_words(text),
        "embedder": text.get("embedder"),
        "mask": run.get("mask"),
        "keep rate": hyper.get("keep_rate"),
        "training": _training_words(hyper),
        "commit": _short_commit(run.get("commit")),
    }
    return {name: ABSENT if value is None else str(value) for name, value in values.items()}


def _precision_words(precision: str | None, text: Mapping[str, Any]) -> str | None:
    """Return the precision, and for reduced text vectors their columns and the variance they keep."""
    kept: dict[str, list[str]] = {}
    for kind, one in sorted((text.get("reduction") or {}).items(), reverse=True):
        if one["dimension"] < one["of"]:
            share = f"{100 * one['variance_kept']:.1f}% of the variance"
            kept.setdefault(f"{one['of']} to {one['dimension']} columns, {share}", []).append(kind)
    told = [f"{'text' if len(kinds) == 2 else kinds[0]} from {words}" for words, kinds in kept.items()]
    return f"{precision} ({', '.join(told)})" if precision and told else precision


def _models_words(text: Mapping[str, Any]) -> str | None:
    """Return the language models of the summaries, each with the first digits of its digest."""
    models = [str(model).partition("@") for model in text.get("summary_models") or ()]
    return ", ".join(name + (f"@{digest[:12]}" if digest else "") for name, _, digest in models) or None


def _coverage_words(text: Mapping[str, Any]) -> str | None:
    """Return the share of nodes whose summary is the summarizer's own, rounded down, and who stepped in."""
    share = text.get("summary_coverage")
    if share is None:
        return None
    fallbacks = text.get("summary_fallbacks") or {}
    told = [
        f"{count} without text" if name == "none" else f"{count} by {name}"
        for name, count in fallbacks.items()
    ]
    return f"{math.floor(1000 * share) / 10:g}%" + (f" ({', '.join(told)})" if told else "")


def _settings_words(run: Mapping[str, Any]) -> str | None:
    """Return where a cell's settings are from, what it changes in them, and its noise.

    A simple baseline is tuned while it is trained.
    """
    trials = (run.get("tuning") or {}).get("trials", 1)
    source = f"tuned ({trials} trials)" if trials > 1 else run.get("settings")
    told = [f"{name} {value:g}" for name, value in (run.get("changed") or {}).items()]
    noise = run.get("noise") or {}
    told += [f"{noise[kind]} % {words}" for kind, words in NOISES.items() if noise.get(kind)]
    return " with ".join([source or "default", ", ".join(told)]) if told else source


def _training_words(hyper: Mapping[str, Any]) -> str | None:
    """Return what of the training settings a data set may set for itself, and a reader must know."""
    if "batch_size" not in hyper:
        return None
    return (
        f"batch {hyper['batch_size']}, learning rate {hyper['learning_rate']:g}, patience {hyper['patience']}"
    )


def main_questions(cells: Sequence[CellResult], metrics: Sequence[str]) -> list[tuple[Pair, str]]:
    """Return the family of the main table.

    In each data set and backbone: every variant against base, and irllrec against the best other
    variant of each metric of accuracy. Variations of a cell take no part, nor do metrics without a value
    for single users.
    """
    asked: list[tuple[Pair, str]] = []
    for group in by_backbone(cell for cell in cells if not cell.cell.is_variation).values():
        found = {cell.cell.variant: cell for cell in group}
        rest = [cell for name, cell in found.items() if name != "base"]
        paired = [metric for metric in metrics if not is_of_lists(metric) and group[0].has(metric)]
        if "base" in found:
            asked += [(Pair(cell, found["base"]), metric) for cell in rest for metric in paired]
        if OURS in found:
            accuracy = [metric for metric in paired if is_accuracy(metric)]
            rows = [scores_of(cell, accuracy) for cell in group]
            best = ((metric, best_other(rows, metric)) for metric in accuracy)
            asked += [(Pair(found[OURS], found[other.variant]), metric) for metric, other in best if other]
    return asked


def ablation_pairs(cells: Sequence[CellResult]) -> list[Pair]:
    """Return each ablated cell, or cell fed another text, against the whole model of its place."""
    pairs = []
    for group in by_backbone(cells).values():
        found = {cell.cell.variant: cell for cell in group if not cell.cell.is_ablation}
        for cell in group:
            stem = re.split("-with-|-no-", cell.cell.variant)[0]
            whole = found.get(stem) or found.get(cell.cell.objective)
            if cell.cell.is_ablation and whole:
                pairs.append(Pair(cell, whole))
    return pairs


def family_note(comparisons: Sequence[Comparison], params: Params) -> str:
    """Return the sentence that declares the family: tests, correction, seed of the resampling."""
    if not comparisons:
        return "No comparison was made: there is nothing to compare with."
    family, method = comparisons[0].family_size, CORRECTION_NAMES[comparisons[0].correction]
    return (
        f"p: paired t-test over users, each averaged over seeds; {method} over all {family} "
        f"test{'s' * (family != 1)} of this table."
    )


def by_backbone(cells: Iterable[CellResult]) -> dict[tuple[str, str], list[CellResult]]:
    """Return the cells by (data set, backbone), in their order."""
    groups: dict[tuple[str, str], list[CellResult]] = {}
    for cell in cells:
        groups.setdefault((cell.cell.dataset, cell.cell.backbone), []).append(cell)
    return groups


def _short_commit(commit: str | None) -> str | None:
    """Return the first ten digits of a commit, with what stands after a plus."""
    if commit is None:
        return None
    digits, _, state = commit.partition("+")
    return digits[:10] + (f"+{state}" if state else "")
