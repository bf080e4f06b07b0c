"""Replies: the schema asked for, what passes, and the kind of each refusal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irllrec.text.replies import _MODELS, STYLES, BadReplyError, Reply, Style, parse_reply, schema_of

GOOD: dict[str, Any] = {
    "reasoning": "Liked whales (1).",
    "profile": "This reader enjoys the sea.",
    "intents": ["stories at sea", "slow books", "classics"],
}


def _content(**changes: Any) -> str:
    return json.dumps({**GOOD, **changes})


def _kind(content: str, style: Style = "reasoning") -> str:
    with pytest.raises(BadReplyError) as caught:
        parse_reply(content, style)
    return caught.value.kind


def test_a_good_reply_is_returned() -> None:
    assert parse_reply(_content(), "reasoning") == Reply(
        "Liked whales (1).", "This reader enjoys the sea.", ("stories at sea", "slow books", "classics")
    )


def test_other_styles_have_no_reasoning_and_distil_keeps_the_profile_elsewhere() -> None:
    plain = {key: GOOD[key] for key in ("profile", "intents")}
    assert parse_reply(json.dumps(plain), "plain").reasoning == ""
    assert parse_reply(json.dumps({"intents": GOOD["intents"]}), "distil").profile == ""


@pytest.mark.parametrize("style", STYLES)
def test_the_schema_lists_reasoning_first_and_refuses_other_keys(style: Style) -> None:
    schema = schema_of(style)
    assert list(schema["properties"]) == schema["required"]
    assert schema["required"] == list(GOOD)[STYLES.index(style) :]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["intents"]["minItems"] == schema["properties"]["intents"]["maxItems"] == 3


@pytest.mark.parametrize("style", STYLES)
def test_the_schema_agrees_with_the_models_that_check_replies(style: Style) -> None:
    theirs = _MODELS[style].model_json_schema()
    for rules in theirs["properties"].values():
        del rules["title"]
    assert {key: theirs[key] for key in schema_of(style)} == schema_of(style)


@pytest.mark.parametrize("wrap", ["\n  {}\n", "```json\n{}\n```", "```\n{}\n```", " ```json \r\n{}\n```\n"])
def test_spaces_and_one_fence_around_the_object_are_allowed(wrap: str) -> None:
    assert parse_reply(wrap.replace("{}", _content()), "reasoning").intents[2] == "classics"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("", "not-json"),
        ("Here it is: {}", "not-json"),
        (_content() + " Done.", "not-json"),
        (_content()[:-1], "not-json"),
        ("```json\n" + _content(), "not-json"),
        ('{"reasoning": NaN}', "not-json"),
        ("9" * 5000, "not-json"),
        ("[" * 60_000, "schema"),
        ('{"a":' * 10_000 + "1" + "}" * 10_000, "schema"),
        ("[]", "schema"),
        ("null", "schema"),
        ('{"profile": "a", "profile": "b"}', "schema"),
        (_content(mood="happy"), "schema"),
        (json.dumps({"profile": "x", "intents": GOOD["intents"]}), "schema"),
        (_content(profile=7), "schema"),
        (_content(intents="a, b, c"), "schema"),
        (_content(intents=["a", "b"]), "schema"),
        (_content(intents=["a", "b", "c", "d"]), "schema"),
        (_content(intents=["a", "b", None]), "schema"),
        (_content(reasoning="  "), "empty"),
        (_content(profile=" \u0000\u001b[0m "), "empty"),
        (_content(intents=["a", "b", "..."]), "empty"),
        (_content(profile="word " * 101), "too-long"),
        (_content(intents=["a", "b", "one two three four five six seven eight nine ten eleven"]), "too-long"),
        (_content(intents=["Sea stories!", "b", "sea  stories"]), "repeated"),
        (_content(reasoning="x" * 65_536), "too-large"),
        (json.dumps({**GOOD, "reasoning": "書" * 22_000}, ensure_ascii=False), "too-large"),
    ],
)
def test_a_bad_reply_is_refused_with_its_kind(content: str, kind: str) -> None:
    assert _kind(content) == kind


def test_a_reply_of_another_style_is_refused() -> None:
    assert _kind(_content(), "plain") == "schema"


def test_a_hundred_words_and_ten_words_are_allowed() -> None:
    intents = ["one two three four five six seven eight nine ten", "b", "c"]
    reply = parse_reply(_content(profile="word " * 100, intents=intents), "reasoning")
    assert len(reply.profile.split()) == 100


def test_terminal_sequences_and_line_ends_are_removed() -> None:
    reply = parse_reply(_content(profile="This\u001b[31m reader\u0007\n\nreads."), "reasoning")
    assert reply.profile == "This reader reads."


def test_refusals_show_no_control_characters_of_the_reply() -> None:
    with pytest.raises(BadReplyError) as caught:
        parse_reply(json.dumps({**GOOD, "\u001b[2J" + "x" * 500: 1}), "reasoning")
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_many_keys_are_read_in_little_time() -> None:
    assert _kind("{" + ",".join(f'"{number}":1' for number in range(7000)) + "}") == "schema"


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*GOOD, "else"]), inner),
)


@given(st.text() | ANY_JSON.map(json.dumps), st.sampled_from(STYLES))
def test_whatever_comes_is_a_reply_or_a_refusal(content: str, style: Style) -> None:
    try:
        reply = parse_reply(content, style)
    except BadReplyError:
        return
    assert len({intent.casefold() for intent in reply.intents}) == 3
    assert all(text == text.strip() for text in (reply.reasoning, reply.profile, *reply.intents))
