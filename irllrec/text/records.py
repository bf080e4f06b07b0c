"""Summary records: what a summarizer wrote about a node, and what it saw while writing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from irllrec.data.prepared import load_ids
from irllrec.data.storage import MOST_NODES, write_text
from irllrec.data.untrusted import parse_json
from irllrec.errors import TextError
from irllrec.text.exports import read_export

Role = Literal["user", "item"]
ROLES: tuple[Role, ...] = ("user", "item")
MOST_INTENTS = 3


@dataclass(frozen=True)
class Summary:
    """Profile and intents of one node, one line of ``summaries.jsonl``.

    Attributes:
        role: ``"user"`` or ``"item"``.
        node: Index of the user or item.
        id: The node's id in the source data.
        profile: One or a few sentences; empty where there was no text.
        intents: Up to three short phrases.
        reasoning: How the summarizer came to it; may be empty.
        summarizer: Name of what wrote it.
        saw: User-item index pairs of every interaction whose text or fact was used.
        input_sha256: Hash of the text that was read.
        fallback: ``None``, ``"none"`` where there was no text at all, or the summarizer that
            stepped in.
        template: Name of the sentence or prompt template.
        model: Name of the language model, if any.
        options: Settings of the summarizer.
        reply: What is known of a language model's reply: digest of the model, hash of the template,
            attempt and its seed, token counts, done reason, server version.
    """

    role: Role
    node: int
    id: str | int
    profile: str
    intents: tuple[str, ...]
    reasoning: str
    summarizer: str
    saw: tuple[tuple[int, int], ...]
    input_sha256: str
    fallback: str | None = None
    template: str | None = None
    model: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    reply: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NodeIds:
    """The ids of all users and items in node order."""

    users: tuple[str | int, ...]
    items: tuple[str | int, ...]

    @classmethod
    def load(cls, prepared: Path) -> NodeIds:
        """Return the ids of a prepared folder."""
        return cls(tuple(load_ids(prepared, "user")), tuple(load_ids(prepared, "item")))

    def of(self, role: Role) -> tuple[str | int, ...]:
        """Return the ids of one role."""
        return self.users if role == "user" else self.items


def hash_texts(texts: Iterable[str]) -> str:
    """Return the SHA-256 of texts in their order, each ended by a unit separator."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode("utf-8") + b"\x1f")
    return digest.hexdigest()


def write_summaries(path: Path, summaries: Iterable[Summary]) -> None:
    """Write one JSON line a summary, atomically."""
    write_text(path, "".join(f"{line}\n" for line in summary_lines(summaries)))


def summary_lines(summaries: Iterable[Summary]) -> list[str]:
    """Return the summaries as they stand in a file, one JSON text each."""
    return [json.dumps(asdict(summary), ensure_ascii=False, allow_nan=False) for summary in summaries]


def read_summaries(path: Path) -> list[Summary]:
    """Return the summaries of a JSONL file in its order; a compressed one is an export.

    Raises:
        TextError: Naming the file and the line that is not a summary record.
    """
    if path.suffix == ".gz":
        return parse_summaries(read_export(path).lines, path, first_line=2)
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        raise TextError(
            f"{path} is missing: run the stage summarize first, for example with `dvc repro`."
        ) from None
    except UnicodeDecodeError as error:
        raise TextError(f"{path} is not UTF-8 ({error.reason}): store it as UTF-8.") from None
    return parse_summaries(lines, path)


def load_summaries(path: Path, ids: NodeIds) -> list[Summary]:
    """Return the summaries of a file in node order, users first, one for every node.

    Raises:
        TextError: As :func:`read_summaries` and :func:`check_coverage`.
    """
    return check_coverage(read_summaries(path), ids, str(path))


def parse_summaries(lines: Iterable[str], path: Path, first_line: int = 1) -> list[Summary]:
    """Return the summaries of JSON lines; ``path`` and the line are named in errors.

    Raises:
        TextError: If a line is not a summary record.
    """
    return [
        _parse(line, f"{path}, line {number}")
        for number, line in enumerate(lines, first_line)
        if line.strip()
    ]


