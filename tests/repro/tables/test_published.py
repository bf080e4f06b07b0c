"""Figures from papers."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.errors import ReproError
from repro.tables.published import published_row, read_published

FOLDER = Path(__file__).resolve().parents[3] / "data" / "published"
HEADER = "source,dataset,backbone,variant,metric,value\n"


def test_published_lightgcn_of_amazon_is_found():
    """RLMRec, WWW 2024, table 1: LightGCN on Amazon-book, recall@20 0.1411 and ndcg@20 0.0856."""
    row = published_row(read_published(FOLDER), "amazon", "lightgcn", "base")
    assert row is not None
    assert (row.values["recall@20"], row.values["ndcg@20"]) == (0.1411, 0.0856)
    assert row.source == "rlmrec-www2024-table1"


def test_irllrec_has_no_published_number_here():
    assert published_row(read_published(FOLDER), "amazon", "lightgcn", "irllrec") is None


def test_a_method_of_its_own_is_found_under_the_backbone_of_the_paper():
    """DMRec lists alpharec beside lightgcn; here alpharec is a backbone."""
    assert published_row(read_published(FOLDER), "amazon", "alpharec", "base") is not None


def test_percent_is_refused_with_file_and_line(tmp_path):
    (tmp_path / "mine.csv").write_text(HEADER + "me,amazon,lightgcn,irllrec,recall@20,15.1\n")
    with pytest.raises(ReproError, match=r"mine\.csv:2: `value` is '15\.1': give a fraction"):
        read_published(tmp_path)


def test_missing_column_is_named(tmp_path):
    (tmp_path / "mine.csv").write_text("source,dataset\nme,amazon\n")
    with pytest.raises(ReproError, match="lacks the column 'backbone'"):
        read_published(tmp_path)


def test_figures_of_one_source_only_are_read_and_every_source_without_a_choice():
    """RLMRec's table has no mult-vae, DMRec's no gccf."""
    held = {(), ("rlmrec",), ("dmrec-sigir2025-table2",), ("rlmrec", "dmrec")}
    found = {names: {key[1] for key in read_published(FOLDER, names)} for names in held}
    assert {"mult-vae", "gccf"} <= found[()]
    assert found["rlmrec", "dmrec"] == found[()]
    assert "mult-vae" not in found["rlmrec",]
    assert found["dmrec-sigir2025-table2",] == {"mult-vae"}


def test_an_unknown_source_is_refused_with_those_there_are():
    with pytest.raises(ReproError, match="no figures of the source 'nobody': choose dmrec-sigir2025-table2"):
        read_published(FOLDER, ["nobody"])
