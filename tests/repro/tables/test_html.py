"""A table as HTML: structure, marks in words, numbers to sort by, strangers' texts."""

from __future__ import annotations

import pytest

from repro.printing import printable
from repro.tables.html import column_kinds, html_table, number
from tests.repro.report.reading import Node, read
from tests.repro.report.sample import HOSTILE, MAIN, STRANGE


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0.1234", (0.1234, "")),
        ("+0.0123 [+0.0100, +0.0150]", (0.0123, "")),
        ("−0.5", (-0.5, "")),
        ("1,200 (34%)", (1200.0, "")),
        ("+3.20%", (3.2, "%")),
        ("<1e-16", (1e-16, "")),
        ("1.0e-04", (1e-4, "")),
        ("–", None),
        ("better", None),
        ("2023 2024", None),
        ("≤12% → 5%", (12.0, "%")),
        ("0123abcdef", None),
        ("0-5", None),
        ("", None),
    ],
)
def test_a_number_is_what_an_entry_begins_with(text, found):
    assert number(text) == found


def test_columns_of_numbers_are_told_from_columns_of_words():
    """In MAIN only one of seven rows has a per cent sign, and the note's c9 and c10 are words."""
    assert column_kinds(MAIN) == [None, "", "", None]


def test_a_row_of_another_unit_has_no_number_to_sort_by():
    rows = _rows(read(html_table(MAIN, "main")))
    sorts = [[cell.attributes.get("data-sort") for cell in row.all("th", "td")] for row in rows]
    assert sorts[3] == [None, None, None, None]  # vs best other: +3.20%
    assert sorts[2] == [None, "0.3", "0.05", None]
    assert sorts[5] == [None, None, "0.001", None]  # – and 1e-03


def test_the_table_names_itself_its_columns_and_its_rows():
    table = read(html_table(MAIN, "main")).all("table")[0]
    assert table.all("caption")[0].text == "Main results"
    headers = table.all("thead")[0].all("th")
    assert [header.attributes["scope"] for header in headers] == ["col"] * 4
    assert [header.all("button")[0].text for header in headers] == list(MAIN.columns)
    assert {header.attributes["aria-sort"] for header in headers} == {"none"}
    groups = [th.text for th in table.all("th") if th.attributes["scope"] == "rowgroup"]
    assert groups == ["demo  (5 seeds, 1,200 users)", "lightgcn", "ease", "shop"]
    assert all(len(row.all("th", "td")) == 4 for row in _rows(table))


def test_marks_are_said_in_words_beside_bold_underline_and_stars():
    table = read(html_table(MAIN, "main"))
    cells = {cell.text: cell for cell in table.all("td")}
    assert "0.3000*** (best, three stars)" in cells
    assert cells["0.3000*** (best, three stars)"].all("strong")[0].text == "0.3000"
    assert cells["0.3000*** (best, three stars)"].all("sup")[0].attributes["aria-hidden"] == "true"
    assert "0.0500*▼ (one star, lower)" in cells
    assert cells["0.2000 (second best)"].all("u")[0].text == "0.2000"


def test_a_published_row_follows_the_row_above_it():
    rows = _rows(read(html_table(MAIN, "main")))
    assert [number for number, row in enumerate(rows) if "data-follows" in row.attributes] == [1]


def test_strangers_texts_become_text_and_nothing_else():
    root = read(html_table(STRANGE, "strange"))
    known = {"table", "caption", "thead", "tbody", "tr", "th", "td", "button", "span"}
    assert {node.tag for node in root.everything} <= known
    assert not [name for node in root.everything for name in node.attributes if name.startswith("on")]
    shown = root.text
    for text in HOSTILE:
        assert printable(text) in shown


def test_controls_and_turns_of_writing_are_made_visible():
    assert printable("a\u202eb\u2069\x1b[0m\x00\u2028") == "a⟨U+202E⟩b⟨U+2069⟩⟨U+001B⟩[0m⟨U+0000⟩⟨U+2028⟩"
    assert printable("Łódź\t\n日本 שלום 👩\u200d🚀") == "Łódź\t\n日本 שלום 👩\u200d🚀"


def _rows(root: Node) -> list[Node]:
    return [row for row in root.all("tr") if "row" in row.attributes.get("class", "").split()]
