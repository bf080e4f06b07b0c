"""``repro text drift``: the same questions asked once more, and how far everything moves."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from repro.drift_training import NEW, OLD, cell_reading, compare_trained
from repro.errors import ReproError
from repro.language_model import chat_of, replies_of
from repro.layout import Layout
from repro.params import Params
from repro.tables.listing import listing
from repro.tables.model import Table
from repro.text_run import ask_about
from repro.text_work import load_entry

if TYPE_CHECKING:
    from irllrec.text.embeddings import TextVectors
    from irllrec.text.prompts import Prompt
    from irllrec.text.records import Summary

COLUMNS = ("what", "of", "value", "least", "interval", "p")
FITTED = "lsa"
"""Embedder that is fitted on the texts, so that its space turns a little with each of them."""


@dataclass(frozen=True)
class _Redone:
    """The stored summaries, and the same with new replies for a sample of nodes."""

    old: Sequence[Summary]
    new: Sequence[Summary]
    sampled: Sequence[int]
    """Places of the sampled nodes in both."""
    given_up: int
    digests: tuple[str, str]


def drift_table(layout: Layout, params: Params, name: str, sample: int, *, seed: int, train: bool) -> Table:
    """Return how far text, vectors and metrics move when a sample of nodes is asked about again.

    The new replies are kept nowhere. The vectors of all nodes are made anew by the entry's embedder, and
    one seed of one cell is trained on the old and on the new text.

    Raises:
        ReproError: If the entry or its summaries are missing, or no summary is a model's.
        TextError: As :func:`repro.text_run.ask_about`.
    """
    text = params.text_of(name)
    redone = _ask_again(layout, params, name, sample, seed)
    rows = _text_rows(redone)
    notes = [
        f"{len(redone.sampled)} of {len(redone.old):,} nodes were asked about again"
        + (f"; {redone.given_up} of them gave no good reply and are left out" if redone.given_up else "")
        + ".",
        _digest_note(params, name, redone),
    ]
    vectors = _vectors(layout, params, name, redone)
    if vectors is None:
        notes.append("The vectors came with the data, so no new ones can be made.")
        return listing(f"Drift of {name}", COLUMNS, rows, notes)
    rows += _vector_rows(redone, vectors, fitted=text.embedder == FITTED)
    key = cell_reading(params, name)
    if train and key is not None:
        rows += _metric_rows(layout, params, key, vectors)
        notes.append(
            f"Metrics: {key}, its first seed, trained on both texts; value = new − old, interval and p over users "
            "(paired t-test, corrected). Only the sampled nodes' texts differ."
        )
    elif train:
        notes.append(f"No cell of the grid reads {name}, so no metric could be compared.")
    return listing(f"Drift of {name}", COLUMNS, rows, notes)


def _ask_again(layout: Layout, params: Params, name: str, sample: int, seed: int) -> _Redone:
    from irllrec.seeding import stream
    from irllrec.text.records import NodeIds, load_summaries
    from irllrec.text.store import ReplyStore
    from irllrec.text.written import written_summaries

    text = params.text[name]
    chat_of(name, text)
    path = layout.text(name) / "summaries.jsonl"
    ids = NodeIds.load(layout.prepared(text.dataset))
    old = load_summaries(path, ids)
    places = [place for place, summary in enumerate(old) if summary.reply]
    if not places:
        raise ReproError(f"{path} holds no summary that a language model wrote: nothing can drift.")
    chosen = stream(seed, "drift", name).permutation(len(places))[:sample]
    wanted = {(old[places[n]].role, old[places[n]].node): places[n] for n in sorted(chosen.tolist())}
    entry = load_entry(layout, params, name)
    prompts: list[Prompt] = [one for one in entry.prompts if (one.role, one.node) in wanted]
    with (
        tempfile.TemporaryDirectory(prefix="repro-drift-") as folder,
        ReplyStore(Path(folder) / "replies.sqlite") as store,
    ):
        asking, _ = ask_about(params.engine.ollama, name, text, prompts, store)
        replies = replies_of(asking, store)
    answered = [one for one in prompts if (one.role, one.node) in replies]
    substitutes = [old[wanted[one.role, one.node]] for one in answered]
    again = written_summaries(answered, replies, substitutes, ids, summarizer=text.summarizer)
    new = list(old)
    sampled = [wanted[summary.role, summary.node] for summary in again]
    for place, summary in zip(sampled, again, strict=True):
        new[place] = summary
    before = str(old[places[0]].reply["digest"])
    return _Redone(old, new, sampled, len(prompts) - len(answered), (before, asking.digest))


def _digest_note(params: Params, name: str, redone: _Redone) -> str:
    chat = chat_of(name, params.text[name])
    before, now = redone.digests
    if before == now:
        return f"Both by {chat.model}, digest {now[:12]}."
    return f"The model differs: {before[:12]} wrote the old ones, {chat.model} is {now[:12]} now."


def _text_rows(redone: _Redone) -> list[tuple[str, ...]]:
    from irllrec.text.drift import text_drift

    rows: list[tuple[str, ...]] = []
    for role in ("user", "item"):
        places = [place for place in redone.sampled if redone.old[place].role == role]
        if not places:
            continue
        found = text_drift([redone.old[place] for place in places], [redone.new[place] for place in places])
        whose = f"{len(places)} {role}s"
        rows += [
            ("same profile", whose, f"{found.same_profile.mean():.1%}", "", "", ""),
            _spread("likeness of profiles", whose, found.profile_likeness),
            ("same intents", whose, f"{found.same_intents.mean():.1%}", "", "", ""),
            _spread("words that intents share", whose, found.intent_overlap),
        ]
    return rows


def _vectors(layout: Layout, params: Params, name: str, redone: _Redone) -> dict[str, TextVectors] | None:
    from repro.stages.embed import embed, texts_of

    text = params.text[name]
    if text.embedder == "vectors":
        return None
    engine = params.engine.ollama
    sides = {OLD: redone.old, NEW: redone.new}
    return {side: embed(layout, engine, text, texts_of(summaries))[0] for side, summaries in sides.items()}


def _vector_rows(redone: _Redone, vectors: dict[str, TextVectors], *, fitted: bool) -> list[tuple[str, ...]]:
    from irllrec.text.drift import neighbour_drift, vector_drift

    rows: list[tuple[str, ...]] = []
    for role in ("user", "item"):
        nodes = [redone.old[place].node for place in redone.sampled if redone.old[place].role == role]
        if not nodes:
            continue
        changed = np.asarray(nodes, dtype=np.int64)
        for kind in ("profile", "intent"):
            old, new = (getattr(vectors[side], f"{role}_{kind}") for side in (OLD, NEW))
            whose = f"{kind} vectors, {len(nodes)} {role}s"
            rows.append(
                _spread("cosine of old and new", whose, vector_drift(old, new, changed, rotated=fitted))
            )
            rows.append(_spread("ten nearest that stay", whose, neighbour_drift(old, new, changed)))
    return rows


def _metric_rows(
    layout: Layout, params: Params, key: str, vectors: dict[str, TextVectors]
) -> list[tuple[str, ...]]:
    return [
        (
            found.metric,
            f"{found.user_count:,} users",
            f"{found.difference:+.4f} ({found.reference_mean:.4f} → {found.candidate_mean:.4f})",
            "",
            f"[{found.low:+.4f}, {found.high:+.4f}]",
            f"{found.p_corrected:.2g}",
        )
        for found in compare_trained(layout, params, key, vectors)
    ]


def _spread(what: str, whose: str, values: np.ndarray) -> tuple[str, ...]:
    return (what, whose, f"{values.mean():.3f}", f"{values.min():.3f}", "", "")
