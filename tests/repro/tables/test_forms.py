"""One table in every form: marks, escapes, widths."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess

import pytest

from repro.errors import ReproError
from repro.tables.latex import escape
from repro.tables.model import (
    Block,
    Entry,
    Group,
    Line,
    Table,
    figures,
    interval_text,
    p_text,
    ranks,
    short_metric,
)
from repro.tables.render import FORMATS, render

TABLE = Table(
    title="Results on 100% of a_b & c#d",
    columns=("variant", "R@20", "N@20"),
    label_count=1,
    blocks=(
        Block(
            "shop_a",
            (
                Group(
                    "light_gcn",
                    (
                        Line((Entry("base"), Entry("0.1000"), Entry("0.0500", "second"))),
                        Line((Entry("ours|x"), Entry("0.2000", "best", "***"), Entry("-3.10%", "", "*▼"))),
                    ),
                ),
                Group("other", (Line((Entry("≥5 ± 1"), Entry("–"), Entry("0.0600", "best"))),)),
            ),
        ),
    ),
    notes=("* p<0.05; {note} ~ ^ \\ Δ × →",),
    records=(
        {"variant": "base", "recall@20": 0.1, "p": None},
        {"variant": "ours", "recall@20": 0.2, "p": 0.01},
    ),
)


def test_ranks_mark_the_highest_and_the_next():
    assert ranks([0.1, 0.3, 0.2, 0.05]) == ["", "best", "second", ""]


def test_values_that_print_alike_are_marked_alike():
    assert ranks([0.12341, 0.12339, 0.1]) == ["best", "best", "second"]


def test_missing_values_have_no_rank():
    assert ranks([float("nan"), 0.2]) == ["", "best"]


def test_numbers_are_kept_to_six_figures_and_infinities_left_out():
    assert figures(0.123456789) == 0.123457
    assert figures(float("inf")) is None
    assert figures(None) is None


def test_p_values_are_never_printed_as_zero():
    assert [p_text(p) for p in (0.0, 0.0004, 0.04567, 1.0)] == ["<1e-16", "4.0e-04", "0.046", "1.000"]


def test_an_interval_is_signed():
    assert interval_text(-0.01, -0.02, 0.001) == "-0.0100 [-0.0200, +0.0010]"


def test_metrics_are_abbreviated():
    assert [short_metric(name) for name in ("recall@5", "ndcg@20", "mrr@10")] == ["R@5", "N@20", "MRR@10"]


def test_markdown_shows_marks_and_escapes_bars_and_stars():
    text = render(TABLE, "md")
    assert "**0.2000**\\*\\*\\*" in text
    assert "<u>0.0500</u>" in text
    assert "ours\\|x" in text
    assert "\\* p&lt;0.05" in text


def test_csv_holds_the_records():
    rows = list(csv.DictReader(io.StringIO(render(TABLE, "csv"))))
    assert rows == [
        {"variant": "base", "recall@20": "0.1", "p": ""},
        {"variant": "ours", "recall@20": "0.2", "p": "0.01"},
    ]


def test_json_holds_title_notes_and_records():
    document = json.loads(render(TABLE, "json"))
    assert document["rows"][1] == {"variant": "ours", "recall@20": 0.2, "p": 0.01}
    assert document["title"] == TABLE.title


def test_latex_escapes_what_is_special():
    assert escape("50% of a_b & c#d") == r"50\% of a\_b \& c\#d"
    assert escape("-3.1%") == r"$-$3.1\%"
    assert escape("rlmrec-con, 5-9") == "rlmrec-con, 5-9"


def test_latex_uses_booktabs_and_marks():
    text = render(TABLE, "latex")
    for part in (r"\toprule", r"\midrule", r"\bottomrule", r"\textbf{0.2000}$^{***}$", r"\underline{0.0500}"):
        assert part in text
    assert r"$^{*\downarrow}$" in text


def test_latex_has_the_same_number_of_cells_in_every_row():
    body = [line for line in render(TABLE, "latex").splitlines() if line.endswith(r"\\")]
    assert all(line.replace(r"\&", "").count("&") == 2 for line in body if "multicolumn" not in line)


def test_latex_is_ascii_so_that_any_engine_reads_it():
    assert render(TABLE, "latex").isascii()


def test_latex_compiles(tmp_path):
    engine = shutil.which("pdflatex") or shutil.which("tectonic")
    if engine is None:
        pytest.skip("no LaTeX engine (pdflatex or tectonic) is installed")
    document = r"\documentclass{article}\usepackage{booktabs}\begin{document}%s\end{document}"
    (tmp_path / "table.tex").write_text(document % render(TABLE, "latex"), encoding="utf-8")
    command = [engine, *(("-interaction=nonstopmode", "-halt-on-error") if "pdflatex" in engine else ())]
    done = subprocess.run([*command, "table.tex"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.parametrize("width", [40, 80, 100, 140])
def test_terminal_lines_fit_the_width(width):
    assert max(len(line) for line in render(TABLE, "rich", width).splitlines()) <= width


def test_narrow_terminal_breaks_the_table_and_loses_no_value():
    wide, narrow = render(TABLE, "rich", 100), render(TABLE, "rich", 21)
    for value in ("0.1000", "0.2000***", "0.0500", "-3.10%*▼", "0.0600"):
        assert value in wide
        assert value in narrow
    assert wide.count("variant") == 1
    assert narrow.count("variant") == 2


def test_terminal_uses_bold_and_underline_only_where_it_may():
    assert "\x1b[1m0.2000" in render(TABLE, "rich", 100, color=True)
    assert "\x1b[4m0.0500" in render(TABLE, "rich", 100, color=True)
    assert "\x1b" not in render(TABLE, "rich", 100, color=False)


def test_unknown_format_names_the_known_ones():
    with pytest.raises(ReproError, match="choose one of rich, md, latex, csv, json"):
        render(TABLE, "html")


@pytest.mark.parametrize("form", FORMATS)
def test_a_table_without_rows_can_be_rendered(form):
    empty = Table("Nothing", ("variant", "R@20"), 1, (), ("No comparison.",), ())
    assert render(empty, form).endswith("\n")
