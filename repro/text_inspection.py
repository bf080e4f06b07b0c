"""One node's summary with all that is known of it, and the export of all summaries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.errors import ReproError
from repro.language_model import asking_of
from repro.layout import Layout
from repro.params import Params
from repro.text_params import ASKING
from repro.text_work import Entry, known_digest, load_entry, reading

if TYPE_CHECKING:
    from irllrec.text.records import NodeIds, Role, Summary

LONGEST_RAW = 300


def describe_node(
    layout: Layout, params: Params, name: str, role: Role, node: str, *, with_prompt: bool
) -> Iterator[str]:
    """Yield lines about one user or item: its summary, where it is from, and failed attempts.

    Args:
        layout: The checkout.
        params: Its params.yaml.
        name: An entry under ``text``.
        role: Of the node.
        node: The node's id, as in the source data.
        with_prompt: Also yield the prompt, where a language model is asked.

    Raises:
        ReproError: If there is no such entry or node.
        TextError: If the summaries are not made yet and no language model is asked.
    """
    from irllrec.text.records import NodeIds

    text = params.text_of(name)
    ids = NodeIds.load(layout.prepared(text.dataset))
    index = _index(ids, role, node, text.dataset)
    yield f"{role} {node} of {name}, number {index}"
    path = layout.text(name) / "summaries.jsonl"
    if path.is_file() or text.summarizer not in ASKING:
        yield from _summary_lines(_summary(path, role, index), ids)
    if text.summarizer in ASKING:
        yield from _asked_lines(layout, params, load_entry(layout, params, name), role, index, with_prompt)


def export_summaries(layout: Layout, params: Params, name: str, path: Path) -> Mapping[str, Any]:
    """Write the summaries of an entry to ``path`` and return the header of the file.

    Raises:
        ReproError: If there is no such entry, or the file's name does not end in ``.gz``.
        TextError: If the summaries are not made yet.
    """
    from irllrec.text.exports import write_export
    from irllrec.text.records import NodeIds, load_summaries, summary_lines

    text = params.text_of(name)
    if path.suffix != ".gz":
        raise ReproError(f"--to is {path}: end the name in .gz, which `pinned` unpacks.")
    ids = NodeIds.load(layout.prepared(text.dataset))
    summaries = load_summaries(layout.text(name) / "summaries.jsonl", ids)
    return write_export(path, summary_lines(summaries), _provenance(name, text.dataset, summaries))


def _provenance(name: str, dataset: str, summaries: Sequence[Summary]) -> dict[str, Any]:
    """Return what an export tells about its records: counts, models, templates, versions."""
    told: dict[str, set[str]] = {"models": set(), "templates": set(), "server_versions": set()}
    for summary in summaries:
        if summary.reply:
            told["models"].add(f"{summary.model}@{summary.reply['digest']}")
            told["templates"].add(f"{summary.template}@{summary.reply['template_sha256']}")
            told["server_versions"].add(str(summary.reply["server_version"]))
    return {
        "entry": name,
        "dataset": dataset,
        "roles": dict(Counter(summary.role for summary in summaries)),
        "summarizers": dict(Counter(summary.summarizer for summary in summaries)),
        "fallbacks": dict(Counter(summary.fallback for summary in summaries if summary.fallback)),
        **{key: sorted(values) for key, values in told.items()},
    }


def _index(ids: NodeIds, role: Role, node: str, dataset: str) -> int:
    known = [str(one) for one in ids.of(role)]
    if node not in known:
        raise ReproError(
            f"{dataset} has no {role} {node!r} among its {len(known):,}; the first are {', '.join(known[:3])}."
        )
    return known.index(node)


def _summary(path: Path, role: Role, index: int) -> Summary:
    from irllrec.text.records import read_summaries

    return next(one for one in read_summaries(path) if (one.role, one.node) == (role, index))


def _summary_lines(summary: Summary, ids: NodeIds) -> Iterator[str]:
    from irllrec.text.evidence import single_line

    yield f"profile    {single_line(summary.profile) or '(none)'}"
    for number, intent in enumerate(summary.intents, start=1):
        yield f"intent {number}   {single_line(intent)}"
    if summary.reasoning:
        yield f"reasoning  {single_line(summary.reasoning)}"
    origin = [summary.summarizer, *([f"in its place {summary.fallback}"] if summary.fallback else [])]
    origin += [f"{summary.model}"] if summary.model else []
    origin += [f"template {summary.template}"] if summary.template else []
    yield f"from       {', '.join(origin)}"
    for key, value in {**summary.options, **summary.reply}.items():
        yield f"           {key} {value}"
    other: Role = "item" if summary.role == "user" else "user"
    seen = [str(ids.of(other)[pair[1] if other == "item" else pair[0]]) for pair in summary.saw]
    yield f"saw        {len(seen)} training interactions{': ' + other + 's ' + ', '.join(seen[:20]) if seen else ''}"


def _asked_lines(
    layout: Layout, params: Params, entry: Entry, role: Role, index: int, with_prompt: bool
) -> Iterator[str]:
    from irllrec.text.evidence import single_line

    place = next((n for n, one in enumerate(entry.prompts) if (one.role, one.node) == (role, index)), None)
    if place is None:
        yield "asked      never: nothing is known of it that training may see"
        return
    assert entry.text.chat is not None
    with reading(layout, entry.text.dataset) as store:
        digest, _ = known_digest(params, entry, store)
        question = asking_of(entry.text, entry.text.chat, entry.prompts, digest).questions[place]
        reply = None if store is None else store.reply(question.key)
        failures = [] if store is None else store.failures(question.key)
        quarantined = None if store is None else store.quarantined().get(question.key)
    if reply is not None:
        yield (
            f"reply      attempt {reply.attempt}, {reply.asked_at}, {reply.seconds:.1f} s on {reply.host}, "
            f"{reply.prompt_tokens} + {reply.reply_tokens} tokens"
        )
    else:
        yield f"reply      {'given up: ' + quarantined.sentence if quarantined else 'not asked yet'}"
    for failure in failures:
        yield f"attempt {failure.attempt}  {failure.kind}: {single_line(failure.sentence)}"
        if failure.content:
            yield f"           raw: {single_line(failure.content)[:LONGEST_RAW]}"
    if with_prompt:
        for speaker, words in entry.prompts[place].messages:
            yield f"--- {speaker}"
            yield words
