"""Cells trained with noise or with changed settings: names, refusals, and what is really trained."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irllrec.data.interactions import Interactions
from irllrec.data.noise import fake_interactions
from irllrec.data.prepared import load_split
from irllrec.data.storage import load_interactions, read_arrays
from irllrec.graph import BipartiteGraph
from repro import seed_training
from repro.analysis import ablation_pairs, facts_of, main_questions, read_cells
from repro.cell_names import number_word, read_name_of, read_number
from repro.cell_requests import COMPONENTS, CellRequest, checked, named
from repro.errors import ReproError
from repro.grid import ensure_cells
from repro.layout import FAKES, Layout
from repro.params import Params, load_params
from repro.seed_training import SeedJob, train_seed, training_pairs
from repro.stages import evaluate, train
from repro.stages.train import plan

ROOT = Path(__file__).resolve().parents[2]
PARAMS = load_params(ROOT / "params.yaml")
ON_DEMO = ("demo", "lightgcn", "irllrec")


def _wanted(**varied: object) -> CellRequest:
    return CellRequest(*ON_DEMO, **varied)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("request_", "variant"),
    [
        (_wanted(click_noise=10), "irllrec-clicks10"),
        (_wanted(click_noise=10, drop=("TRAN",)), "irllrec-clicks10-no-tran"),
        (_wanted(text_noise=20, text="titles"), "irllrec-with-titles-textnoise20"),
        (_wanted(settings=(("itm_weight", 0.01),)), "irllrec-at-itm-weight-0p01"),
        (_wanted(settings=(("tran_weight", 1e-5), ("layers", 2))), "irllrec-at-backbone-layers-2-tran-weight-1em5"),
        (_wanted(settings=(("text_dimension", 16),), fidelity="code"), "irllrec-code-at-text-dimension-16"),
        (_wanted(settings=(("embedding_size", 64),)), "irllrec-at-embedding-size-64"),
        (CellRequest("demo", "dccf", "irllrec", settings=(("objective.intents", 64),)), "irllrec-at-intents-64"),
        (CellRequest("demo", "dccf", "irllrec", settings=(("backbone.intents", 8),)), "irllrec-at-backbone-intents-8"),
        (CellRequest("demo", "ease", "base", click_noise=5), "base-clicks5"),
    ],
)  # fmt: skip
def test_a_varied_cell_is_named_after_what_it_varies_and_found_by_that_name(
    request_: CellRequest, variant: str
) -> None:
    request = checked(PARAMS, request_)
    assert request.variant == variant
    assert checked(PARAMS, named(PARAMS, request.dataset, request.backbone, variant)) == request


SETTINGS = st.sampled_from(
    (
        "backbone.layers",
        "backbone.cl_weight",
        "objective.itm_weight",
        "objective.kd_temperature",
        "training.embedding_size",
        "training.learning_rate",
        "text.dimension",
    )
)
REQUESTS = st.builds(
    CellRequest,
    dataset=st.just("demo"),
    backbone=st.just("lightgcn"),
    objective=st.sampled_from(list(PARAMS.objectives)),
    drop=st.sets(st.sampled_from(COMPONENTS)).map(lambda names: tuple(n for n in COMPONENTS if n in names)),
    fidelity=st.sampled_from([None, "code", "paper"]),
    turned=st.sets(st.sampled_from(["D-01", "D-07", "D-12"])).map(lambda names: tuple(sorted(names))),
    itm=st.sampled_from([None, "code", "reading"]),
    keep_coupled=st.booleans(),
    text=st.sampled_from([None, "shuffled", "titles", "llama3"]),
    precision=st.sampled_from([None, "exact", "fast"]),
    click_noise=st.none() | st.integers(1, 100),
    text_noise=st.none() | st.integers(1, 100),
    settings=st.dictionaries(
        SETTINGS,
        st.integers(0, 10**6) | st.floats(0, allow_infinity=False, allow_nan=False),
        max_size=3,
    ).map(lambda changes: tuple(sorted(changes.items()))),
)


@given(REQUESTS)
def test_every_name_is_read_back(request_: CellRequest) -> None:
    assert named(PARAMS, "demo", "lightgcn", request_.variant) == request_


@given(st.integers(0) | st.floats(0, allow_infinity=False, allow_nan=False))
def test_every_number_is_read_back_and_fits_a_name(number: float) -> None:
    word = number_word(number)
    assert read_number(word) == number
    assert word.isalnum()
    assert word == word.lower()


def test_a_name_that_cannot_be_read_becomes_the_objective_that_is_then_refused() -> None:
    for name in ("irllrec-at-", "irllrec-at-itm-weight", "irllrec-at-itm-weight-1e", "irllrec-clicks0"):
        assert read_name_of(name, list(PARAMS.objectives))["objective"] == name
        with pytest.raises(ReproError, match="There is no objective"):
            checked(PARAMS, named(PARAMS, "demo", "lightgcn", name))


def test_what_the_plain_cell_has_anyway_makes_no_new_cell(checkout: Layout) -> None:
    """The demo's data set sets a learning rate of its own, its vectors have 64 columns, base reads none."""
    same = [
        _wanted(settings=(("intents", 128),)),
        _wanted(settings=(("learning_rate", 0.005), ("tran_weight", 0.0005))),
        _wanted(settings=(("text_dimension", 64),)),
        _wanted(settings=(("text_dimension", 100),)),
    ]
    before = checkout.params.read_bytes()
    assert ensure_cells(checkout, same) == ["demo-lightgcn-irllrec"]
    assert ensure_cells(checkout, [CellRequest("demo", "lightgcn", "base", text_noise=20)]) == [
        "demo-lightgcn-base"
    ]
    assert checkout.params.read_bytes() == before


