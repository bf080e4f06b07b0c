"""What ``precision: fast`` must do under every backbone: learn the same, from samples that repeat."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from irllrec.data.sampling import TripleSampler
from irllrec.precision import Shortcuts, shortcuts_of
from irllrec.recommender import Recipe, Recommender
from irllrec.seeding import Draws, torch_stream
from irllrec.training.loop import Progress
from irllrec.types import Batch, Term
from repro import predicted_memory
from tests.contracts.test_handwritten_steps import Recorder, _cross_entropy, _info_nce, _unit
from tests.contracts.test_recommenders import (
    CELLS,
    DROPS,
    LONG,
    PARAMS,
    TRAIN,
    _batch,
    _build,
    _fit,
    _recall,
    _recipe,
    _total,
)

SHORTENED = [(backbone, objective) for backbone, objective in CELLS if objective in ("irllrec", "rlmrec-con")]
FEW = Shortcuts(text_dimension=8, translation_rows=11, matching_rows=5)
"""Fewer than the 42 nodes, and than the users and the items of a batch."""

ALL = Shortcuts(text_dimension=8, translation_rows=42, matching_rows=42)


def _fast(recipe: Recipe, shortcuts: Shortcuts = FEW, seed: int = 1) -> Recommender:
    recommender = _build(replace(recipe, precision="fast"), seed)
    recommender.objective.shortcuts = shortcuts
    return recommender


def _terms(recommender: Recommender, batch: Batch, seed: int = 1) -> dict[str, Term]:
    return recommender.terms(batch, Draws(torch_stream(seed, "draws")))


def test_a_recipe_is_exact_unless_it_says_fast() -> None:
    recipe = _recipe("lightgcn", "irllrec")
    assert recipe.precision == "exact"
    assert _build(recipe).objective.shortcuts is shortcuts_of("exact") is None
    assert _build(replace(recipe, precision="fast")).objective.shortcuts == Shortcuts()


def test_memory_is_predicted_for_the_columns_that_fast_keeps() -> None:
    assert Shortcuts().text_dimension == predicted_memory.REDUCED_COLUMNS


@pytest.mark.parametrize(("backbone", "objective"), SHORTENED)
def test_every_trainable_parameter_gets_a_gradient_from_a_sample(backbone: str, objective: str) -> None:
    recommender = _fast(_recipe(backbone, objective))
    _total(recommender).backward()
    for name, parameter in recommender.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert bool(torch.isfinite(parameter.grad).all()), name
            assert float(parameter.grad.abs().sum()) > 0, name


@pytest.mark.parametrize(("backbone", "objective"), SHORTENED)
def test_same_draws_same_loss_and_a_step_leaves_the_global_generator_alone(
    backbone: str, objective: str
) -> None:
    recipe = _recipe(backbone, objective)
    one, same, other = _fast(recipe), _fast(recipe), _fast(recipe, seed=2)
    before = torch.get_rng_state()
    value = _total(one).item()
    assert value == _total(same).item()
    assert value != _total(other).item()
    assert torch.equal(torch.get_rng_state(), before)


def test_other_draws_take_other_anchors() -> None:
    """Without noise and with all edges kept, anchors are all that is drawn."""
    settings = {**PARAMS["backbones"]["lightgcn"], "keep_rate": 1.0}
    recipe = _recipe("lightgcn", "irllrec", drop=frozenset({"NOISE"}), backbone_settings=settings)
    for recommender, moved in ((_fast(recipe), {"tran", "itm"}), (_fast(recipe, ALL), set())):
        first, other = (_terms(recommender, _batch(), seed) for seed in (1, 2))
        assert {name for name in first if first[name].value.item() != other[name].value.item()} == moved


EVERY_USER = Batch.of(*next(iter(TripleSampler(TRAIN, batch_size=4096, seed=1).epoch(1))))


@pytest.mark.parametrize("itm", ["reading", "code"])
@pytest.mark.parametrize("drop", ["", *DROPS, "TRAN-coupled"])
def test_with_nothing_to_shorten_fast_is_exact(drop: str, itm: str) -> None:
    """Every user stands in the batch and samples would hold every node: terms and gradients are equal."""
    settings = {**PARAMS["objectives"]["irllrec"], "itm": itm, "keep_coupled": drop.endswith("coupled")}
    settings |= {"tran_weight": 0.3, "itm_weight": 0.7, "pair_weight": 0.5, "kd_weight": 0.2}
    dropped = frozenset({drop.partition("-")[0]} - {""})
    recipe = _recipe("lightgcn", "irllrec", drop=dropped, objective_settings=settings)
    _assert_equal_steps(_build(recipe), _fast(recipe, ALL))


@pytest.mark.parametrize(("backbone", "objective"), SHORTENED)
def test_with_nothing_to_shorten_fast_is_exact_on_every_backbone(backbone: str, objective: str) -> None:
    recipe = _recipe(backbone, objective)
    _assert_equal_steps(_build(recipe), _fast(recipe, ALL))


def _assert_equal_steps(exact: Recommender, fast: Recommender) -> None:
    assert len(torch.unique(EVERY_USER.users)) == TRAIN.user_count
    steps = []
    for recommender in (exact, fast):
        terms = _terms(recommender, EVERY_USER)
        torch.stack([term.weighted for term in terms.values()]).sum().backward()
        steps.append(terms)
    assert set(steps[0]) == set(steps[1])
    for name in steps[0]:
        torch.testing.assert_close(steps[1][name].value, steps[0][name].value, rtol=1e-6, atol=0)
    for (name, mine), other in zip(exact.named_parameters(), fast.parameters(), strict=True):
        if mine.requires_grad:
            assert mine.grad is not None, name
            assert other.grad is not None, name
            largest = float(mine.grad.abs().max())
            torch.testing.assert_close(other.grad, mine.grad, rtol=1e-5, atol=1e-6 * largest)


@pytest.mark.parametrize("backbone", ["lightgcn", "bigcf"])
def test_a_step_over_samples_equals_the_formulas(backbone: str) -> None:
    """Terms written out densely in float64, over the anchors that were drawn and the batch's users."""
    recommender = _fast(_recipe(backbone, "irllrec"))
    for parameter in recommender.parameters():
        parameter.data.mul_(1.5)  # larger than at the start of a run, so that no term is flat
    recorder: Any = Recorder(Draws(torch_stream(3, "draws")))
    terms = recommender.terms(_batch(), recorder)
    draws = Draws(torch_stream(3, "draws"))
    with torch.no_grad():
        initial = recommender.objective.masked(recommender.backbone.initial(), draws)
        encoding = recommender.backbone.encode(initial, draws)
        expected = _expected(recommender, initial, encoding, recorder.taken)
    for name, value in expected.items():
        assert terms[name].value.item() == pytest.approx(value.item(), rel=2e-5), name


