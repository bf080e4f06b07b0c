"""What ``repro text`` does: tells how much there is to ask and how long it takes, asks, and tells what came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING

from repro.durations import spoken
from repro.errors import ReproError
from repro.language_model import asking_of, chat_of, find_digest, host_addresses, no_model, prompts_of
from repro.layout import Layout
from repro.params import Params
from repro.tables.listing import listing
from repro.tables.model import Table
from repro.text_params import ASKING, Text
from repro.text_run import ask_about, said

if TYPE_CHECKING:
    from irllrec.text.prompts import Prompt
    from irllrec.text.store import ReplyStore

SPEEDS = {
    "a laptop without GPU": (60.0, 8.0),
    "one GPU of 8-12 GB": (1_500.0, 60.0),
    "one data-centre GPU, 8 requests at once": (8_000.0, 400.0),
}
"""Prompt and reply tokens a second of a quantised 7-8 B model: rough, for an estimate before anything ran."""

ASSUMED_REPLY_TOKENS = {"reasoning": 320, "plain": 180, "distil": 50}
"""Until replies are there: a profile of at most 100 words, three phrases, and the reasoning."""

LEAST_REPLIES = 20
"""Fewer replies than this give no estimate of speed."""


@dataclass(frozen=True)
class Entry:
    """One entry under ``text`` with the prompts that it is for."""

    name: str
    text: Text
    prompts: Sequence[Prompt]


def asking_entries(params: Params, names: Sequence[str] | None) -> list[str]:
    """Return the entries that ask a language model: those named, or those of the named data sets.

    Raises:
        ReproError: If a name is no entry, an entry asks no model, or there is none.
    """
    found = []
    for name in names or ():
        text = params.text_of(name)
        if text.summarizer not in ASKING:
            raise no_model(name, text)
        found.append(name)
    found = found or [name for name, text in params.text.items() if text.summarizer in ASKING]
    if not found:
        raise ReproError(
            "params.yaml: no entry under `text` asks a language model: set `summarizer: ollama` and "
            "`chat: {model: NAME}` for one (docs/ollama.md)."
        )
    return found


def load_entry(layout: Layout, params: Params, name: str) -> Entry:
    """Return an entry with its prompts, made from the prepared data.

    Raises:
        ReproError, DataError, TextError: If it asks no model, the data are not prepared or hold no text.
    """
    from irllrec.data.prepared import load_split, load_texts

    text = params.text[name]
    prepared = layout.prepared(text.dataset)
    if not prepared.is_dir():
        raise ReproError(f"{prepared} is missing: prepare the data with `dvc repro prepare@{text.dataset}`.")
    prompts = prompts_of(text, chat_of(name, text), load_texts(prepared), load_split(prepared, "train"))
    return Entry(name, text, prompts)


def ask_entry(layout: Layout, params: Params, name: str, *, retry: bool = False) -> str:
    """Ask what the entry ``name`` has no reply for, and return one sentence about it.

    Raises:
        ReproError, DataError, TextError: Where nothing can be asked; what was finished is kept.
    """
    from irllrec.text.store import ReplyStore

    entry = load_entry(layout, params, name)
    with ReplyStore(layout.replies(entry.text.dataset)) as store:
        _, outcome = ask_about(params.engine.ollama, name, entry.text, entry.prompts, store, retry=retry)
    return f"{name}: {said(outcome)}"


def estimate_table(layout: Layout, params: Params, names: Sequence[str]) -> Table:
    """Return how many prompts and tokens each entry has, and the hours they take; nothing is asked."""
    rows: list[tuple[str, ...]] = []
    notes: list[str] = []
    for name in names:
        entry = load_entry(layout, params, name)
        with reading(layout, entry.text.dataset) as store:
            rows += _estimates(params, entry, store, notes)
    columns = (
        "entry",
        "role",
        "prompts",
        "to ask",
        "tokens a prompt",
        "prompt tokens",
        "reply tokens",
        "time",
    )
    return listing("What a language model would be asked", columns, rows, notes)


def _estimates(
    params: Params, entry: Entry, store: ReplyStore | None, notes: list[str]
) -> list[tuple[str, ...]]:
    chat = chat_of(entry.name, entry.text)
    digest, unknown = known_digest(params, entry, store)
    asking = asking_of(entry.text, chat, entry.prompts, digest)
    settled = set() if store is None else store.answered() | set(store.quarantined())
    style = asking.questions[0].style
    replies = _reply_facts(store, chat.model)
    reply_tokens = fmean(replies["tokens"]) if replies else ASSUMED_REPLY_TOKENS[style]
    rows: list[tuple[str, ...]] = []
    asked_before = set(settled)
    totals: Counter[str] = Counter()
    for role in ("user", "item"):
        of_role = [
            (prompt, question)
            for prompt, question in zip(asking.prompts, asking.questions, strict=True)
            if prompt.role == role
        ]
        tokens = [prompt.estimated_tokens for prompt, _ in of_role]
        pending = []
        for prompt, question in of_role:
            if question.key not in asked_before:
                asked_before.add(question.key)
                pending.append(prompt.estimated_tokens)
        totals += Counter(prompts=len(pending), prompt=sum(pending))
        rows.append(
            (
                entry.name,
                role,
                f"{len(of_role):,}",
                f"{len(pending):,}",
                f"{fmean(tokens):,.0f} (most {max(tokens):,})" if tokens else "–",
                f"{sum(pending):,}",
                f"{len(pending) * reply_tokens:,.0f}",
                "",
            )
        )
    said = totals["prompt"], totals["prompts"] * reply_tokens
    hosts = host_addresses(params.engine.ollama)
    if replies:
        lanes = len(hosts) * params.engine.ollama.requests_per_host
        seconds = totals["prompts"] * median(replies["seconds"]) / lanes
        rows[-1] = (*rows[-1][:-1], f"about {spoken(seconds)}")
        notes.append(
            f"{entry.name}: time and reply tokens from {len(replies['seconds']):,} replies of {chat.model} so far "
            f"(median {median(replies['seconds']):.1f} s each), {lanes} at once."
        )
    else:
        times = [
            f"{spoken(said[0] / read + said[1] / write)} on {machine} ({read:,.0f} and {write:,.0f} tokens/s)"
            for machine, (read, write) in SPEEDS.items()
        ]
        notes.append(
            f"{entry.name}: no speed is known yet, and {reply_tokens} tokens a reply are assumed. At typical "
            f"speeds of reading and writing: {'; '.join(times)}."
        )
    if unknown:
        notes.append(f"{entry.name}: {unknown}")
    notes.append(f"{entry.name}: {chat.model} on {', '.join(hosts)}; tokens are counted on the safe side.")
    return rows


def known_digest(params: Params, entry: Entry, store: ReplyStore | None) -> tuple[str, str]:
    """Return the digest that the hosts have, else the last one in the store, and what is not known."""
    from irllrec.errors import TextError

    chat = chat_of(entry.name, entry.text)
    try:
        return find_digest(params.engine.ollama, entry.text, chat, entry.prompts, store), ""
    except TextError as error:
        digests = [] if store is None else store.digests(chat.model)
        return (digests[-1] if digests else ""), str(error)


def _reply_facts(store: ReplyStore | None, model: str) -> Mapping[str, list[float]]:
    """Return seconds and tokens of a model's replies, nothing where there are too few."""
    facts = [] if store is None else store.costs(model)
    if len(facts) < LEAST_REPLIES:
        return {}
    return {
        "seconds": [seconds for seconds, _ in facts],
        "tokens": [float(tokens or 0) for _, tokens in facts],
    }


