# ruff: noqa: E501 - one text a line
"""What others wrote never reaches a terminal, a page or a spreadsheet as anything but text."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from irllrec.text.replies import BadReplyError, parse_reply
from repro.asking_display import AskingDisplay
from repro.errors import ReproError
from repro.failures import explain
from repro.printing import for_spreadsheet, one_line, printable
from repro.tables.html import html_table
from repro.tables.model import Block, Entry, Group, Line, Table
from repro.tables.render import FORMATS, render
from tests.hostile import seeds

STEADY = settings(derandomize=True, deadline=None, max_examples=150)
FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
HOSTILE = (
    "\x1b[31mred\x1b[0m", "\x1b]8;;http://evil\x07link\x1b]8;;\x07", "\x1b]52;c;eA==\x07", "\x9b31mC1", "\u202egnp.exe",
    "over\rwritten", "back\x08space", "bell\x07", "[red]markup[/red]", "[link=http://evil]x[/link]", "<script>alert(1)</script>",
    "![x](http://evil)", "[x](javascript:alert(1))", "=HYPERLINK(\"http://evil\")", "+1+cmd|' /C calc'!A0", "@SUM(1)", "-2+3+cmd|' /C calc'!A0",
    "|a|b|", "\\input{/etc/passwd}", "$\\write18{x}$", "%comment", "two\nlines", "\u2028", "\ud800", "a\x00b", "\t=1+1", "^^5cinput",
)  # fmt: skip


def table_of(text: str) -> Table:
    """Return a table that has the text wherever a text can stand."""
    line = Line((Entry(text, "best", text), Entry(text)))
    return Table(
        text,
        (text, f"{text} 2"),
        1,
        (Block(text, (Group(text, (line,)),)),),
        (text,),
        ({text: text, "n": 1.5},),
    )


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("text", HOSTILE)
def test_no_form_of_a_table_carries_control_characters(text: str, form: str) -> None:
    for color in (False, True):
        shown = render(table_of(text), form, 80, color)
        ours = re.compile("\x1b\\[[0-9;]*m")  # bold, underlined, dim: what the table itself asks for
        assert FORBIDDEN.search(ours.sub("", shown) if form == "rich" and color else shown) is None
        assert "\x1b[31m" not in shown


@pytest.mark.parametrize("text", HOSTILE)
def test_a_page_shows_every_text_as_text(text: str) -> None:
    page = html_table(table_of(text), "t")
    assert FORBIDDEN.search(page) is None
    assert "<script" not in page


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_has_no_html_no_link_and_no_more_cells(text: str) -> None:
    shown = render(table_of(text), "md")
    assert "<script" not in shown
    assert not re.search(r"\]\s*\((?!\\)", shown.replace("]\\(", ""))
    rows = [line for line in shown.splitlines() if line.startswith("|")]
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 3 for row in rows)


@pytest.mark.parametrize("text", HOSTILE)
def test_latex_has_no_command_of_the_text(text: str) -> None:
    shown = render(table_of(text), "latex")
    assert "\\input" not in shown and "\\write" not in shown and "^^" not in shown


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_of_a_csv_begins_like_a_formula(text: str) -> None:
    rows = list(csv.reader(io.StringIO(render(table_of(text), "csv"))))
    assert len(rows) == 2
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row)


@pytest.mark.parametrize(
    "figures", ["-0.0123", "+0.0120 [+0.0100, +0.0140]", "+1.5e-07", "-3", "1,200 (34%)", "-12.5 % ▼"]
)
def test_figures_stay_as_they_are_for_a_spreadsheet(figures: str) -> None:
    assert for_spreadsheet(figures) == figures


def test_json_keeps_a_text_but_for_what_nobody_can_see() -> None:
    document = json.loads(render(table_of("=1+1 \x1b[31m"), "json"))
    assert document["title"] == "=1+1 ⟨U+001B⟩[31m"


@given(st.text())
@example("".join(map(chr, range(0x100))))
@STEADY
def test_a_printable_text_has_no_control_character_and_a_line_no_end(text: str) -> None:
    assert FORBIDDEN.search(printable(text)) is None
    line = one_line(text, 100)
    assert len(line) <= 100 and "\n" not in line and FORBIDDEN.search(line) is None
    assert printable(printable(text)) == printable(text)


@given(st.text(max_size=5000))
@STEADY
def test_every_failure_is_one_line_of_bounded_length(text: str) -> None:
    for error in (ReproError(text), RuntimeError(text)):
        sentence = explain(error, Path("/dev/null")).sentence
        assert "\n" not in sentence and len(sentence) <= 1500 and FORBIDDEN.search(sentence) is None


@given(st.sampled_from(HOSTILE), st.sampled_from(["reasoning", "profile"]))
@STEADY
def test_a_reply_of_a_model_is_plain_text_once_it_is_read(text: str, key: str) -> None:
    content = json.dumps({**seeds.REPLY, key: f"word {text}"})
    try:
        reply = parse_reply(content, "reasoning")
        read = reply.reasoning + reply.profile
    except BadReplyError as error:
        read = str(error)
    assert FORBIDDEN.search(read) is None


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_server_says_is_plain_in_the_display_of_progress(
    text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with AskingDisplay("Summaries") as display:
        display._say(f"Down: {text}")
    printed = capfd.readouterr().err
    assert FORBIDDEN.search(printed) is None
    assert len(printed.splitlines()) == 1
