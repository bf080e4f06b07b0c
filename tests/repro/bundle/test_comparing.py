"""What differs between two forms of a table is named by row and column, in every form."""

from __future__ import annotations

import pytest

from repro.bundle.comparing import compare_forms
from repro.bundle.printed import forms_of
from repro.tables.model import Block, Entry, Group, Line, Table

TABLE = Table(
    title="Main",
    columns=("variant", "R@20", "p corr."),
    label_count=1,
    blocks=(
        Block(
            "demo",
            (
                Group(
                    "lightgcn",
                    (
                        Line((Entry("base"), Entry("0.1234"), Entry("–"))),
                        Line((Entry("irllrec"), Entry("0.2345", "best", "***"), Entry("<1e-16"))),
                    ),
                ),
            ),
        ),
    ),
    notes=("Holm over all 2 tests of this table.", "5,000 samples."),
    records=(
        {"variant": "base", "recall@20": 0.1234, "p": None},
        {"variant": "irllrec", "recall@20": 0.2345, "p": 1e-17},
    ),
)
FORMS = forms_of(TABLE)


@pytest.mark.parametrize("ending", FORMS)
def test_equal_forms_do_not_differ(ending: str) -> None:
    assert compare_forms("main", f"tables/main.{ending}", FORMS[ending], FORMS[ending]) == []


@pytest.mark.parametrize(
    ("ending", "row", "column"),
    [
        ("cells.csv", "demo lightgcn irllrec", "R@20"),
        ("csv", "2 (irllrec)", "recall@20"),
        ("json", "2 (irllrec)", "recall@20"),
        ("md", "irllrec", ""),
        ("txt", "irllrec", ""),
        ("tex", "irllrec", ""),
    ],
)
def test_one_digit_is_named_by_row_and_column(ending: str, row: str, column: str) -> None:
    assert FORMS[ending].count("2345") == 1
    changed = FORMS[ending].replace("2345", "2346")
    (found,) = compare_forms("main", f"tables/main.{ending}", changed, FORMS[ending])
    assert (found.file, found.table, found.column) == (f"tables/main.{ending}", "main", column)
    assert row in found.row
    assert "2346" in found.stored
    assert "2345" in found.derived


@pytest.mark.parametrize("ending", FORMS)
def test_no_digit_can_be_changed_unseen(ending: str) -> None:
    """Every digit of every form, one after the other."""
    text = FORMS[ending]
    for place, sign in enumerate(text):
        if sign in "0123456789":
            changed = text[:place] + str((int(sign) + 1) % 10) + text[place + 1 :]
            assert compare_forms("main", f"tables/main.{ending}", changed, text), (place, text[:place][-20:])


def test_a_mark_or_a_star_that_is_gone_is_named() -> None:
    changed = FORMS["cells.csv"].replace(",***", ",**")
    (found,) = compare_forms("main", "tables/main.cells.csv", changed, FORMS["cells.csv"])
    assert (found.stored, found.derived) == ("0.2345 ** best", "0.2345 *** best")


def test_a_row_too_few_or_too_many_is_named() -> None:
    lines = FORMS["csv"].splitlines(keepends=True)
    fewer = compare_forms("main", "tables/main.csv", "".join(lines[:-1]), FORMS["csv"])
    assert {(one.row, one.stored) for one in fewer} == {("2 (irllrec)", "nothing")}
    more = compare_forms("main", "tables/main.csv", FORMS["csv"] + "pop,0.5,\n", FORMS["csv"])
    assert {(one.column, one.derived) for one in more} == dict.fromkeys(
        [("variant", "nothing"), ("recall@20", "nothing"), ("p", "nothing")]
    ).keys()


@pytest.mark.parametrize("ending", ["csv", "json", "cells.csv"])
@pytest.mark.parametrize(
    "content", ["", "[]", "a,b\n1", '"', "{}", "null", '{"title": 1, "notes": 2, "rows": 3}']
)
def test_what_is_no_table_is_told(ending: str, content: str) -> None:
    assert compare_forms("main", f"tables/main.{ending}", content, FORMS[ending])


@pytest.mark.parametrize("ending", ["txt", "md", "tex"])
def test_lines_broken_elsewhere_are_no_other_figures(ending: str) -> None:
    changed = FORMS[ending].replace("Holm over all", "Holm over\nall").replace("irllrec ", "irllrec   ")
    assert compare_forms("main", f"tables/main.{ending}", changed, FORMS[ending]) == []


def test_a_line_too_many_does_not_make_every_line_below_it_a_difference() -> None:
    derived = "".join(f"line {number}\n" for number in range(100))
    stored = derived.replace("line 5\n", "line 5\nline 5.5\n")
    first, count = compare_forms("", "results/report.html", stored, derived)
    assert first.row.startswith("line 7 ")
    assert (count.stored, count.derived) == ("101 lines", "100 lines")
