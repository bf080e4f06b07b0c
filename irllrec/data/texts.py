"""Texts of users and items: JSONL, RecBole ``.user``/``.item`` files and plain tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irllrec.data.interactions import Id
from irllrec.data.raw import TextRecord
from irllrec.data.tables import read_columns
from irllrec.data.untrusted import parse_json
from irllrec.errors import DataError

TITLE_KEYS = ("title", "name")
PROSE_KEYS = ("text", "description")
TAG_KEYS = ("genres", "genre", "tags", "categories", "category", "class", "brand", "features", "metadata")


@dataclass(frozen=True)
class TextFile:
    """What a text file gave: the records, the keys that were not used, the reviews of nobody knows what."""

    records: list[TextRecord]
    ignored_keys: tuple[str, ...]
    reviews_without_interaction: int
    skipped_rows: int


def read_text_file(
    path: Path,
    role: str,
    resolve_user: Callable[[Any], Id | None],
    resolve_item: Callable[[Any], Id | None],
    is_interaction: Callable[[Id, Id], bool],
    *,
    skip_unknown: bool = False,
) -> TextFile:
    """Return the texts of one file about users or items.

    A row names its node by ``user_id`` or ``item_id`` and may have ``title``, ``profile``,
    ``text``, ``reviews`` (a list of strings, or of objects with ``text`` and the id of the other
    side), ``description``, and tags such as ``genres``, which keep the name of their field. A row that
    names both sides is a review.

    Args:
        path: A ``.jsonl`` file, a RecBole ``.user``/``.item`` file, or a csv, tsv or parquet table.
        role: ``user`` or ``item``: whom the file is about.
        resolve_user: Gives a user's id as in the interactions, None for an unknown one.
        resolve_item: Likewise for items.
        is_interaction: Whether a user and an item interacted in any split.
        skip_unknown: Leave out rows about a node that is in no interaction, and count them.

    Raises:
        DataError: Naming the file, the line and the id or key that is wrong.
    """
    reader = _Reader(path, role, resolve_user, resolve_item, is_interaction)
    skipped = 0
    for line, row in _rows(path):
        if skip_unknown and reader.is_unknown(row):
            skipped += 1
        else:
            reader.read_row(line, row)
    if not reader.records:
        raise DataError(
            f"{path} holds no text: give rows with {role}_id and title, profile, text, reviews or tags."
        )
    return TextFile(reader.records, tuple(sorted(reader.ignored)), reader.loose_reviews, skipped)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the line number and the fields of every row."""
    if path.suffix.lower() not in (".jsonl", ".json", ".ndjson"):
        columns = read_columns(path)
        typed = bool(columns.types)
        for row in range(len(columns)):
            cells: dict[str, Any] = {}
            for name, values in columns.values.items():
                kind = columns.types.get(name, "token")
                if values[row] and (kind.startswith("token") or name.endswith("_id")):
                    cells[_atomic_key(name, values[row], kind) if typed else name] = _atomic_value(
                        name, values[row], kind, typed
                    )
            yield columns.first_line + row, cells
        return
    try:
        with path.open(encoding="utf-8-sig") as handle:
            for line, content in enumerate(handle, start=1):
                if not content.strip():
                    continue
                try:
                    row = parse_json(content)
                except ValueError as error:
                    raise DataError(f"{path}, line {line} is not JSON ({error}): mend the line.") from None
                if not isinstance(row, dict):
                    raise DataError(f"{path}, line {line} is not a JSON object: write {{...}} on each line.")
                yield line, row
    except FileNotFoundError:
        raise DataError(f"{path} is missing: check the path.") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text: save it as UTF-8.") from None


def _atomic_key(name: str, value: str, kind: str) -> str:
    """Return under which key a RecBole column is read: its titles and tags have many names."""
    if name in ("user_id", "item_id") or name in (*TITLE_KEYS, *PROSE_KEYS, *TAG_KEYS, "profile", "reviews"):
        return name
    return "title" if name.endswith(("_title", "_name")) else f"tag:{name}"


def _atomic_value(name: str, value: str, kind: str, typed: bool) -> str:
    """Return a cell as text; a single RecBole token such as ``M`` is given its column's name."""
    plain = name in ("user_id", "item_id", "profile", "reviews", *TITLE_KEYS, *PROSE_KEYS)
    if not typed or plain or kind == "token_seq" or name.endswith(("_title", "_name")):
        return value
    return f"{name.replace('_', ' ')} {value}"