def test_a_varied_cell_takes_over_the_plain_cell_and_stands_in_no_main_table(checkout: Layout) -> None:
    text = checkout.params.read_text()
    line = next(line for line in text.splitlines() if line.startswith("  demo-lightgcn-irllrec:"))
    own = "settings: tuned (3 trials), override: {objective: {kd_weight: 0.5, itm_weight: 0.3}}}"
    checkout.params.write_text(text.replace(line, f"{line.removesuffix('}')}, {own}"))
    requests = [_wanted(click_noise=10), _wanted(settings=(("itm_weight", 0.1),), text_noise=5)]
    keys = ensure_cells(checkout, requests)
    params = load_params(checkout.params)
    noisy, changed = (params.cells[key] for key in keys)
    assert (noisy.click_noise, noisy.settings) == (10, "tuned (3 trials)")
    assert (changed.text_noise, changed.at) == (5, {"objective.itm_weight": 0.1})
    settings = train.recipe_of(params, changed).objective_settings
    assert (settings["itm_weight"], settings["kd_weight"]) == (0.1, 0.5)
    assert all(cell.is_variation and not cell.is_ablation for cell in (noisy, changed))


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (_wanted(click_noise=0), "0 % click noise is impossible: give a whole share from 1 to 100"),
        (_wanted(text_noise=101), "101 % text noise is impossible"),
        (_wanted(text_noise=10, drop=("TEXT",)), "Text noise on random text changes nothing"),
        (_wanted(settings=(("itn_weight", 1),)), "lightgcn under irllrec has no such setting: choose from backbone.la"),
        (_wanted(settings=(("itm", 1),)), "objective.itm has an option of its own: use --itm"),
        (_wanted(settings=(("intents", 6.5),)), "objectives.irllrec.intents is 6.5; it must be int"),
        (_wanted(settings=(("kd_weight", -1.0),)), "objective.kd_weight is -1.0: only numbers from 0 up"),
        (_wanted(settings=(("patience", 0),)), "training.patience is 0: input should be greater than or equal to 1"),
        (_wanted(settings=(("text_dimension", 0),)), "text.dimension is 0: give a whole number of columns"),
        (_wanted(settings=(("layers", 2), ("backbone.layers", 1))), "backbone.layers is given twice"),
        (
            CellRequest("demo", "dccf", "irllrec", settings=(("intents", 8),)),
            "dccf under irllrec has more than one such setting: name one of backbone.intents, objective.intents",
        ),
        (
            CellRequest("demo", "lightgcn", "base", settings=(("text_dimension", 8),)),
            "lightgcn under base has no such setting",
        ),
        (
            _wanted(fidelity="code", settings=(("keep_rate", 0.5),)),
            r"The released code, which this cell follows, sets backbone.keep_rate itself \(D-02, D-09\)",
        ),
    ],
)  # fmt: skip
def test_an_impossible_variation_is_refused_in_one_sentence(request_: CellRequest, words: str) -> None:
    with pytest.raises(ReproError, match=words) as refusal:
        checked(PARAMS, request_)
    assert "\n" not in str(refusal.value)


def test_a_name_that_grows_too_long_is_refused() -> None:
    names = ("kd_weight", "kd_temperature", "pair_weight", "pair_temperature", "tran_weight", "itm_alpha")
    with pytest.raises(ReproError, match="longer than 120 characters: vary less at once"):
        checked(PARAMS, _wanted(settings=tuple((name, 0.123) for name in names)))


def test_a_text_whose_name_would_be_taken_for_noise_is_refused(checkout: Layout) -> None:
    text = checkout.params.read_text()
    line = next(line for line in text.splitlines() if line.startswith("  demo: {dataset: demo"))
    line = line.replace("  demo:", "  demo-mine-at-home:").replace(
        "data/text/demo/", "data/text/demo-mine-at-home/"
    )
    checkout.params.write_text(text.replace("\ngenerated:", f"{line}\n\ngenerated:"))
    with pytest.raises(ReproError, match="rename text.demo-mine-at-home without no, at"):
        checked(load_params(checkout.params), _wanted(text="mine-at-home"))


def _job(layout: Layout, request: CellRequest) -> SeedJob:
    [key] = ensure_cells(layout, [request])
    params = load_params(layout.params)
    cell = params.cells[key]
    return plan(layout, params, key, cell, layout.run(cell.dataset, cell.backbone, cell.variant))[0]


