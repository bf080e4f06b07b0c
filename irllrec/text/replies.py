"""What a language model must answer: the schema it is held to, and the checks a reply has to pass."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from irllrec.errors import TextError
from irllrec.text.evidence import single_line
from irllrec.text.records import MOST_INTENTS

Style = Literal["reasoning", "plain", "distil"]
STYLES: tuple[Style, ...] = ("reasoning", "plain", "distil")
ReplyTrouble = Literal["too-large", "not-json", "schema", "empty", "too-long", "repeated"]

MOST_PROFILE_WORDS = 100
MOST_INTENT_WORDS = 10
MOST_BYTES = 64 * 1024

_FENCED = re.compile(r"```(?:json|JSON)?[ \t]*\r?\n(?P<inner>.*)\n[ \t]*```", re.DOTALL)
_OUTSIDE_WORDS = re.compile(r"[\W_]+")

Intents = Annotated[list[str], Field(min_length=MOST_INTENTS, max_length=MOST_INTENTS)]


class BadReplyError(TextError):
    """A reply that cannot be used.

    Attributes:
        kind: ``"too-large"`` (over 64 KiB), ``"not-json"``, ``"schema"`` (a missing, unknown or repeated
            key, a wrong type, not three intents), ``"empty"``, ``"too-long"`` (too many words) or
            ``"repeated"`` (two intents that say the same).
    """

    def __init__(self, kind: ReplyTrouble, sentence: str) -> None:
        super().__init__(sentence)
        self.kind: ReplyTrouble = kind


@dataclass(frozen=True)
class Reply:
    """A reply that passed every check, each text in one line.

    Attributes:
        reasoning: The reasoning; empty where the style asks for none.
        profile: At most 100 words; empty in the style ``distil``, which keeps the published profile.
        intents: Three different phrases of one to ten words.
    """

    reasoning: str
    profile: str
    intents: tuple[str, str, str]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


# Models write keys in the order of the schema: the reasoning has to come before what follows from it.
class _Reasoned(_Strict):
    reasoning: str
    profile: str
    intents: Intents


class _Plain(_Strict):
    profile: str
    intents: Intents


class _Distilled(_Strict):
    intents: Intents


_MODELS: dict[Style, type[_Strict]] = {"reasoning": _Reasoned, "plain": _Plain, "distil": _Distilled}


def schema_of(style: Style) -> dict[str, Any]:
    """Return the JSON schema of a style's replies, its keys in the order in which they are written.

    It is spelt out here because stored replies are found by its hash, which must not change with pydantic.
    """
    intents = {
        "type": "array",
        "items": {"type": "string"},
        "minItems": MOST_INTENTS,
        "maxItems": MOST_INTENTS,
    }
    names = list(_MODELS[style].model_fields)
    return {
        "type": "object",
        "properties": {name: intents if name == "intents" else {"type": "string"} for name in names},
        "required": names,
        "additionalProperties": False,
    }


def parse_reply(content: str, style: Style) -> Reply:
    """Return the reply in ``content``, a JSON object alone or in one Markdown fence.

    Control characters and terminal sequences are removed and whitespace is collapsed; nothing else is
    mended. Two intents are the same if they differ only in case, punctuation and spaces.

    Raises:
        BadReplyError: With the kind of the first check that fails.
    """
    found = _check_schema(_read_object(content), style)
    fields = found.model_dump()
    reasoning = profile = ""
    if "reasoning" in fields:
        reasoning = _filled(fields["reasoning"], "reasoning")
    if "profile" in fields:
        profile = _filled(fields["profile"], "profile")
        _check_length(profile, "profile", MOST_PROFILE_WORDS)
    intents = [_filled(text, f"intent {number}") for number, text in enumerate(fields["intents"], 1)]
    for number, intent in enumerate(intents, 1):
        _check_length(intent, f"intent {number}", MOST_INTENT_WORDS)
    _check_distinct(intents)
    first, second, third = intents
    return Reply(reasoning, profile, (first, second, third))


def _read_object(content: str) -> dict[str, Any]:
    size = len(content.encode("utf-8", "surrogatepass"))
    if size > MOST_BYTES:
        raise BadReplyError(
            "too-large", f"The reply has {size} bytes, more than {MOST_BYTES}: lower num_predict."
        )
    text = content.strip()
    if fenced := _FENCED.fullmatch(text):
        text = fenced["inner"].strip()
    try:
        value = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
    except ValueError as error:  # JSONDecodeError, or a number of thousands of digits
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error).partition(":")[0]
        raise BadReplyError("not-json", f"The reply is not JSON ({reason}): ask again.") from None
    except RecursionError:
        raise BadReplyError("schema", "The reply nests too deep for an object of texts: ask again.") from None
    if not isinstance(value, dict):
        raise BadReplyError(
            "schema", f"The reply is a JSON {type(value).__name__}, not an object: ask again."
        )
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise BadReplyError(
                "schema", f"The reply has the key {single_line(key)[:40]!r} twice: ask again."
            )
        found[key] = value
    return found


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _check_schema(value: dict[str, Any], style: Style) -> _Strict:
    try:
        return _MODELS[style].model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = single_line(".".join(str(part) for part in first["loc"]))[:40]
        raise BadReplyError(
            "schema",
            f"The reply does not fit the schema of {style!r} at {place!r} ({first['msg']}): ask again.",
        ) from None


def _filled(text: str, name: str) -> str:
    line = single_line(text)
    if not _OUTSIDE_WORDS.sub("", line):
        raise BadReplyError("empty", f"The reply's {name} holds no word: ask again.")
    return line


def _check_length(text: str, name: str, most: int) -> None:
    count = len(text.split())
    if count > most:
        raise BadReplyError("too-long", f"The reply's {name} has {count} words, more than {most}: ask again.")


def _check_distinct(intents: list[str]) -> None:
    keys = [_OUTSIDE_WORDS.sub("", intent.casefold()) for intent in intents]
    for number, key in enumerate(keys, 1):
        if key in keys[: number - 1]:
            raise BadReplyError(
                "repeated", f"The reply's intents {keys.index(key) + 1} and {number} say the same: ask again."
            )