class _Reader:
    def __init__(
        self,
        path: Path,
        role: str,
        resolve_user: Callable[[Any], Id | None],
        resolve_item: Callable[[Any], Id | None],
        is_interaction: Callable[[Id, Id], bool],
    ) -> None:
        self.path = path
        self.role = role
        self.resolve = {"user": resolve_user, "item": resolve_item}
        self.is_interaction = is_interaction
        self.records: list[TextRecord] = []
        self.ignored: set[str] = set()
        self.loose_reviews = 0
        self.once: dict[tuple[str, Id], int] = {}

    def is_unknown(self, row: dict[str, Any]) -> bool:
        """Return whether a row names a node that is in no interaction."""
        value = row.get(f"{self.role}_id")
        return value is not None and value != "" and self.resolve[self.role](value) is None

    def read_row(self, line: int, row: dict[str, Any]) -> None:
        other = "item" if self.role == "user" else "user"
        node = self._id(line, row, self.role)
        partner = self._id(line, row, other) if row.get(f"{other}_id") is not None else None
        for key, value in row.items():
            if key in ("user_id", "item_id") or value is None or value in ("", []):
                continue
            if key == "reviews":
                for review in value if isinstance(value, list) else [value]:
                    self._review(line, node, review)
            elif partner is not None and key in ("text", "review"):
                self._review(line, node, {"text": value, f"{other}_id": partner})
            elif key in TITLE_KEYS or key == "profile":
                kind = "profile" if key == "profile" else "title"
                first = self.once.setdefault((kind, node), line)
                if first != line:
                    raise DataError(
                        f"{self.path}, lines {first} and {line}: {self.role} {node} has two of {key!r}: keep "
                        "one."
                    )
                self._add(kind, node, self._string(line, key, value))
            elif key in PROSE_KEYS:
                self._add("text", node, self._string(line, key, value))
            elif key in TAG_KEYS or key.startswith("tag:"):
                self._add(f"metadata:{key.removeprefix('tag:')}", node, self._tags(line, key, value))
            else:
                self.ignored.add(key)

    def _id(self, line: int, row: dict[str, Any], role: str) -> Id:
        value = row.get(f"{role}_id")
        if value is None or value == "":
            raise DataError(f"{self.path}, line {line} has no {role}_id: add it.")
        found = self.resolve[role](value)
        if found is None:
            raise DataError(
                f"{self.path}, line {line}: {role}_id {value!r:.80} is in no interaction: check that both "
                "files use the same ids, or leave such lines out with --skip-unknown."
            )
        return found

    def _review(self, line: int, node: Id, review: Any) -> None:
        if isinstance(review, str):
            self.loose_reviews += 1
            self._add("review", node, review)
            return
        other = "item" if self.role == "user" else "user"
        if not isinstance(review, dict) or not isinstance(review.get("text"), str):
            raise DataError(
                f"{self.path}, line {line}: a review is neither a string nor an object with `text` and "
                f"`{other}_id`: mend it."
            )
        if review.get(f"{other}_id") is None:
            self.loose_reviews += 1
            self._add("review", node, review["text"])
            return
        partner = self._id(line, review, other)
        user, item = (node, partner) if self.role == "user" else (partner, node)
        if not self.is_interaction(user, item):
            raise DataError(
                f"{self.path}, line {line}: a review of item {item} by user {user}, who has no interaction "
                "with it: remove the review or add the interaction."
            )
        if review["text"].strip():
            self.records.append(TextRecord("user", user, "review", review["text"].strip(), user, item))

    def _add(self, kind: str, node: Id, text: str) -> None:
        if text.strip():
            self.records.append(TextRecord(self.role, node, kind, text.strip()))

    def _string(self, line: int, key: str, value: Any) -> str:
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            return " ".join(value)
        if not isinstance(value, str):
            raise DataError(f"{self.path}, line {line}: {key} is {value!r:.40}, not a string: mend it.")
        return value

    def _tags(self, line: int, key: str, value: Any) -> str:
        if isinstance(value, dict):
            return ", ".join(f"{name} {self._tags(line, key, part)}" for name, part in value.items())
        if isinstance(value, list):
            return ", ".join(self._tags(line, key, part) for part in value)
        if isinstance(value, bool | int | float | str):
            return str(value)
        raise DataError(f"{self.path}, line {line}: {key} is {value!r:.40}, not a tag or a list: mend it.")
