"""The page as text: strangers' words, the policy that forbids the network, sources, links, equal bytes."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import itertools
import re

import pytest

from repro.report import page as module
from repro.report.page import anchor_of, data_uri, numbers_table, page, prose, records_csv
from repro.tables.render import render
from tests.repro.report.reading import Node, read
from tests.repro.report.sample import HOSTILE, MAIN, figure, report


@pytest.fixture(scope="module")
def text() -> str:
    return page(report())


@pytest.fixture(scope="module")
def root(text: str) -> Node:
    return read(text.removeprefix("<!DOCTYPE html>"))


def test_the_same_report_is_the_same_bytes(text: str) -> None:
    assert page(report()) == text


def test_there_is_one_script_and_one_style_and_both_are_ours(root: Node) -> None:
    for tag, name in (("script", "script.js"), ("style", "style.css")):
        (found,) = root.all(tag)
        assert found.text == (module.TEMPLATES / name).read_text(encoding="utf-8")
        assert not found.attributes


def test_the_policy_forbids_the_network_and_knows_script_and_style_by_hash(root: Node) -> None:
    (policy,) = [
        node.attributes["content"]
        for node in root.all("meta")
        if node.attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    assert "unsafe" not in policy and "http" not in policy
    for tag in ("script", "style"):
        digest = hashlib.sha256(root.all(tag)[0].text.encode()).digest()
        assert rules[f"{tag}-src"] == f"'sha256-{base64.b64encode(digest).decode()}'"


def test_nothing_refers_to_anything_outside(root: Node) -> None:
    for node in root.everything:
        for name in ("href", "src", "action", "data", "poster", "srcset"):
            target = node.attributes.get(name)
            assert target is None or target.startswith(("#", "data:")), (node.tag, target)
        assert "style" not in node.attributes
        assert not [name for name in node.attributes if name.startswith("on")]


def test_strangers_words_are_shown_as_words(root: Node, text: str) -> None:
    shown = root.all("body")[0].text
    for words in HOSTILE:
        assert module.printable(words) in shown
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f]", text)
    assert root.all("title")[0].text == HOSTILE[0]


def test_every_anchor_is_unique_and_every_link_leads_to_one(root: Node) -> None:
    anchors = [node.attributes["id"] for node in root.everything if "id" in node.attributes]
    assert len(anchors) == len(set(anchors))
    targets = {node.attributes["href"][1:] for node in root.all("a")}
    assert targets <= set(anchors)
    assert {"results-main", "figure-curve", "verdicts", "claim-c1"} <= targets
    copied = {node.attributes["data-copy"] for node in root.all("button") if "data-copy" in node.attributes}
    assert copied <= set(anchors)
    described = {
        node.attributes["aria-labelledby"] for node in root.everything if "aria-labelledby" in node.attributes
    }
    assert described <= set(anchors)


def test_headings_go_down_one_step_at_a_time(root: Node) -> None:
    levels = [int(node.tag[1]) for node in root.all("h1", "h2", "h3", "h4")]
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_every_image_has_words_every_table_a_caption_every_button_a_name(root: Node) -> None:
    assert len(root.all("img")) == 2
    assert all(node.attributes["alt"].strip() for node in root.all("img"))
    assert all(node.all("caption")[0].text.strip() for node in root.all("table"))
    assert all(node.text.strip() for node in root.all("button"))
    assert all(node.all("figcaption") for node in root.all("figure"))
    assert [node.tag for node in root.all("header", "nav", "main", "footer")] == [
        "header",
        "nav",
        "main",
        "footer",
    ]


def test_tables_can_be_copied_in_the_forms_that_the_commands_print(root: Node) -> None:
    sources = {node.attributes["id"]: node.text for node in root.all("template")}
    assert sources["results-main-latex"] == render(MAIN, "latex")
    assert sources["results-main-csv"] == render(MAIN, "csv")
    assert sources["figure-curve-csv"] == records_csv(figure())
    assert sources["figure-curve-csv"].count("\n") == 251


def test_every_table_and_figure_stands_with_its_command(root: Node) -> None:
    told = {node.attributes["id"]: node.text for node in root.all("code") if "id" in node.attributes}
    assert told["results-main-command"] == "repro table main --dataset demo"
    assert told["figure-curve-command"] == "repro figures --dataset demo"
    assert told["results-strange-command"] == HOSTILE[0]
    assert told["made-command"] == "repro report --dataset demo"


def test_every_verdict_is_said_by_a_word_and_a_sign(root: Node) -> None:
    badges = [
        node.text.strip()
        for node in root.all("span")
        if node.attributes.get("class", "").startswith("badge ")
    ]
    words = ["✔ supported", "✘ contradicted", "? undecided", "– cannot be tested here"]
    assert badges == [*words, *words[1:]]  # C4 on shop: contradicted, of two backbones undecided and untested


def test_what_is_missing_is_named_where_it_would_stand(root: Node) -> None:
    (gaps,) = [node for node in root.all("div") if node.attributes.get("class") == "gaps"]
    assert "Tuning ledger: no trial: run repro sweep" in gaps.text
    assert [node.text for node in gaps.all("code")] == ["repro sweep"]


def test_backticks_make_code_and_an_odd_one_stays() -> None:
    assert prose("a `b<c` d") == "a <code>b&lt;c</code> d"
    assert prose("a ` b") == "a ` b"


def test_a_small_figure_is_a_drawing_and_a_large_one_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    assert data_uri(figure()).startswith("data:image/svg+xml;base64,")
    monkeypatch.setattr(module, "MOST_VECTOR_BYTES", 1000)
    assert data_uri(figure()).startswith("data:image/png;base64,")


def test_of_many_numbers_the_first_are_shown_and_the_rest_counted(root: Node) -> None:
    assert len(numbers_table(figure()).records) == module.MOST_NUMBERS
    assert "The first 200 of 250; the CSV has all of them." in root.text
    few = dataclasses.replace(figure(), records=({"x": None, "y": 0.25},))
    assert [entry.text for entry in numbers_table(few).blocks[0].groups[0].lines[0].entries] == ["–", "0.25"]


def test_anchors_hold_letters_digits_and_hyphens() -> None:
    assert anchor_of("cannot be tested here", "C/1 ü") == "cannot-be-tested-here-c-1"
