"""Cells of another precision: their names, what holds anyway, and where they stand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from repro.analysis import ablation_pairs, facts_of
from repro.cell_requests import CellRequest, checked, named
from repro.errors import ReproError
from repro.grid import add_dataset, ensure_cells
from repro.layout import Layout
from repro.params import load_params
from repro.presets import use_default, use_published
from repro.stages.train import recipe_of
from repro.tuning.search import Search, run_search
from repro.tuning.spaces import Range

ON_DEMO = ("demo", "lightgcn", "irllrec")
UPSTREAM = {"summarizer": "upstream", "embedder": "vectors"}
AMAZON = {"origin": "fetched", "split": {"how": "given"}, "seeds": [2023], "text": UPSTREAM}

VARIANTS = [
    (CellRequest(*ON_DEMO, precision="fast"), "irllrec-fast"),
    (CellRequest(*ON_DEMO, ("ITM",), precision="fast"), "irllrec-fast-no-itm"),
    (CellRequest(*ON_DEMO, ("TEXT",), precision="fast"), "irllrec-fast-no-text"),
    (CellRequest(*ON_DEMO, text="shuffled", precision="fast"), "irllrec-fast-with-shuffled"),
    (
        CellRequest(*ON_DEMO, ("TRAN",), "code", ("D-03",), "reading", True, precision="fast"),
        "irllrec-code-d03-itm-reading-fast-no-tran-coupled",
    ),
    (CellRequest("demo", "lightgcn", "rlmrec-con", precision="fast"), "rlmrec-con-fast"),
    (CellRequest("demo", "alpharec", "base", precision="fast"), "base-fast"),
]


def _set(layout: Layout, old: str, new: str) -> None:
    text = layout.params.read_text(encoding="utf-8")
    assert text.count(old) >= 1
    layout.params.write_text(text.replace(old, new, 1), encoding="utf-8")


def _override(layout: Layout, override: str) -> None:
    """Give the plain irllrec cell of the demo an override."""
    text = layout.params.read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("  demo-lightgcn-irllrec:"))
    _set(layout, line, line.removesuffix("}") + f", override: {override}}}")


@pytest.mark.parametrize(("request_", "variant"), VARIANTS)
def test_a_fast_variant_is_named_after_its_precision_and_found_by_that_name(
    checkout: Layout, request_: CellRequest, variant: str
) -> None:
    assert request_.variant == variant
    params = load_params(checkout.params)
    again = named(params, request_.dataset, request_.backbone, variant)
    assert checked(params, again) == checked(params, request_)
    assert checked(params, again).variant == variant


@pytest.mark.parametrize(
    ("request_", "key"),
    [
        (CellRequest(*ON_DEMO, precision="exact"), "demo-lightgcn-irllrec"),
        (CellRequest("demo", "lightgcn", "base", precision="fast"), "demo-lightgcn-base"),
        (CellRequest("demo", "ease", "base", precision="fast"), "demo-ease-base"),
    ],
)
def test_a_precision_that_changes_nothing_makes_no_new_cell(
    checkout: Layout, request_: CellRequest, key: str
) -> None:
    """The usual one; any where no text is read, since only what text enters is shortened."""
    before = checkout.params.read_bytes()
    assert ensure_cells(checkout, [request_]) == [key]
    assert checkout.params.read_bytes() == before


def test_what_holds_anyway_follows_the_file_and_the_plain_cell(checkout: Layout) -> None:
    def variants() -> list[str]:
        params = load_params(checkout.params)
        asked = [CellRequest(*ON_DEMO, precision=precision) for precision in (None, "fast", "exact")]
        return [checked(params, request).variant for request in asked]

    assert variants() == ["irllrec", "irllrec-fast", "irllrec"]
    _set(checkout, "precision: exact ", "precision: fast ")
    assert variants() == ["irllrec", "irllrec", "irllrec-exact"]
    _override(checkout, "{precision: exact}")
    assert variants() == ["irllrec", "irllrec-fast", "irllrec"]


def test_an_unknown_precision_is_refused_in_one_sentence(checkout: Layout) -> None:
    before = checkout.params.read_bytes()
    with pytest.raises(ReproError, match="There is no precision 'quick': choose exact or fast") as refusal:
        ensure_cells(checkout, [CellRequest(*ON_DEMO, precision="quick")])
    assert "\n" not in str(refusal.value)
    assert checkout.params.read_bytes() == before


def test_a_fast_cell_takes_over_its_plain_cells_settings(checkout: Layout) -> None:
    add_dataset(checkout, "yelp", AMAZON, published=True)
    plain = load_params(checkout.params).cells["yelp-lightgcn-irllrec"]
    (key,) = ensure_cells(checkout, [CellRequest("yelp", "lightgcn", "irllrec", precision="fast")])
    params = load_params(checkout.params)
    cell = params.cells[key]
    assert (key, cell.settings) == ("yelp-lightgcn-irllrec-fast", "published")
    assert cell.override == plain.override.model_copy(update={"precision": "fast"})
    assert (recipe_of(params, cell).precision, recipe_of(params, plain).precision) == ("fast", "exact")


def test_presets_leave_a_fast_cell_fast(checkout: Layout) -> None:
    add_dataset(checkout, "yelp", AMAZON)
    (key,) = ensure_cells(checkout, [CellRequest("yelp", "lightgcn", "irllrec", precision="fast")])
    for use in (use_published, use_default):
        assert key in use(checkout, ["yelp"]).changed
        assert load_params(checkout.params).cells[key].override.precision == "fast"


def test_a_fast_cell_is_a_variation_and_a_plain_cell_with_an_override_is_not(checkout: Layout) -> None:
    (key,) = ensure_cells(checkout, [CellRequest(*ON_DEMO, precision="fast")])
    _override(checkout, "{precision: fast}")
    cells = load_params(checkout.params).cells
    assert cells[key].is_variation
    assert not cells[key].is_ablation
    assert not cells["demo-lightgcn-irllrec"].is_variation


def test_variations_of_a_plain_cell_that_is_fast_are_fast(checkout: Layout) -> None:
    _override(checkout, "{precision: fast}")
    keys = ensure_cells(
        checkout, [CellRequest(*ON_DEMO, ("ITM",)), CellRequest(*ON_DEMO, ("ITM",), precision="exact")]
    )
    assert keys == ["demo-lightgcn-irllrec-no-itm", "demo-lightgcn-irllrec-exact-no-itm"]
    params = load_params(checkout.params)
    assert [recipe_of(params, params.cells[key]).precision for key in keys] == ["fast", "exact"]


def test_a_fast_ablation_is_compared_with_the_fast_whole_model(checkout: Layout) -> None:
    requests = [
        CellRequest(*ON_DEMO),
        CellRequest(*ON_DEMO, precision="fast"),
        CellRequest(*ON_DEMO, ("ITM",), precision="fast"),
    ]
    keys = ensure_cells(checkout, requests)
    cells = load_params(checkout.params).cells
    results: list[Any] = [SimpleNamespace(cell=cells[key]) for key in keys]
    (pair,) = ablation_pairs(results)
    assert (pair.candidate, pair.reference) == (results[2], results[1])


def test_a_file_without_the_key_is_exact(checkout: Layout) -> None:
    text = checkout.params.read_text(encoding="utf-8")
    kept = [line for line in text.splitlines(keepends=True) if not line.startswith("precision:")]
    assert len(kept) == len(text.splitlines()) - 1
    checkout.params.write_text("".join(kept), encoding="utf-8")
    params = load_params(checkout.params)
    assert params.precision == "exact"
    assert recipe_of(params, params.cells["demo-lightgcn-irllrec"]).precision == "exact"


def test_the_files_precision_holds_for_every_cell_without_one_of_its_own(checkout: Layout) -> None:
    _set(checkout, "precision: exact ", "precision: fast ")
    _override(checkout, "{precision: exact}")
    params = load_params(checkout.params)
    found = {cell.variant: recipe_of(params, cell).precision for cell in params.cells.values()}
    assert (found["irllrec"], found["rlmrec-con"]) == ("exact", "fast")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "precision: exact ",
            "precision: quick ",
            "`precision` is 'quick': input should be 'exact' or 'fast'",
        ),
        ("precision: exact ", "precison: fast ", "unknown key `precison`"),
        (
            "variant: irllrec, ",
            "variant: irllrec, override: {precision: quick}, ",
            "`cells.demo-lightgcn-irllrec.override.precision` is 'quick'",
        ),
    ],
)
def test_a_wrong_precision_in_the_file_is_named(checkout: Layout, old: str, new: str, words: str) -> None:
    _set(checkout, old, new)
    with pytest.raises(ReproError, match=words) as refusal:
        load_params(checkout.params)
    assert "\n" not in str(refusal.value)


def _run(**reductions: tuple[int, int, float]) -> dict[str, Any]:
    kept = {
        kind: {"dimension": to, "of": of, "variance_kept": share}
        for kind, (of, to, share) in reductions.items()
    }
    return {"precision": "fast", "text": {"embedder": "lsa"} | ({"reduction": kept} if kept else {})}


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (_run(), "fast"),
        (_run(profile=(64, 64, 1.0), intent=(64, 64, 1.0)), "fast"),
        (
            _run(profile=(1536, 128, 0.98765), intent=(1536, 128, 0.9654)),
            "fast (profile from 1536 to 128 columns, 98.8% of the variance, "
            "intent from 1536 to 128 columns, 96.5% of the variance)",
        ),
        (
            _run(profile=(128, 128, 1.0), intent=(1024, 128, 0.75)),
            "fast (intent from 1024 to 128 columns, 75.0% of the variance)",
        ),
        (
            _run(profile=(768, 128, 0.9), intent=(768, 128, 0.9)),
            "fast (text from 768 to 128 columns, 90.0% of the variance)",
        ),
        ({"precision": "exact", "text": {"embedder": "lsa"}}, "exact"),
        ({"precision": None, "text": None}, "–"),
        ({}, "–"),
    ],
)
def test_the_provenance_tells_the_precision_and_what_was_kept_of_the_text(
    run: dict[str, Any], words: str
) -> None:
    assert facts_of(run)["precision"] == words


def test_exact_and_fast_trials_are_not_mixed_in_one_ledger(small: Layout) -> None:
    """Under base, which reads no text, they are the same trials."""
    params = load_params(small.params)
    fast = params.model_copy(update={"precision": "fast"})
    space = {"backbone.layers": Range(low=1, high=3)}
    for objective in ("irllrec", "base"):
        search = Search(CellRequest("demo", "lightgcn", objective), space, 1, 2023)
        exact = run_search(small, params, search)
        if objective == "base":
            assert run_search(small, fast, search) == exact
            continue
        with pytest.raises(ReproError, match="or training setting, which cannot be compared with new ones"):
            run_search(small, fast, search)
