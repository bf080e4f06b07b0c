"""Prompts: our templates, filled with the evidence about one node and kept within a budget of tokens."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from string import Template

from irllrec.data.interactions import Interactions
from irllrec.data.prepared import PreparedText
from irllrec.errors import TextError
from irllrec.text.corpus import profiles_of
from irllrec.text.evidence import (
    Evidence,
    EvidenceLine,
    Quote,
    QuoteKind,
    count_tokens,
    fitting,
    gather_evidence,
    quotable,
    shorten,
)
from irllrec.text.records import ROLES, Role, hash_texts
from irllrec.text.replies import STYLES, Style, schema_of

__all__ = ["DOMAINS", "Prompt", "Style", "build_distil_prompts", "build_prompts", "count_tokens"]

DOMAINS = ("books", "businesses", "games", "movies", "generic")

MESSAGE_TOKENS = 8
"""What a chat template puts around a message, at most."""

LEAST_ROOM = 400
"""Tokens that must be left for evidence, so that the shortest form of any line fits."""

LONGEST_QUOTES: tuple[dict[QuoteKind, int], ...] = (
    {"own": 600, "title": 40, "tags": 48, "description": 90, "review": 300},
    {"own": 240, "title": 40, "tags": 32, "description": 48, "review": 140},
    {"own": 120, "title": 24, "tags": 16, "description": 24, "review": 60},
)
"""Most tokens of one text by its kind: the first row under which everything fits is used, else the last."""

_INDENT = "\n "
_INDENT_TOKENS = 3
_DASH_TOKENS = 3
_PLACE = "$evidence"


@dataclass(frozen=True)
class Prompt:
    """What a language model is asked about one node. No id and no number of a node stands in it.

    Attributes:
        role: ``"user"`` or ``"item"``.
        node: Index of the node.
        messages: Role and text of each message: ``system``, then ``user``.
        saw: Training (user, item) pairs whose text or fact stands in it, ascending.
        input_sha256: Hash of what the node brought.
        template: For example ``"user-reasoning-books"``.
        template_sha256: Hash of system message, template, headings and schema, filled for role, style
            and domain but without the node.
        estimated_tokens: :func:`count_tokens` of all messages and what stands around them, or a little
            more.
    """

    role: Role
    node: int
    messages: tuple[tuple[str, str], ...]
    saw: tuple[tuple[int, int], ...]
    input_sha256: str
    template: str
    template_sha256: str
    estimated_tokens: int


@dataclass(frozen=True)
class PromptTemplate:
    """A template filled with the words of a domain, cut where the evidence belongs."""

    name: str
    system: str
    before: str
    after: str
    headings: tuple[str, str]

    @property
    def sha256(self) -> str:
        """Hash of all text that does not come from a node."""
        return hash_texts((self.name, self.system, self.before, self.after, *self.headings))

    @property
    def tokens(self) -> int:
        """Estimate of everything but the evidence."""
        texts = (self.system, self.before, self.after)
        return sum(map(count_tokens, texts)) + 2 * MESSAGE_TOKENS


def build_prompts(
    rows: Sequence[PreparedText], train: Interactions, *, domain: str, style: Style, most_tokens: int
) -> list[Prompt]:
    """Return one prompt a node, users first, in node order; a node of which nothing is known has none.

    What does not fit is left out in a fixed way: first long texts are cut, then whole lines are left
    out, spread evenly over the list. The prompt says how many lines of how many it shows, and ``saw``
    holds the pairs of the shown lines only.

    Args:
        rows: The prepared texts; those of held-out interactions are not read.
        train: The training interactions.
        domain: One of :data:`DOMAINS`.
        style: ``reasoning``, ``plain``, or ``distil`` (:func:`build_distil_prompts`).
        most_tokens: Most tokens of a prompt by :func:`count_tokens`, chat template included.

    Raises:
        TextError: If the domain or style is unknown, ``most_tokens`` is too small for the template, or
            a text is marked as training but its interaction is not.
    """
    if style == "distil":
        return build_distil_prompts(rows, domain=domain, most_tokens=most_tokens)
    evidence = gather_evidence(rows, train)
    prompts = []
    for role in ROLES:
        known = (node for node in evidence[role] if node.own or node.listed)
        prompts.extend(_prompts_of(role, known, domain, style, most_tokens))
    return prompts


def build_distil_prompts(rows: Iterable[PreparedText], *, domain: str, most_tokens: int) -> list[Prompt]:
    """Return one prompt for every node with a published profile: intents are wanted, the profile stays.

    What a published profile has seen is not known, so ``saw`` is empty.

    Raises:
        TextError: As :func:`build_prompts`.
    """
    profiles = {key: text for key, raw in profiles_of(rows).items() if (text := quotable(raw))}
    prompts = []
    for role in ROLES:
        known = (
            Evidence(role, node, (EvidenceLine((Quote("own", "profile", profiles[role, node]),), None),), ())
            for node in sorted(node for of_role, node in profiles if of_role == role)
        )
        prompts.extend(_prompts_of(role, known, domain, "distil", most_tokens))
    return prompts


def load_template(role: Role, style: Style, domain: str) -> PromptTemplate:
    """Return the template of a role and style in the words of a domain.

    Raises:
        TextError: Naming the domain or style that does not exist, and those that do.
    """
    if domain not in DOMAINS:
        raise TextError(f"{domain!r} is no domain: choose one of {', '.join(DOMAINS)}.")
    if style not in STYLES:
        raise TextError(f"{style!r} is no style of prompts: choose one of {', '.join(STYLES)}.")
    words = tomllib.loads(_read("domains.toml"))[domain]
    headings = tomllib.loads(_read("headings.toml"))[role]
    schema = json.dumps(schema_of(style), separators=(",", ":"))
    system, asked = (
        Template(_read(name)).safe_substitute(words, schema=schema)
        for name in ("system.txt", f"{role}.{style}.txt")
    )
    before, place, after = asked.strip().partition(_PLACE)
    assert place and "$" not in before + after + system, (role, style, domain)
    return PromptTemplate(
        name=f"{role}-{style}-{domain}",
        system=system.strip(),
        before=before,
        after=after,
        headings=(
            Template(headings["own"]).safe_substitute(words),
            Template(headings["listed"]).safe_substitute(words),
        ),
    )


def _read(name: str) -> str:
    return (files("irllrec.text") / "templates" / name).read_text(encoding="utf-8")


def _prompts_of(
    role: Role, known: Iterable[Evidence], domain: str, style: Style, most_tokens: int
) -> list[Prompt]:
    template = load_template(role, style, domain)
    fixed, digest = template.tokens, template.sha256
    room = most_tokens - fixed
    if room < LEAST_ROOM:
        raise TextError(
            f"A prompt may have {most_tokens} tokens, but the template {template.name} takes {fixed} and "
            f"evidence needs {LEAST_ROOM}: allow {fixed + LEAST_ROOM} or more, for example by a larger num_ctx."
        )
    prompts = []
    cutter = _Cutter()
    for evidence in known:
        block, saw = _fill(evidence, template.headings, room, cutter)
        tokens = fixed + count_tokens(block)
        assert tokens <= most_tokens, (role, evidence.node, tokens)
        messages = (("system", template.system), ("user", f"{template.before}{block}{template.after}"))
        prompts.append(
            Prompt(role, evidence.node, messages, saw, _hash(block), template.name, digest, tokens)
        )
    return prompts


def _hash(block: str) -> str:
    return hashlib.sha256(block.encode("utf-8")).hexdigest()


class _Cutter:
    """Quotes as they stand in a prompt, each counted and cut once however many nodes share it."""

    def __init__(self) -> None:
        self._tokens: dict[Quote, tuple[int, int]] = {}
        self._shown: tuple[dict[Quote, str], ...] = tuple({} for _ in LONGEST_QUOTES)

    def costs(self, lines: Sequence[EvidenceLine], start_tokens: int, row: int) -> list[int]:
        """Return at least the tokens of each line, its start and its end included.

        Args:
            lines: The lines.
            start_tokens: Tokens of what stands before each line.
            row: Row of :data:`LONGEST_QUOTES`.
        """
        caps, tokens = LONGEST_QUOTES[row], self._tokens
        costs = []
        for line in lines:
            cost = start_tokens
            for quote in line.quotes:
                counts = tokens.get(quote)
                if counts is None:
                    label = count_tokens(f"{quote.label}: ") if quote.label else 0
                    counts = tokens[quote] = (count_tokens(quote.text), label + _INDENT_TOKENS)
                cost += min(counts[0], caps[quote.kind]) + counts[1]
            costs.append(cost)
        return costs

    def render(self, line: EvidenceLine, row: int) -> str:
        """Return a line, each quote after the first one in an indented line of its own."""
        return _INDENT.join([self._render(quote, row) for quote in line.quotes])

    def _render(self, quote: Quote, row: int) -> str:
        shown = self._shown[row].get(quote)
        if shown is None:
            shown = shorten(quote.text, LONGEST_QUOTES[row][quote.kind])
            shown = self._shown[row][quote] = f"{quote.label}: {shown}" if quote.label else shown
        return shown


def _fill(
    evidence: Evidence, headings: tuple[str, str], room: int, cutter: _Cutter
) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Return the evidence within ``room`` tokens as text, and the pairs that stand in it, ascending."""
    own, listed = evidence.own, evidence.listed
    present = [(head, lines) for head, lines in zip(headings, (own, listed), strict=True) if lines]
    room -= sum(
        count_tokens(_heading(head, len(lines), len(lines))) + _INDENT_TOKENS for head, lines in present
    )
    number_tokens = count_tokens(f"{len(listed)}. ")
    for row in range(len(LONGEST_QUOTES)):
        own_costs = cutter.costs(own, _DASH_TOKENS, row)
        listed_costs = cutter.costs(listed, number_tokens, row)
        if sum(own_costs) + sum(listed_costs) <= room:
            break
    own_shown = fitting(own_costs, max(room - sum(listed_costs), room // 2))
    listed_shown = fitting(listed_costs, room - sum(own_costs[place] for place in own_shown))
    assert own_shown or listed_shown, (evidence.role, evidence.node)
    parts = []
    if own:
        parts.append(_heading(headings[0], len(own_shown), len(own)))
        parts.extend(f"- {cutter.render(own[place], row)}" for place in own_shown)
    if listed:
        parts.extend([""] if own else [])
        parts.append(_heading(headings[1], len(listed_shown), len(listed)))
        shown = (cutter.render(listed[place], row) for place in listed_shown)
        parts.extend(f"{number}. {text}" for number, text in enumerate(shown, 1))
    pairs = (listed[place].pair for place in listed_shown)
    return "\n".join(parts), tuple(sorted(pair for pair in pairs if pair is not None))


def _heading(heading: str, shown: int, all_lines: int) -> str:
    return Template(heading).substitute(shown=shown, all=all_lines)
