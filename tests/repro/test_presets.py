"""Presets put settings into cells and leave everything else of params.yaml as it was."""

import pytest

from repro.cli import run
from repro.errors import ReproError
from repro.grid import CellRequest, add_dataset, ensure_cells
from repro.layout import Layout
from repro.params import load_params
from repro.presets import use_default, use_published, use_tuned

SHOP = {
    "origin": "imported",
    "split": {"how": "ratio"},
    "seeds": [2023],
    "text": {"summarizer": "upstream", "embedder": "vectors"},
}


@pytest.fixture
def shop(checkout: Layout) -> Layout:
    """A checkout with an imported data set, on lightgcn and sgl, and variations of irllrec."""
    add_dataset(checkout, "shop", SHOP)
    ensure_cells(
        checkout,
        [
            *(CellRequest("shop", "sgl", name) for name in ("base", "rlmrec-con", "rlmrec-gen", "irllrec")),
            CellRequest("shop", "lightgcn", "irllrec", ("ITM",)),
            CellRequest("shop", "lightgcn", "irllrec", fidelity="code"),
            CellRequest("shop", "lightgcn", "irllrec", turned=("D-03",)),
        ],
    )
    return checkout


def _cells(layout: Layout, dataset: str = "shop") -> dict[str, tuple[str, dict]]:
    return {
        key.removeprefix(f"{dataset}-"): (cell.settings, cell.override.model_dump(exclude_defaults=True))
        for key, cell in load_params(layout.params).cells.items()
        if cell.dataset == dataset
    }


def test_published_settings_leave_cells_alone_for_which_nothing_was_published(checkout: Layout) -> None:
    before = checkout.params.read_text()
    preset = use_published(checkout)
    assert preset.changed == []
    assert preset.left == list(load_params(checkout.params).cells)
    assert checkout.params.read_text() == before


def test_settings_of_another_data_set_are_taken_and_named(shop: Layout) -> None:
    """METHOD's table: lightgcn gen on yelp has 2 layers, 1e-7, mask .05, weight .01, temperature .1."""
    preset = use_published(shop, ["shop"], like="yelp")
    settings, override = _cells(shop)["lightgcn-rlmrec-gen"]
    assert settings == "published for yelp"
    assert override["backbone"] == {"layers": 2}
    assert override["objective"]["recon_temperature"] == 0.1
    assert not any(key.startswith("demo") for key in preset.changed)


def test_a_method_without_published_settings_is_left_and_named(shop: Layout) -> None:
    """The release has no rlmrec-gen settings for sgl."""
    preset = use_published(shop, ["shop"], like="yelp")
    assert preset.left == ["shop-sgl-rlmrec-gen"]
    assert _cells(shop)["sgl-rlmrec-gen"] == ("default", {})


def test_variations_take_the_settings_of_their_objective_and_stay_variations(shop: Layout) -> None:
    use_published(shop, ["shop"], like="amazon")
    cells = _cells(shop)
    plain = cells["lightgcn-irllrec"][1]
    assert plain["objective"]["pair_weight"] == 0.02
    assert cells["lightgcn-irllrec-no-itm"][1] == plain
    assert cells["lightgcn-irllrec-code"][1] == {**plain, "fidelity": "code"}
    assert cells["lightgcn-irllrec-d03"][1] == {**plain, "turned": ("D-03",)}


def test_default_takes_settings_away_and_nothing_else(shop: Layout) -> None:
    before = shop.params.read_text()
    use_published(shop, ["shop"], like="yelp")
    assert shop.params.read_text() != before
    use_default(shop, ["shop"])
    assert shop.params.read_text() == before


def test_tuned_settings_reach_the_method_and_its_variations_only(shop: Layout) -> None:
    chosen = {"backbone": {"layers": 2}, "objective": {"pair_weight": 0.03}}
    keys = use_tuned(shop, CellRequest("shop", "lightgcn", "irllrec"), chosen, 20)
    cells = _cells(shop)
    names = ["lightgcn-irllrec", *(f"lightgcn-irllrec-{name}" for name in ("no-itm", "code", "d03"))]
    assert keys == [f"shop-{name}" for name in names]
    assert {cells[name][0] for name in names} == {"tuned (20 trials)"}
    assert cells["lightgcn-irllrec-code"][1] == {**chosen, "fidelity": "code"}
    assert cells["lightgcn-base"] == cells["sgl-irllrec"] == ("default", {})


def test_presets_keep_every_comment_of_the_file(shop: Layout) -> None:
    def comments() -> list[str]:
        return [line.partition("#")[2] for line in shop.params.read_text().splitlines() if "#" in line]

    before = comments()
    use_published(shop, like="yelp")
    assert comments() == before


def test_a_data_set_that_nothing_was_published_for_cannot_be_likened_to(shop: Layout) -> None:
    with pytest.raises(ReproError, match="nothing was published for 'books': choose --like amazon, yelp"):
        use_published(shop, ["shop"], like="books")


def test_the_command_names_what_was_changed_and_what_was_left(
    shop: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REPRO_ROOT", str(shop.root))
    assert run(["grid", "use", "paper", "--dataset", "shop", "--like", "yelp"]) == 0
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("settings published for yelp: shop-lightgcn-base, ")
    assert told[1] == "left as they were, since nothing was published for them: shop-sgl-rlmrec-gen"
    assert run(["grid", "use", "default", "--like", "yelp"]) == 1
    assert "--like says whose published settings" in capsys.readouterr().err
    assert run(["grid", "use", "best"]) == 1
    assert "choose paper or default" in capsys.readouterr().err