def _trained_with(monkeypatch: pytest.MonkeyPatch) -> list[Interactions]:
    """Collect the interactions that the graph of each trained model is made of."""
    seen: list[Interactions] = []

    class Watched(BipartiteGraph):
        def __init__(self, train: Interactions, device: str) -> None:
            seen.append(train)
            super().__init__(train, device)

    monkeypatch.setattr("irllrec.graph.BipartiteGraph", Watched)
    return seen


def test_a_model_is_trained_on_the_polluted_interactions(
    small: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = _trained_with(monkeypatch)
    job = _job(small, _wanted(click_noise=10))
    train_seed(job)
    clean = load_split(small.prepared("demo"), "train")
    fakes = fake_interactions(clean, 10, "demo")
    assert sorted(seen[0].codes) == sorted([*clean.codes, *fakes.codes])
    assert len(fakes) == round(0.1 * len(clean))


def test_every_method_and_seed_meets_the_same_noise(small: Layout) -> None:
    ours = _job(small, _wanted(click_noise=15))
    theirs = _job(small, CellRequest("demo", "ease", "base", click_noise=15))
    other = _job(small, _wanted(click_noise=15, drop=("TRAN",)))
    assert ours.seed == theirs.seed
    pairs = [training_pairs(job).codes for job in (ours, theirs, other)]
    assert all((one == pairs[0]).all() for one in pairs)


def test_text_noise_reaches_the_model_with_the_same_mix_for_each_seed(small: Layout) -> None:
    clean, noisy = (_job(small, _wanted(text_noise=share)) for share in (None, 30))
    texts = [seed_training._node_text(job) for job in (clean, noisy)]
    assert texts[0] is not None
    assert texts[1] is not None
    moved = (texts[0].profile != texts[1].profile).any(dim=1).numpy()
    users = load_split(small.prepared("demo"), "train").user_count
    assert moved[:users].sum() == round(0.3 * users)
    assert moved[users:].sum() == round(0.3 * (len(moved) - users))
    assert sorted(map(tuple, texts[0].profile.tolist())) == sorted(map(tuple, texts[1].profile.tolist()))


def test_a_smaller_text_dimension_makes_the_vectors_narrower(small: Layout) -> None:
    text = seed_training._node_text(_job(small, _wanted(settings=(("text_dimension", 5),))))
    assert text is not None
    assert text.profile.shape[1] == text.intent.shape[1] == 5


def test_a_plain_cell_keeps_its_identity_and_a_varied_one_has_another(small: Layout) -> None:
    requests = [
        _wanted(),
        _wanted(click_noise=5),
        _wanted(text_noise=5),
        _wanted(settings=(("text_dimension", 5),)),
        _wanted(settings=(("itm_weight", 0.5),)),
    ]
    identities = [_job(small, request).identity for request in requests]
    assert len(set(identities)) == len(identities)


@pytest.fixture
def evaluated(small: Layout) -> tuple[Layout, Params, list[str]]:
    """Three cells really trained and evaluated: plain, with fakes, and a simple baseline with fakes."""
    requests = [_wanted(), _wanted(click_noise=20), CellRequest("demo", "itemknn", "base", click_noise=20)]
    keys = ensure_cells(small, requests)
    for key in keys:
        train.main([key])
        evaluate.main([key])
    return small, load_params(small.params), keys


@pytest.mark.slow
def test_fakes_are_stored_told_and_hidden_from_the_ranking(
    evaluated: tuple[Layout, Params, list[str]],
) -> None:
    layout, params, keys = evaluated
    clean = load_split(layout.prepared("demo"), "train")
    for key in keys[1:]:
        cell = params.cells[key]
        folder = layout.run(cell.dataset, cell.backbone, cell.variant)
        fakes = load_interactions(folder / "model" / FAKES)
        assert (fakes.codes == fake_interactions(clean, 20, "demo").codes).all()
        told = json.loads((folder / "run.json").read_text())["noise"]
        assert told == {"clicks": 20, "fake_interactions": len(fakes), "text": None}
        arrays = read_arrays(folder / "top_items.npz", "users", "items")
        owners = np.broadcast_to(arrays["users"][None, :, None], arrays["items"].shape)
        listed = arrays["items"] >= 0
        for hidden in (clean, fakes):
            assert not hidden.contains(owners[listed], arrays["items"][listed]).any()


@pytest.mark.slow
def test_noise_changes_neither_groups_nor_tables_of_clean_cells(
    evaluated: tuple[Layout, Params, list[str]],
) -> None:
    layout, params, keys = evaluated
    plain, noisy, simple = read_cells(layout, params, keys)
    assert (plain.train_degrees == noisy.train_degrees).all()
    assert "noise" not in plain.run
    assert not (layout.run(*ON_DEMO) / "model" / FAKES).exists()
    assert main_questions([plain, noisy, simple], ["recall@20"]) == []
    assert ablation_pairs([plain, noisy]) == []
    assert facts_of(noisy.run)["settings"] == "default with 20 % click noise"
