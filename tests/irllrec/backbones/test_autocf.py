"""AutoCF against its formulas written out with dense float64 matrices and with sets of edges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from irllrec.backbones.autocf import AutoCF, AutoCFSettings, edges_of, masked_around, neighbourhood_scores
from irllrec.data.interactions import Interactions
from irllrec.errors import ConfigurationError
from irllrec.graph import BipartiteGraph
from irllrec.layers.attention import SymmetricEdges
from irllrec.seeding import Draws
from irllrec.types import Batch

USERS, ITEMS = 24, 18
NODES = USERS + ITEMS
# User 23 and item 17 have no interaction.
_PAIRS = np.random.default_rng(3).integers(0, [USERS - 1, ITEMS - 1], (40, 2))
TRAIN = Interactions.from_pairs(_PAIRS[:, 0], _PAIRS[:, 1], USERS, ITEMS)
EDGES = {(int(u), USERS + int(i)) for u, i in _PAIRS}
# User 4 and item 3 stand in it twice.
BATCH = Batch(torch.tensor([4, 1, 4, 9]), torch.tensor([3, 3, 7, 2]), torch.tensor([11, 12, 12, 13]))
SETTINGS = AutoCFSettings(
    layers=2, ssl_weight=0.5, heads=2, seeds=2, mask_depth=2, refresh_every=3, keep_rate=0.2
)


def _model(settings: AutoCFSettings = SETTINGS) -> AutoCF:
    model = AutoCF(
        graph=BipartiteGraph(TRAIN),
        embedding_size=6,
        settings=settings,
        as_released=frozenset(),
        generator=torch.Generator().manual_seed(1),
    ).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2.0)
    return model


def _draws(seed: int = 2) -> Draws:
    return Draws(torch.Generator().manual_seed(seed))


def _matrix(edges: set[tuple[int, int]]) -> Tensor:
    """Return the symmetric 0/1 matrix of these edges."""
    matrix = torch.zeros(NODES, NODES, dtype=torch.float64)
    for row, column in edges:
        matrix[row, column] = matrix[column, row] = 1.0
    return matrix


def _encoded(model: AutoCF, encoder: Tensor, decoder: Tensor) -> Tensor:
    """Return the sum of layers: propagation over one 0/1 matrix, attention over the other."""
    scale = encoder.sum(dim=1).clamp_min(1).rsqrt()
    layers = [model.initial()]
    for _ in range(model.settings.layers):
        layers.append((scale[:, None] * encoder * scale) @ layers[-1])
    attention, gathered = model.attention, []
    for columns in torch.arange(6).chunk(model.settings.heads):
        query, key, value = (
            layers[-1] @ weights[:, columns] for weights in (attention.query, attention.key, attention.value)
        )
        exponentials = decoder * torch.exp((query @ key.T).clamp(-10, 10))
        gathered.append(exponentials / (exponentials.sum(dim=1, keepdim=True) + 1e-8) @ value)
    return sum(layers) + torch.cat(gathered, dim=1)


def _masked(seeds: list[int], depth: int) -> tuple[set[tuple[int, int]], set[int]]:
    """Return the kept edges and the nodes inside, edge by edge."""
    kept, inside, frontier = set(EDGES), set(seeds), set(seeds)
    for step in range(depth):
        removed = {edge for edge in kept if frontier & set(edge)}
        kept -= removed
        frontier = {node for edge in removed for node in edge}
        if step < depth - 1:
            inside |= frontier
    return kept, inside


def _rewired(model: AutoCF, draws: Draws) -> tuple[Tensor, Tensor]:
    """Return the 0/1 matrices of encoder and decoder, drawing the same arrays."""
    gumbel = -torch.log(-torch.log(draws.rand(NODES)))
    ranked = torch.argsort(neighbourhood_scores(model.graph, model.initial()) + gumbel, descending=True)
    kept, inside = _masked(ranked[: model.settings.seeds].tolist(), model.settings.mask_depth)
    random_nodes = draws.rand(int(NODES * model.settings.keep_rate)) * NODES
    candidates = sorted(inside | {int(node) for node in random_nodes})
    ends = [[candidates[int(x * len(candidates))] for x in draws.rand(2 * len(EDGES))] for _ in range(2)]
    pairs = set(zip(ends[0], ends[1], strict=True)) | {(node, node) for node in range(NODES)} | kept
    return _matrix(kept), _matrix(pairs)


def _assert_same_gradients(model: AutoCF, ours: Tensor, expected: Tensor) -> None:
    parameters = list(model.parameters())
    for mine, theirs in zip(
        torch.autograd.grad(ours, parameters, retain_graph=True, materialize_grads=True),
        torch.autograd.grad(expected, parameters, materialize_grads=True),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


def test_evaluation_encodes_and_decodes_on_the_whole_graph() -> None:
    model = _model()
    ours = model.encode(model.initial(), None).nodes
    expected = _encoded(model, _matrix(EDGES), _matrix(EDGES))
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-7)
    _assert_same_gradients(model, ours.square().sum(), expected.square().sum())


def test_training_encodes_what_is_kept_and_decodes_what_is_rewired() -> None:
    model = _model()
    ours = model.encode(model.initial(), _draws()).nodes
    encoder, decoder = _rewired(model, _draws())
    assert 0 < encoder.sum() < 2 * len(EDGES)
    expected = _encoded(model, encoder, decoder)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-7)
    _assert_same_gradients(model, ours.square().sum(), expected.square().sum())


def test_the_edges_of_the_graph_are_those_between_its_pairs() -> None:
    graph = BipartiteGraph(TRAIN)
    expected = SymmetricEdges.between(graph.pair_users, graph.pair_items, NODES)
    for name in ("row_starts", "columns", "rows", "reverse"):
        assert torch.equal(getattr(edges_of(graph), name), getattr(expected, name)), name


def test_a_score_compares_a_node_with_its_neighbours_and_theirs() -> None:
    """The mean over neighbours m and over all k ≠ n next to some m, counted once a path."""
    model = _model()
    nodes, matrix = model.initial(), _matrix(EDGES)
    ours = neighbourhood_scores(model.graph, nodes)
    for n in range(NODES):
        around = [nodes[m] for m in matrix[n].nonzero()[:, 0]]
        around += [
            nodes[k] for m in matrix[n].nonzero()[:, 0] for k in matrix[m].nonzero()[:, 0] if int(k) != n
        ]
        mean = torch.stack(around).mean(dim=0) if around else torch.zeros(6, dtype=torch.float64)
        cosine = functional.cosine_similarity(nodes[n], mean, dim=0)
        assert ours[n].item() == pytest.approx(torch.log(torch.sigmoid(cosine)).item(), rel=1e-5)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("seeds", [[5], [5, 30], [23]])
def test_masking_removes_the_edges_around_the_seeds_step_by_step(seeds: list[int], depth: int) -> None:
    graph = BipartiteGraph(TRAIN)
    kept, inside = masked_around(graph, torch.tensor(seeds), depth)
    expected_kept, expected_inside = _masked(seeds, depth)
    rows, columns = graph.rows[kept].tolist(), graph.columns[kept].tolist()
    assert set(zip(rows, columns, strict=True)) == expected_kept | {(b, a) for a, b in expected_kept}
    assert set(inside.nonzero()[:, 0].tolist()) == expected_inside


def test_the_ranking_term_is_a_softmax_over_all_items() -> None:
    model = _model()
    encoding = model.encode(model.initial(), _draws())
    term = model.ranking_terms(encoding, BATCH)["softmax"]
    scores = encoding.users[BATCH.users] @ encoding.items.T
    expected = functional.cross_entropy(scores, BATCH.positive_items)
    assert term.value.item() == pytest.approx(expected.item(), rel=1e-9)
    assert term.weight == 1.0
    _assert_same_gradients(model, term.value, expected)


def test_the_contrast_spreads_distinct_users_and_positives_over_their_whole_tables() -> None:
    model = _model()
    encoding = model.encode(model.initial(), _draws())
    term = model.own_terms(encoding, BATCH, _draws())["cl"]
    users, items = encoding.users, encoding.items
    expected = (
        torch.log(torch.exp(users[[1, 4, 9]] @ users.T).sum(dim=1)).mean()
        + torch.log(torch.exp(items[[2, 3, 7]] @ items.T).sum(dim=1)).mean()
    )
    assert term.value.item() == pytest.approx(expected.item(), rel=1e-9)
    assert term.weight == 0.5
    _assert_same_gradients(model, term.value, expected)


def test_infomax_is_there_on_steps_that_draw_a_mask_only() -> None:
    """Every third step: the mean of the scores of all nodes, with its gradient."""
    model, draws = _model(), _draws()
    seen = []
    for _ in range(7):
        terms = model.own_terms(model.encode(model.initial(), draws), BATCH, draws)
        seen.append("infomax" in terms)
        if seen[-1]:
            expected = -neighbourhood_scores(model.graph, model.initial()).mean()
            assert terms["infomax"].value.item() == pytest.approx(expected.item(), rel=1e-9)
            _assert_same_gradients(model, terms["infomax"].value, expected)
    assert seen == [True, False, False, True, False, False, True]


def test_the_mask_stays_between_draws_and_is_forgotten_when_an_epoch_starts() -> None:
    model, draws = _model(), _draws()
    first, second = (model.encode(model.initial(), draws).nodes for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    model.start_epoch()
    again = model.encode(model.initial(), _draws()).nodes
    torch.testing.assert_close(again, first, rtol=0, atol=0)
    model.start_epoch()
    assert not torch.equal(model.encode(model.initial(), _draws(9)).nodes, first)


def test_evaluation_leaves_the_training_mask_alone() -> None:
    model, draws = _model(), _draws()
    first = model.encode(model.initial(), draws).nodes
    model.encode(model.initial(), None)
    torch.testing.assert_close(model.encode(model.initial(), draws).nodes, first, rtol=0, atol=0)


def test_more_seeds_than_nodes_mask_every_edge() -> None:
    model = _model(replace(SETTINGS, seeds=1000))
    encoding = model.encode(model.initial(), _draws())
    for layer in encoding.layers[1 : SETTINGS.layers + 1]:
        assert layer.abs().sum() == 0
    assert bool(torch.isfinite(encoding.nodes).all())


def test_intents_are_read_from_propagation_over_the_whole_graph() -> None:
    model = _model()
    encoding = model.encode(model.initial(), _draws())
    matrix = _matrix(EDGES)
    scale = matrix.sum(dim=1).clamp_min(1).rsqrt()
    expected = [model.initial()]
    for _ in range(2):
        expected.append((scale[:, None] * matrix * scale) @ expected[-1])
    for ours, dense in zip(model.intent_layers(model.initial(), encoding), expected, strict=True):
        torch.testing.assert_close(ours, dense, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"layers": 0}, "layers is 0"),
        ({"seeds": 0}, "seeds is 0"),
        ({"mask_depth": 0}, "mask_depth is 0"),
        ({"refresh_every": 0}, "refresh_every is 0"),
        ({"keep_rate": 1.5}, "keep_rate is 1.5"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        replace(SETTINGS, **changes)


def test_heads_that_do_not_divide_the_embedding_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="choose heads that divide it"):
        _model(replace(SETTINGS, heads=4))
