"""Simple baselines through the stages train and evaluate, and in the grid."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import yaml

from irllrec.data.prepared import load_split
from irllrec.data.storage import read_arrays
from irllrec.evaluation.metrics import per_user_metrics
from irllrec.evaluation.ranking import rank_scores
from irllrec.recommender import simple_class
from irllrec.settings import read_settings
from irllrec.training.checkpoint import load_tensors
from repro import seeds as workers
from repro.analysis import facts_of
from repro.errors import ReproError
from repro.grid import CellRequest, ensure_cells
from repro.layout import Layout
from repro.params import load_params
from repro.stages import evaluate, train

NAMES = ["pop", "itemknn", "ease", "mult-vae", "als"]
SMALL = {
    "itemknn": {"neighbours": [3, 10], "shrinkage": [0.0, 5.0]},
    "ease": {"regularization": [1.0, 10.0, 100.0]},
    "mult-vae": {"hidden": 16, "latent": 8, "kl_cap": [0.1, 0.3], "anneal_steps": 10, "batch_size": 20},
    "als": {"factors": 8, "alpha": [5.0, 20.0], "regularization": 1.0, "iterations": 3},
}


@pytest.fixture
def project(small: Layout) -> Layout:
    """The small checkout with the five baselines in the grid, in small sizes."""
    ensure_cells(small, [CellRequest("demo", name, "base") for name in NAMES])
    content = yaml.safe_load(small.params.read_text(encoding="utf-8"))
    for name, settings in SMALL.items():
        content["backbones"][name] |= settings
    small.params.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return small


def _run(project: Layout, name: str) -> dict:
    train.main([f"demo-{name}-base"])
    evaluate.main([f"demo-{name}-base"])
    return json.loads((project.run("demo", name, "base") / "run.json").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_a_cell_of_a_simple_baseline_trains_and_evaluates(project: Layout, name: str) -> None:
    run = _run(project, name)
    folder = project.run("demo", name, "base")
    settings = load_params(project.params).backbones[name]
    trials = int(np.prod([len(value) for value in settings.values() if isinstance(value, list)]))
    tuning = run["tuning"]
    assert tuning["trials"] == len(tuning["candidates"]) == trials
    best = max(candidate["validation"] for candidate in tuning["candidates"])
    assert run["per_seed"]["2023"]["best_validation"] == best
    assert tuning["chosen"].items() <= run["hyperparameters"].items()
    assert set(tuning["chosen"]) == set(settings)
    assert facts_of(run)["settings"] == (f"tuned ({trials} trials)" if trials > 1 else "default")
    assert facts_of(run)["fidelity"] == facts_of(run)["keep rate"] == "–"
    rows = list(csv.DictReader((folder / "history.csv").read_text().splitlines()))
    assert {row["trial"] for row in rows if row["seed"] == "2023"} == {str(n + 1) for n in range(trials)}
    assert {row["seed"] for row in rows} == {"2023", "2024"}
    assert json.loads((folder / "metrics.json").read_text())["recall@20"] > 0
    assert not any(project.checkpoints.iterdir())


@pytest.mark.parametrize("name", ["pop", "itemknn", "ease"])
def test_a_deterministic_baseline_has_one_model_for_all_seeds(project: Layout, name: str) -> None:
    _run(project, name)
    folder = project.run("demo", name, "base") / "model"
    first, second = (load_tensors(folder / f"seed-{seed}.safetensors") for seed in (2023, 2024))
    np.testing.assert_array_equal(first[0]["inference/ranked"], second[0]["inference/ranked"])
    assert (first[1]["seed"], second[1]["seed"]) == (2023, 2024)


def test_only_the_first_seed_searches_and_the_others_take_its_choice(project: Layout) -> None:
    run = _run(project, "als")
    folder = project.run("demo", "als", "base")
    rows = list(csv.DictReader((folder / "history.csv").read_text().splitlines()))
    assert {row["trial"] for row in rows if row["seed"] == "2024"} == {"1"}
    models = [load_tensors(folder / "model" / f"seed-{seed}.safetensors") for seed in (2023, 2024)]
    assert models[0][1]["settings"] == models[1][1]["settings"] == run["tuning"]["chosen"]
    assert (models[0][0]["inference/ranked"] != models[1][0]["inference/ranked"]).any()


@pytest.mark.parametrize("mask", ["train", "train+valid"])
@pytest.mark.parametrize("name", ["pop", "ease"])
def test_stored_lists_give_what_direct_scoring_gives_under_either_mask(
    project: Layout, name: str, mask: str
) -> None:
    text = project.params.read_text(encoding="utf-8")
    project.params.write_text(text.replace("mask: train\n", f"mask: {mask}\n"), encoding="utf-8")
    run = _run(project, name)
    folder = project.run("demo", name, "base")
    prepared = project.prepared("demo")
    training, valid, test = (load_split(prepared, split) for split in ("train", "valid", "test"))
    kind = simple_class(name)
    model = kind(
        train=training, settings=read_settings(kind.Settings, run["tuning"]["chosen"], where=""), seed=0
    )
    model.fit_epoch(1)
    users = np.flatnonzero(test.user_degrees > 0)
    expected = rank_scores(
        model.scores,
        item_count=training.item_count,
        users=users,
        masked=[training] if mask == "train" else [training, valid],
        length=100,
    )
    stored = read_arrays(folder / "top_items.npz")
    np.testing.assert_array_equal(stored["items"][0], expected)
    recall = per_user_metrics(expected, test, users, ["recall@20"])["recall@20"].mean()
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["mask"] == mask
    assert metrics["recall@20"] == pytest.approx(recall)


@pytest.mark.parametrize("name", ["ease", "mult-vae"])
def test_an_interrupted_cell_goes_on_and_ends_with_the_same_bytes(
    project: Layout, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def files() -> dict[str, bytes]:
        folder = project.run("demo", name, "base")
        return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    text = project.params.read_text(encoding="utf-8")
    text = text.replace("checkpoint_seconds: 10", "checkpoint_seconds: 0")
    project.params.write_text(text, encoding="utf-8")
    train.main([f"demo-{name}-base"])
    whole = files()
    said: list[int] = []

    def interrupt(message: workers.Message) -> None:
        said.append(message.epoch)
        if len(said) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(workers, "say", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train.main([f"demo-{name}-base"])
        train.main([f"demo-{name}-base"])
    assert said[:4] == [1, 2, 3, 3]
    assert files() == whole


def test_a_single_candidate_is_no_search(project: Layout) -> None:
    content = yaml.safe_load(project.params.read_text(encoding="utf-8"))
    content["backbones"]["als"]["alpha"] = 5.0
    project.params.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    run = _run(project, "als")
    assert run["tuning"]["trials"] == 1
    assert facts_of(run)["settings"] == "default"


def test_objectives_that_read_text_are_refused_on_a_simple_baseline(checkout: Layout) -> None:
    before = checkout.params.read_bytes()
    with pytest.raises(ReproError, match="ease is a simple baseline .* choose the objective base"):
        ensure_cells(checkout, [CellRequest("demo", "ease", "irllrec")])
    assert checkout.params.read_bytes() == before


def test_a_cell_names_the_file_of_its_backbone(checkout: Layout) -> None:
    (key,) = ensure_cells(checkout, [CellRequest("demo", "mult-vae", "base")])
    assert key == "demo-mult-vae-base"
    assert load_params(checkout.params).cells[key].backbone_code == "irllrec/backbones/mult_vae.py"
    text = checkout.params.read_text().replace("backbones/mult_vae.py", "backbones/other.py")
    checkout.params.write_text(text)
    with pytest.raises(
        ReproError, match="backbone_code is .*other.py.* should be irllrec/backbones/mult_vae.py"
    ):
        load_params(checkout.params)
