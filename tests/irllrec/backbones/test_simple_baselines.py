"""The simple baselines against dense formulas, and the contract that all of them keep."""

from __future__ import annotations

import importlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from irllrec.backbones.als import ALS, ALSSettings
from irllrec.backbones.ease import EASE, EASESettings
from irllrec.backbones.itemknn import ItemKNN, ItemKNNSettings
from irllrec.backbones.mult_vae import MultVAE, MultVAESettings
from irllrec.backbones.pop import Popularity, PopularitySettings
from irllrec.data.interactions import Interactions
from irllrec.errors import ConfigurationError, TrainingError
from irllrec.evaluation.metrics import per_user_metrics
from irllrec.evaluation.ranking import rank_scores
from irllrec.recommender import Recipe, backbone_class, inputs_of, is_simple, simple_class
from irllrec.seeding import Draws, torch_stream
from irllrec.simple import SimpleBaseline, candidates
from irllrec.training.loop import TrainingSettings
from irllrec.training.trials import TrialProgress, Tuned, tune

PARAMS = yaml.safe_load((Path(__file__).parents[3] / "params.yaml").read_text(encoding="utf-8"))
NAMES = ["pop", "itemknn", "ease", "mult-vae", "als"]
LEARNERS = ["mult-vae", "als"]
USERS, ITEMS = 24, 18
EVERYBODY = np.arange(USERS)
SMALL: dict[str, dict[str, Any]] = {
    "pop": {},
    "itemknn": {"neighbours": [2, 9], "shrinkage": [0.0, 1.0]},
    "ease": {"regularization": [1.0, 10.0, 100.0]},
    "mult-vae": {
        "hidden": 12,
        "latent": 4,
        "dropout": 0.3,
        "kl_cap": [0.1, 0.4],
        "anneal_steps": 20,
        "batch_size": 7,
        "learning_rate": 0.01,
    },
    "als": {"factors": [3, 6], "alpha": 10.0, "regularization": 0.1, "iterations": 4},
}
SCHEDULE = TrainingSettings(
    learning_rate=0.1, max_epochs=40, validate_every=2, patience=3, stop_on="recall@5", checkpoint_seconds=0
)


def _blocks(seed: int = 1) -> tuple[Interactions, Interactions]:
    """Even users take even items, odd users odd ones, six in ten; a sixth of the pairs is held out."""
    generator = np.random.default_rng(seed)
    pairs = np.argwhere(generator.random((USERS, ITEMS)) < 0.6)
    pairs = pairs[pairs[:, 0] % 2 == pairs[:, 1] % 2]
    held = generator.random(len(pairs)) < 1 / 6
    train, valid = pairs[~held], pairs[held]
    return (
        Interactions.from_pairs(train[:, 0], train[:, 1], USERS, ITEMS),
        Interactions.from_pairs(valid[:, 0], valid[:, 1], USERS, ITEMS),
    )


TRAIN, VALID = _blocks()
DENSE = TRAIN.matrix().toarray().astype(np.float64)


def _fitted(kind: type[SimpleBaseline], settings: Any, epochs: int = 1, **given: Any) -> Any:
    model = kind(**{"train": TRAIN, "seed": 1, **given}, settings=settings)
    for epoch in range(1, epochs + 1):
        model.fit_epoch(epoch)
    return model


def _vae_settings(**changes: Any) -> MultVAESettings:
    return MultVAESettings(**{**SMALL["mult-vae"], "kl_cap": 0.2, **changes})


def test_popularity_counts_training_users() -> None:
    scores = _fitted(Popularity, PopularitySettings()).scores(np.array([3, 0]))
    np.testing.assert_array_equal(scores.numpy(), np.tile(DENSE.sum(axis=0), (2, 1)))