def check_coverage(summaries: Iterable[Summary], ids: NodeIds, source: str) -> list[Summary]:
    """Return the summaries in node order, users first, after checking that each node has one.

    Raises:
        TextError: If a node is missing, stands twice, is unknown or carries another id.
    """
    by_node: dict[tuple[Role, int], Summary] = {}
    for summary in summaries:
        known = ids.of(summary.role)
        if not 0 <= summary.node < len(known):
            raise TextError(
                f"{source}: {summary.role} {summary.node} ({summary.id!r:.80}) is not among the {len(known)} "
                f"{summary.role}s of the data set: make the summaries for this data set."
            )
        if str(known[summary.node]) != str(summary.id):
            raise TextError(
                f"{source}: {summary.role} {summary.node} has the id {summary.id!r:.80} but the data set "
                f"says {known[summary.node]!r}: make the summaries for this data set."
            )
        if (summary.role, summary.node) in by_node:
            raise TextError(
                f"{source}: {summary.role} {summary.id!r:.80} stands there twice: keep one record a node."
            )
        by_node[summary.role, summary.node] = summary
    for role in ROLES:
        for node, name in enumerate(ids.of(role)):
            if (role, node) not in by_node:
                raise TextError(f"{source}: there is no record for {role} {name!r}: add one a node.")
    return [by_node[role, node] for role in ROLES for node in range(len(ids.of(role)))]


def _parse(line: str, place: str) -> Summary:
    try:
        content = parse_json(line)
    except ValueError as error:
        raise TextError(f"{place} is not JSON ({error}): make the file again.") from None
    if not isinstance(content, dict):
        raise TextError(f"{place} is not a JSON object: write one record a line.")
    required = ("role", "node", "id", "profile", "intents", "summarizer", "saw")
    missing = [name for name in required if name not in content]
    unknown = sorted(set(content) - {entry.name for entry in fields(Summary)})
    if missing or unknown:
        problem = f"lacks {missing[0]!r}" if missing else f"has the unknown key {unknown[0]!r:.80}"
        raise TextError(f"{place} {problem}: a summary record has {', '.join(required)} and provenance.")
    if content["role"] not in ROLES:
        raise TextError(f"{place} has the role {content['role']!r:.80}: it must be user or item.")
    intents = content["intents"]
    if not isinstance(intents, list) or len(intents) > MOST_INTENTS or not all(map(_is_text, intents)):
        raise TextError(
            f"{place} has the intents {intents!r:.80}: give a list of up to {MOST_INTENTS} texts."
        )
    if not _is_text(content["profile"]):
        raise TextError(f"{place} has the profile {content['profile']!r:.80}: give a text, or an empty one.")
    if isinstance(content["node"], bool) or not isinstance(content["node"], int):
        raise TextError(f"{place} has the node {content['node']!r:.80}: give the node's index.")
    for name, kinds in _KINDS.items():
        if not isinstance(content.get(name, kinds[0]()), kinds) or isinstance(content.get(name), bool):
            raise TextError(
                f"{place} has the {name} {content[name]!r:.80}: it is of another type in a summary record."
            )
    defaults: dict[str, Any] = {"reasoning": "", "input_sha256": ""}
    return Summary(**{**defaults, **content, "intents": tuple(intents), "saw": _pairs(content["saw"], place)})


_KINDS: Mapping[str, tuple[type, ...]] = {
    "id": (str, int),
    "reasoning": (str,),
    "summarizer": (str,),
    "input_sha256": (str,),
    "fallback": (str, type(None)),
    "template": (str, type(None)),
    "model": (str, type(None)),
    "options": (dict,),
    "reply": (dict,),
}


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _pairs(value: object, place: str) -> tuple[tuple[int, int], ...]:
    try:
        pairs = tuple((int(user), int(item)) for user, item in value)  # type: ignore[attr-defined]
    except (TypeError, ValueError, OverflowError):
        raise TextError(
            f"{place} has the key saw with {value!r:.80}: give [user, item] index pairs."
        ) from None
    if any(not 0 <= node < MOST_NODES for pair in pairs for node in pair):
        raise TextError(f"{place} has the key saw with {value!r:.80}: give [user, item] index pairs.")
    return pairs
