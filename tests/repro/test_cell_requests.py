"""Cells that vary a plain one: their names, what they take over, and that one model has one name."""

from __future__ import annotations

import pytest

from repro.cell_requests import CellRequest, checked, named
from repro.errors import ReproError
from repro.grid import add_dataset, ensure_cells
from repro.layout import Layout
from repro.params import load_params
from repro.presets import use_published

UPSTREAM = {"summarizer": "upstream", "embedder": "vectors"}
AMAZON = {"origin": "fetched", "split": {"how": "given"}, "seeds": [2023], "text": UPSTREAM}
ON_DEMO = ("demo", "lightgcn", "irllrec")

VARIANTS = [
    (CellRequest(*ON_DEMO), "irllrec"),
    (CellRequest(*ON_DEMO, ("NOISE", "ITM")), "irllrec-no-itm-noise"),
    (CellRequest(*ON_DEMO, fidelity="code"), "irllrec-code"),
    (CellRequest(*ON_DEMO, ("ITM",), fidelity="code"), "irllrec-code-no-itm"),
    (CellRequest(*ON_DEMO, turned=("D-07", "D-03")), "irllrec-d03-d07"),
    (CellRequest(*ON_DEMO, itm="code"), "irllrec-itm-code"),
    (CellRequest(*ON_DEMO, ("TRAN",), keep_coupled=True), "irllrec-no-tran-coupled"),
    (CellRequest("demo", "lightgcn", "rlmrec-con", ("TEXT",)), "rlmrec-con-no-text"),
]


@pytest.mark.parametrize(("request_", "variant"), VARIANTS)
def test_a_variant_is_named_after_what_it_varies_and_found_by_that_name(
    checkout: Layout, request_: CellRequest, variant: str
) -> None:
    assert request_.variant == variant
    params = load_params(checkout.params)
    again = checked(params, named(params, request_.dataset, request_.backbone, variant))
    assert again == checked(params, request_)


@pytest.mark.parametrize(
    "request_",
    [
        CellRequest(*ON_DEMO, fidelity="paper"),
        CellRequest(*ON_DEMO, itm="reading"),
        CellRequest(*ON_DEMO, keep_coupled=True),
    ],
)
def test_what_holds_anyway_makes_no_new_cell(checkout: Layout, request_: CellRequest) -> None:
    before = checkout.params.read_bytes()
    assert ensure_cells(checkout, [request_]) == ["demo-lightgcn-irllrec"]
    assert checkout.params.read_bytes() == before


def test_the_form_of_itm_that_holds_anyway_follows_fidelity_and_what_is_turned(checkout: Layout) -> None:
    """D-04 decides the form: `code` brings the released one, and turning D-04 the other again."""
    params = load_params(checkout.params)

    def variant(**varied: object) -> str:
        return checked(params, CellRequest(*ON_DEMO, **varied)).variant  # type: ignore[arg-type]

    assert variant(fidelity="code", itm="code") == "irllrec-code"
    assert variant(fidelity="code", itm="reading") == "irllrec-code-itm-reading"
    assert variant(turned=("D-04",), itm="code") == "irllrec-d04"


def test_a_variation_takes_over_the_settings_and_adds_what_it_varies(checkout: Layout) -> None:
    add_dataset(checkout, "yelp", AMAZON, published=True)
    plain = load_params(checkout.params).cells["yelp-lightgcn-irllrec"]
    request = CellRequest("yelp", "lightgcn", "irllrec", ("TRAN",), "code", ("D-03",), "reading", True)
    (key,) = ensure_cells(checkout, [request])
    cell = load_params(checkout.params).cells[key]
    assert key == "yelp-lightgcn-irllrec-code-d03-itm-reading-no-tran-coupled"
    assert (cell.settings, cell.drop) == ("published", ("TRAN",))
    assert (cell.override.fidelity, cell.override.turned) == ("code", ("D-03",))
    added = {"itm": "reading", "keep_coupled": True}
    assert cell.override.objective == {**plain.override.objective, **added}
    assert cell.override.backbone == plain.override.backbone


def test_turning_what_the_plain_cell_has_turned_turns_it_back(checkout: Layout) -> None:
    text = checkout.params.read_text()
    line = next(line for line in text.splitlines() if line.startswith("  demo-lightgcn-irllrec:"))
    turned = line.removesuffix("}") + ", override: {turned: [D-03]}}"
    checkout.params.write_text(text.replace(line, turned))
    (key,) = ensure_cells(checkout, [CellRequest(*ON_DEMO, turned=("D-03", "D-05"))])
    assert load_params(checkout.params).cells[key].override.turned == ("D-05",)


def test_published_settings_leave_a_variation_what_it_is(checkout: Layout) -> None:
    add_dataset(checkout, "yelp", AMAZON)
    request = CellRequest("yelp", "lightgcn", "irllrec", fidelity="code", turned=("D-03",), itm="reading")
    (key,) = ensure_cells(checkout, [request])
    assert key in use_published(checkout, ["yelp"]).changed
    override = load_params(checkout.params).cells[key].override
    assert (override.fidelity, override.turned, override.objective["itm"]) == ("code", ("D-03",), "reading")
    assert override.objective["pair_weight"] == 0.01


def test_a_variation_is_told_from_a_cell_with_settings_of_its_own(checkout: Layout) -> None:
    requests = [
        CellRequest(*ON_DEMO, fidelity="code"),
        CellRequest(*ON_DEMO, turned=("D-03",)),
        CellRequest(*ON_DEMO, itm="code"),
        CellRequest(*ON_DEMO, ("ITM",)),
    ]
    keys = ensure_cells(checkout, requests)
    add_dataset(checkout, "yelp", AMAZON, published=True)
    cells = load_params(checkout.params).cells
    assert all(cells[key].is_variation for key in keys)
    assert not cells["demo-lightgcn-irllrec"].is_variation
    assert not cells["yelp-lightgcn-irllrec"].is_variation


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (CellRequest(*ON_DEMO, fidelity="release"), "no fidelity 'release': choose code or paper"),
        (CellRequest(*ON_DEMO, itm="auto"), "no form of ITM 'auto': choose code or reading"),
        (CellRequest(*ON_DEMO, turned=("D-13",)), "no deviation 'D-13' to turn: choose from D-01 to D-12"),
        (CellRequest("demo", "lightgcn", "base", itm="code"), "base has no intent-text matching"),
    ],
)
def test_an_impossible_variation_is_refused_in_one_sentence(
    checkout: Layout, request_: CellRequest, words: str
) -> None:
    before = checkout.params.read_bytes()
    with pytest.raises(ReproError, match=words) as refusal:
        ensure_cells(checkout, [request_])
    assert "\n" not in str(refusal.value)
    assert checkout.params.read_bytes() == before