@pytest.mark.parametrize(("neighbours", "shrinkage"), [(1, 0.0), (3, 2.5), (50, 10.0)])
def test_itemknn_sums_the_similarities_of_an_items_nearest_neighbours(
    neighbours: int, shrinkage: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dense: sim = XᵀX / (norms + h), zero diagonal, each column cut to its k largest; scores X·sim."""
    monkeypatch.setattr("irllrec.backbones.itemknn.BLOCK_ITEMS", 5)
    norms = np.sqrt(DENSE.sum(axis=0))
    similarity = (DENSE.T @ DENSE) / (np.outer(norms, norms) + shrinkage)
    np.fill_diagonal(similarity, 0.0)
    for item in range(ITEMS):
        behind = np.argsort(-similarity[:, item], kind="stable")[neighbours:]
        similarity[behind, item] = 0.0
    model = _fitted(ItemKNN, ItemKNNSettings(neighbours, shrinkage))
    expected = DENSE @ similarity
    found = model.scores(EVERYBODY).double().numpy()
    told = expected.min(axis=1) != expected.max(axis=1)
    np.testing.assert_allclose(found[told], expected[told], rtol=1e-6)


@pytest.mark.parametrize("regularization", [0.5, 20.0])
def test_ease_solves_a_ridge_regression_of_every_item_on_all_others(regularization: float) -> None:
    """Column j of B is the ridge solution that predicts item j from the others, itself left out."""
    weights = np.zeros((ITEMS, ITEMS))
    for item in range(ITEMS):
        others = np.delete(np.arange(ITEMS), item)
        features = DENSE[:, others]
        ridge = features.T @ features + regularization * np.eye(ITEMS - 1)
        weights[others, item] = np.linalg.solve(ridge, features.T @ DENSE[:, item])
    found = _fitted(EASE, EASESettings(regularization)).scores(EVERYBODY)
    np.testing.assert_allclose(found.numpy(), DENSE @ weights, atol=2e-6)


@pytest.mark.parametrize("entries", [1, 1 << 22])
def test_als_solves_a_weighted_ridge_regression_for_every_user(
    entries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """p_u = (Qᵀ C_u Q + λI)⁻¹ Qᵀ C_u x_u with the dense diagonal C_u, in blocks of one or of all."""
    monkeypatch.setattr("irllrec.backbones.als.BLOCK_ENTRIES", entries)
    model = ALS(train=TRAIN, settings=ALSSettings(4, 5.0, 0.3, 1), seed=1)
    before = model.item_factors.double().numpy()
    model.fit_epoch(1)
    after = model.user_factors.double().numpy()
    for user in range(USERS):
        confidence = np.diag(1 + 5.0 * DENSE[user])
        expected = np.linalg.solve(
            before.T @ confidence @ before + 0.3 * np.eye(4), before.T @ confidence @ DENSE[user]
        )
        np.testing.assert_allclose(after[user], expected, rtol=1e-4, atol=1e-6)
    for item in range(ITEMS):
        confidence = np.diag(1 + 5.0 * DENSE[:, item])
        expected = np.linalg.solve(
            after.T @ confidence @ after + 0.3 * np.eye(4), after.T @ confidence @ DENSE[:, item]
        )
        np.testing.assert_allclose(model.item_factors[item].numpy(), expected, rtol=1e-4, atol=1e-6)


def test_every_epoch_of_als_lowers_its_loss() -> None:
    settings = ALSSettings(4, 5.0, 0.3, 1)
    model = ALS(train=TRAIN, settings=settings, seed=1)
    losses = []
    for epoch in range(1, 6):
        model.fit_epoch(epoch)
        users, items = model.user_factors.double().numpy(), model.item_factors.double().numpy()
        errors = (1 + 5.0 * DENSE) * (DENSE - users @ items.T) ** 2
        losses.append(errors.sum() + 0.3 * ((users**2).sum() + (items**2).sum()))
    assert np.all(np.diff(losses) < 0)


class _Recorded(Draws):
    """Draws that can be looked at afterwards."""

    def __init__(self, seed: int) -> None:
        super().__init__(torch_stream(seed, "draws"))
        self.arrays: list[torch.Tensor] = []

    def rand(self, *shape: int) -> torch.Tensor:
        self.arrays.append(super().rand(*shape))
        return self.arrays[-1]

    def randn_like(self, template: torch.Tensor) -> torch.Tensor:
        self.arrays.append(super().randn_like(template))
        return self.arrays[-1]


def test_the_terms_of_mult_vae_are_those_of_dense_matrices() -> None:
    """x/‖x‖ with items dropped and the rest scaled up, tanh layers, log softmax, KL of two Gaussians."""
    model = MultVAE(train=TRAIN, settings=_vae_settings(), seed=1)
    network, draws, users = model.network, _Recorded(3), np.array([5, 0, 11])
    likelihood, divergence = model.terms(users, draws)
    uniform, noise = draws.arrays
    binary = torch.from_numpy(DENSE[users]).float()
    values = torch.zeros_like(binary)
    values[binary.bool()] = (uniform >= 0.3).float() / 0.7
    inputs = values * binary / binary.norm(dim=1, keepdim=True)
    mean, log_variance = network.posterior(torch.tanh(inputs @ network.first + network.first_bias)).split(
        4, dim=1
    )
    scale = torch.exp(log_variance / 2)
    logits = network.last(torch.tanh(network.decoder(mean + noise * scale)))
    expected = -(torch.log_softmax(logits, dim=1) * binary).sum(dim=1).mean()
    posterior = torch.distributions.Normal(mean, scale)
    prior = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
    distance = torch.distributions.kl_divergence(posterior, prior).sum(dim=1).mean()
    torch.testing.assert_close(likelihood, expected)
    torch.testing.assert_close(divergence, distance)


def test_every_parameter_of_mult_vae_gets_a_gradient() -> None:
    model = MultVAE(train=TRAIN, settings=_vae_settings(), seed=1)
    likelihood, divergence = model.terms(EVERYBODY, Draws(torch_stream(1, "draws")))
    (likelihood + 0.2 * divergence).backward()
    for name, parameter in model.network.named_parameters():
        assert parameter.grad is not None and float(parameter.grad.abs().sum()) > 0, name


def test_the_divergence_of_mult_vae_is_weighted_as_far_as_annealing_has_come() -> None:
    """24 users in batches of 7 are 4 steps: the mean weight of epoch 1 is 0.2 · mean(0, 1, 2, 3) / 8."""
    quick = MultVAE(train=TRAIN, settings=_vae_settings(anneal_steps=8, learning_rate=1e-9), seed=1)
    whole = MultVAE(train=TRAIN, settings=_vae_settings(anneal_steps=1, learning_rate=1e-9), seed=1)
    first, full = quick.fit_epoch(1), whole.fit_epoch(2)
    assert first["kl"] / full["kl"] == pytest.approx(1.5 / 8, rel=0.2)
    assert quick.fit_epoch(3)["kl"] == pytest.approx(whole.fit_epoch(3)["kl"], rel=1e-5)


def test_a_diverging_mult_vae_is_stopped_by_name() -> None:
    model = MultVAE(train=TRAIN, settings=_vae_settings(), seed=1)
    with torch.no_grad():
        model.network.last.bias.fill_(float("nan"))
    with pytest.raises(TrainingError, match="likelihood is nan in epoch 1"):
        model.fit_epoch(1)


@pytest.mark.parametrize("name", ["itemknn", "ease", "als"])
def test_a_user_without_training_items_is_offered_the_popular_ones(name: str) -> None:
    kept = TRAIN.users != 4
    train = Interactions.from_pairs(TRAIN.users[kept], TRAIN.items[kept], USERS, ITEMS)
    settings = candidates(simple_class(name), SMALL[name], where=name)[0]
    model = _fitted(simple_class(name), settings, train=train)
    np.testing.assert_array_equal(model.scores(np.array([4]))[0].numpy(), train.item_degrees)


def test_params_has_a_line_for_each_and_every_line_is_valid() -> None:
    assert [name for name in PARAMS["backbones"] if is_simple(name)] == NAMES
    for name in NAMES:
        assert candidates(simple_class(name), PARAMS["backbones"][name], where=name)


@pytest.mark.parametrize("name", NAMES)
def test_a_module_ends_in_its_class(name: str) -> None:
    module = importlib.import_module(f"irllrec.backbones.{name.replace('-', '_')}")
    assert issubclass(module.BACKBONE, SimpleBaseline)


def _tune(name: str, **changes: Any) -> Tuned:
    kind = simple_class(name)
    seed = changes.pop("seed", 1)
    judged = np.flatnonzero(VALID.user_degrees > 0)
    return tune(
        lambda settings: kind(train=TRAIN, settings=settings, seed=seed),
        candidates(kind, changes.pop("settings", SMALL[name]), where=name),
        rank=lambda model: rank_scores(
            model.scores, item_count=ITEMS, users=EVERYBODY, masked=[TRAIN], length=ITEMS
        ),
        judge=lambda lists: float(
            per_user_metrics(lists[judged], VALID, judged, ["recall@5"])["recall@5"].mean()
        ),
        settings=SCHEDULE,
        **{"identity": "x", **changes},
    )


@pytest.mark.parametrize("name", [name for name in NAMES if name != "pop"])
def test_a_solvable_matrix_is_solved(name: str) -> None:
    """With nine items a block, places filled by chance would find about 5 / 18 of the held-out pairs."""
    assert _tune(name).chosen.validation > 0.6


@pytest.mark.parametrize("name", NAMES)
def test_the_trial_with_the_best_validation_is_chosen(name: str) -> None:
    tuned = _tune(name)
    kind = simple_class(name)
    assert [trial.settings for trial in tuned.trials] == [
        asdict(settings) for settings in candidates(kind, SMALL[name], where=name)
    ]
    assert tuned.chosen.validation == max(trial.validation for trial in tuned.trials)
    alone = _tune(name, settings=tuned.chosen.settings)
    np.testing.assert_array_equal(alone.lists, tuned.lists)


def test_of_equal_trials_the_first_is_chosen() -> None:
    tuned = _tune("ease", settings={"regularization": [10.0, 10.0]})
    assert tuned.chosen is tuned.trials[0]


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_lists_and_another_seed_others_where_there_is_chance(name: str) -> None:
    kind = simple_class(name)
    settings = candidates(kind, SMALL[name], where=name)[0]
    scores = [_fitted(kind, settings, epochs=2, seed=seed).scores(EVERYBODY) for seed in (1, 1, 2)]
    assert torch.equal(scores[0], scores[1])
    assert torch.equal(scores[0], scores[2]) == kind.deterministic


@pytest.mark.parametrize("name", NAMES)
def test_scores_do_not_depend_on_the_block_of_users(name: str) -> None:
    kind = simple_class(name)
    model = _fitted(kind, candidates(kind, SMALL[name], where=name)[0])
    one_by_one = torch.cat([model.scores(np.array([user])) for user in EVERYBODY])
    torch.testing.assert_close(one_by_one, model.scores(EVERYBODY), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["itemknn", "ease", "mult-vae", "als"])
def test_an_interrupted_search_ends_bit_identical(name: str, tmp_path: Path) -> None:
    """Interrupted in the first trial, in the second, and at its end; gone on with in fresh objects."""
    whole, told = _tune(name), []
    path = tmp_path / "search.safetensors"

    def interrupt(progress: TrialProgress) -> None:
        told.append(progress.epoch)
        if len(told) in (1, 4, 5, 11):
            raise KeyboardInterrupt

    for _ in range(9):
        try:
            resumed = _tune(name, checkpoint=path, listen=interrupt)
            break
        except KeyboardInterrupt:
            continue
    assert [row["validation"] for row in resumed.history] == [row["validation"] for row in whole.history]
    assert resumed.history == whole.history
    assert resumed.trials == whole.trials
    np.testing.assert_array_equal(resumed.lists, whole.lists)
    again: list[int] = []
    finished = _tune(name, checkpoint=path, listen=lambda progress: again.append(progress.epoch))
    assert again == []
    np.testing.assert_array_equal(finished.lists, whole.lists)


@pytest.mark.parametrize("changes", [{"identity": "y"}, {"settings": {"regularization": [1.0, 2.0]}}])
def test_a_checkpoint_of_another_search_is_ignored(changes: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "search.safetensors"
    _tune("ease", checkpoint=path)
    epochs: list[int] = []
    _tune("ease", checkpoint=path, listen=lambda progress: epochs.append(progress.epoch), **changes)
    assert epochs[0] == 1


@pytest.mark.parametrize(
    ("name", "given", "sentence"),
    [
        ("ease", {"regularization": []}, "backbones.ease.regularization is an empty list"),
        ("ease", {"regularization": [1.0, 0.0]}, "regularization is 0.0; it must be above 0"),
        ("ease", {"lambda": 1.0}, "unknown key 'lambda'"),
        ("itemknn", {"neighbours": [5, "many"], "shrinkage": 0.0}, "neighbours is 'many'; it must be int"),
        ("itemknn", {"neighbours": 5}, "lacks the key 'shrinkage'"),
        ("als", {**SMALL["als"], "factors": 0}, "factors is 0"),
        ("mult-vae", {**SMALL["mult-vae"], "dropout": 1.0}, "dropout is 1.0"),
        ("pop", {"neighbours": 3}, "unknown key 'neighbours'"),
    ],
)
def test_mistakes_in_settings_are_named(name: str, given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        candidates(simple_class(name), given, where=f"backbones.{name}")


@pytest.mark.parametrize("name", NAMES)
def test_only_base_goes_with_a_simple_baseline(name: str) -> None:
    assert inputs_of(name, "base") == frozenset()
    for refused in (
        lambda: inputs_of(name, "rlmrec-con"),
        lambda: backbone_class(name),
        lambda: Recipe(name, "irllrec", {}, {}).resolved(),
    ):
        with pytest.raises(ConfigurationError, match=f"{name} is a simple baseline.*objective base"):
            refused()


def test_a_trained_backbone_is_no_simple_baseline() -> None:
    assert not is_simple("lightgcn")
    with pytest.raises(ConfigurationError, match="lightgcn is no simple baseline"):
        simple_class("lightgcn")