def _expected(
    recommender: Recommender, initial: Tensor, encoding: Any, taken: list[tuple[str, Tensor]]
) -> dict[str, Tensor]:
    objective, backbone, batch = recommender.objective, recommender.backbone, _batch()
    settings, nodes = objective.settings, encoding.nodes.double()
    sizes = [FEW.translation_rows, FEW.matching_rows, FEW.matching_rows]
    drawn, *matched = [array for kind, array in taken if kind == "choice"][-3:]
    assert [len(chosen.unique()) for chosen in (drawn, *matched)] == sizes
    text_noise, node_noise = [array.double() for kind, array in taken if kind == "randn_like"][-2:]

    towers = (objective.intent_tower, objective.tower_teacher, objective.profile_tower)
    inputs = (objective.intent, objective.intent, objective.profile)
    t, t_m, profile = (tower(rows).double() for tower, rows in zip(towers, inputs, strict=True))
    source = objective.prototypes or backbone.intent_prototypes
    z, z_m = (
        backbone.interaction_intents(initial, encoding, prototypes).double()
        for prototypes in (source, objective.prototype_teacher)
    )
    anchors = drawn.sort().values
    similarities = torch.exp(_unit(t[anchors] * (1 + text_noise)) @ _unit(nodes * (1 + node_noise)).T)
    own = similarities.gather(1, anchors[:, None])[:, 0]
    tran = -torch.log(own / (similarities.sum(dim=1) + 1e-8) + 1e-8).mean()

    users = backbone.graph.user_count
    items = users + torch.unique(torch.cat([batch.positive_items, batch.negative_items]))
    tau, sides = settings.pair_temperature, []
    fused = _unit((_unit(z_m) + _unit(t_m)) / 2)
    for side, rows in zip((torch.unique(batch.users), items), matched, strict=True):
        keys, chosen = fused[side].T / tau, side[rows]
        of_text, of_interaction = _unit(t[side]).T / tau, _unit(z[side]).T / tau
        sides += [_cross_entropy(_unit(z_m[chosen]) @ keys, _unit(z[chosen]) @ of_text)]
        sides += [_cross_entropy(_unit(t_m[chosen]) @ keys, _unit(t[chosen]) @ of_interaction)]
    alpha = settings.itm_alpha
    return {
        "kd": _aligned_within(nodes, profile, batch, users, settings.kd_temperature),
        "pair": _aligned_within(z, t, batch, users, tau),
        "tran": tran,
        "itm": (1 - alpha) * tran + alpha * torch.stack(sides).mean(),
    }


def _aligned_within(first: Tensor, second: Tensor, batch: Batch, users: int, temperature: float) -> Tensor:
    """Return pairwise alignment, every denominator over the batch's own; repeated items count again."""
    total = _info_nce(first[batch.users], second[batch.users], second[torch.unique(batch.users)], temperature)
    for items in (users + batch.positive_items, users + batch.negative_items):
        total = total + _info_nce(first[items], second[items], second[items], temperature)
    return total


@pytest.mark.parametrize("drop", ["", "TRAN"])
def test_the_tower_sees_only_nodes_that_a_term_reads(drop: str) -> None:
    recommender = _fast(_recipe("lightgcn", "irllrec", drop=frozenset({drop} - {""})))
    seen: list[Tensor] = []
    recommender.objective.intent_tower.register_forward_pre_hook(lambda tower, given: seen.append(given[0]))
    batch = _batch()
    small = Batch(batch.users[:3], batch.positive_items[:3], batch.negative_items[:3])
    recorder: Any = Recorder(Draws(torch_stream(3, "draws")))
    recommender.terms(small, recorder)
    read = [small.users, 24 + small.positive_items, 24 + small.negative_items]
    if not drop:
        read += [next(array for kind, array in recorder.taken if kind == "choice")]
    nodes = torch.unique(torch.cat(read))
    assert len(seen) == 1
    assert torch.equal(seen[0], recommender.objective.intent[nodes])


def test_a_solvable_matrix_is_solved_from_samples() -> None:
    recommender = _fast(_recipe("lightgcn", "irllrec"))
    _fit(recommender, settings=LONG)
    assert _recall(recommender) > 0.55


def test_an_interrupted_run_over_samples_ends_bit_identical(tmp_path: Path) -> None:
    recipe, path = _recipe("lightgcn", "irllrec"), tmp_path / "run.safetensors"
    undisturbed = _fast(recipe)
    whole = _fit(undisturbed)

    def interrupt(progress: Progress) -> None:
        if progress.epoch == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _fit(_fast(recipe), path, interrupt)
    resumed = _fast(recipe, seed=99)
    assert _fit(resumed, path).history == whole.history
    for name, tensor in undisturbed.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
