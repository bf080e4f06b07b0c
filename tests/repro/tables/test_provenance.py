"""Rows of a table are named exactly, in few words."""

from __future__ import annotations

from repro.tables.main import Scores
from repro.tables.provenance import provenance_notes, row_names

BACKBONES = ("lightgcn", "mf", "sgl")
VARIANTS = ("base", "rlmrec-con", "irllrec")


def _row(backbone: str, variant: str, dataset: str = "shop", **facts: str) -> Scores:
    return Scores(dataset, backbone, variant, {}, facts, 5, 100)


ROWS = [_row(backbone, variant) for backbone in BACKBONES for variant in VARIANTS] + [_row("pop", "base")]


def _named(*wanted: str) -> str:
    return row_names([row for row in ROWS if row.name.removeprefix("shop/") in wanted], ROWS)


def test_a_variant_of_every_backbone_is_named_by_itself() -> None:
    assert _named("lightgcn/irllrec", "mf/irllrec", "sgl/irllrec") == "irllrec"


def test_a_whole_backbone_has_a_star_and_one_with_a_single_row_its_row() -> None:
    assert _named("mf/base", "mf/rlmrec-con", "mf/irllrec", "pop/base") == "mf/*, pop/base"


def test_backbones_with_the_same_variants_stand_together() -> None:
    some = ("lightgcn/base", "lightgcn/irllrec", "sgl/base", "sgl/irllrec", "mf/base")
    assert _named(*some) == "{lightgcn,sgl}/{base,irllrec}, mf/base"


def test_the_data_set_is_named_where_there_are_several() -> None:
    rows = [_row("mf", "base"), _row("mf", "base", "demo"), _row("sgl", "base", "demo")]
    assert row_names(rows[1:2], rows) == "demo/mf/base"


def test_what_most_rows_share_is_told_once_and_the_rest_by_name() -> None:
    fast = {"mf/irllrec", "sgl/irllrec"}
    rows = [
        _row(
            row.backbone,
            row.variant,
            settings="tuned (6 trials)" if row.backbone == "pop" else "default",
            precision="fast" if f"{row.backbone}/{row.variant}" in fast else "exact",
        )
        for row in ROWS
    ]
    (line,) = provenance_notes(rows)
    assert line == (
        "Provenance: settings default, except tuned (6 trials) (pop/base); "
        "precision exact, except fast ({mf,sgl}/irllrec)."
    )


def test_of_two_halves_both_are_named_and_rows_without_the_fact_are_passed_over() -> None:
    rows = [
        _row("mf", "base", text="–"),
        _row("mf", "rlmrec-con", text="lsa"),
        _row("mf", "irllrec", text="ollama"),
    ]
    assert provenance_notes(rows) == ["Provenance: text lsa (rlmrec-con), ollama (irllrec)."]
    assert provenance_notes(rows[:2]) == ["Provenance: text lsa."]