def status_table(layout: Layout, params: Params, names: Sequence[str]) -> Table:
    """Return how far each entry is: answered, failed, given up, and by which model."""
    rows, notes = [], []
    for name in names:
        entry = load_entry(layout, params, name)
        chat = chat_of(name, entry.text)
        with reading(layout, entry.text.dataset) as store:
            digest, unknown = known_digest(params, entry, store)
            asking = asking_of(entry.text, chat, entry.prompts, digest)
            keys = {question.key for question in asking.questions}
            answered = set() if store is None else store.answered() & keys
            given_up = {} if store is None else store.quarantined()
            kinds = Counter(given_up[key].kind for key in keys & set(given_up))
            failures: Counter[str] = Counter()
            if store is not None:
                for key, counts in store.failure_counts().items():
                    failures += counts.ever if key in keys else Counter()
        rows.append(
            (
                name,
                chat.model,
                digest[:12] or "–",
                f"{len(keys):,}",
                f"{len(answered):,} ({len(answered) / len(keys):.1%})",
                f"{len(keys) - len(answered) - kinds.total():,}",
                _counted(kinds),
            )
        )
        notes += [f"{name}: failed attempts so far: {_counted(failures)}."] if failures else []
        notes += [f"{name}: {unknown}"] if unknown else []
    columns = ("entry", "model", "digest", "questions", "answered", "to ask", "given up")
    return listing("Replies of language models", columns, rows, notes)


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "0"


@contextmanager
def reading(layout: Layout, dataset: str) -> Iterator[ReplyStore | None]:
    """Yield the replies of a data set for reading, also while another process asks; None if there are none."""
    from irllrec.text.store import ReplyStore

    path = layout.replies(dataset)
    if not path.is_file():
        yield None
        return
    with ReplyStore(path, read_only=True) as store:
        yield store
