"""AutoCF: a masked graph autoencoder that learns where to mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from irllrec.backbones.interface import EmbeddingBackbone, Encoding
from irllrec.errors import ConfigurationError
from irllrec.graph import BipartiteGraph, EdgeValues
from irllrec.layers.attention import EdgeAttention, SymmetricEdges
from irllrec.losses.contrastive import mean_log_sum_exp, unit_rows
from irllrec.seeding import Draws
from irllrec.types import Batch, Term


@dataclass(frozen=True)
class AutoCFSettings:
    """Attributes:
    layers: Number of propagations in the encoder, ≥ 1; the decoder is one layer of attention.
    ssl_weight: Weight of the users' and the items' contrasts among themselves, ≥ 0.
    heads: Of the decoder's attention, ≥ 1; they divide the embedding size.
    seeds: Number of nodes around which is masked, ≥ 1; at most all nodes.
    mask_depth: How many steps from the seeds edges are masked, ≥ 1.
    refresh_every: Training steps after which the mask is drawn anew, ≥ 1.
    keep_rate: Random nodes that join those the decoder's edges are drawn among, as a share of all
        nodes in [0, 1].
    """

    layers: int
    ssl_weight: float
    heads: int
    seeds: int
    mask_depth: int
    refresh_every: int
    keep_rate: float

    def __post_init__(self) -> None:
        for name in ("layers", "heads", "seeds", "mask_depth", "refresh_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not 0 <= self.keep_rate <= 1:
            raise ValueError(f"keep_rate is {self.keep_rate}; it must be in [0, 1]")


@dataclass(frozen=True)
class AutoCFEncoding(Encoding):
    """Attributes:
    infomax: ``-mean_n log σ(score_n)`` where this pass drew a new mask, else None.
    """

    infomax: Float[Tensor, ""] | None


@dataclass(frozen=True)
class Rewiring:
    """The graphs of one mask.

    Attributes:
        encoder: The normalised adjacency of the kept edges, 0 where masked; None keeps all.
        decoder: Edges along which the decoder attends.
    """

    encoder: EdgeValues | None
    decoder: SymmetricEdges


class AutoCF(EmbeddingBackbone):
    """``E = Σ_{l=0..L} Â_kept^l E^(0) + Attention(E^(L), rewired edges)``.

    Evaluation encodes and decodes on the whole training graph.

    Source: Xia et al., WWW 2023 (AutoCF), with RLMRec's settings; not in IRLLRec's release. RLMRec's
    code takes sums written for a graph with loops on one without, whereby direct neighbours enter a
    node's score with a minus sign; here they enter as in the paper.
    *Randomness*, on steps that draw a mask: a uniform number a node, one for each random node, two a
    directed edge.
    """

    Settings = AutoCFSettings

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        if self.embedding_size % self.settings.heads:
            raise ConfigurationError(
                f"backbones.autocf.heads is {self.settings.heads} and training.embedding_size "
                f"{self.embedding_size}: choose heads that divide it."
            )
        self.attention = EdgeAttention(
            embedding_size=self.embedding_size, heads=self.settings.heads, generator=given["generator"]
        )
        self._rewiring: Rewiring | None = None
        self._step = 0

    def start_epoch(self) -> None:
        self._rewiring, self._step = None, 0

    def encode(self, initial: Float[Tensor, "node dim"], draws: Draws | None) -> AutoCFEncoding:
        if draws is None:
            return self._encoded(initial, Rewiring(None, edges_of(self.graph)))
        infomax = None
        if self._rewiring is None or self._step % self.settings.refresh_every == 0:
            scores = neighbourhood_scores(self.graph, self.initial())
            infomax = -scores.mean()
            self._rewiring = self._rewired(scores.detach(), draws)
        self._step += 1
        return self._encoded(initial, self._rewiring, infomax)

    def _encoded(
        self,
        initial: Float[Tensor, "node dim"],
        rewiring: Rewiring,
        infomax: Float[Tensor, ""] | None = None,
    ) -> AutoCFEncoding:
        layers, total = self.graph.summed_layers(initial, self.settings.layers, rewiring.encoder)
        layers.append(self.attention(layers[-1], rewiring.decoder))
        return AutoCFEncoding(total + layers[-1], layers, self.graph.user_count, infomax)

    def _rewired(self, scores: Float[Tensor, "node"], draws: Draws) -> Rewiring:
        """Return the graphs around freshly drawn seeds.

        The decoder attends along the kept edges, a loop at every node and, for each directed edge of
        the training graph, one random pair among the masked nodes and some random ones.
        """
        graph, settings = self.graph, self.settings
        gumbel = -torch.log(-torch.log(draws.rand(graph.node_count)))
        seed_count = min(settings.seeds, graph.node_count)
        seeds = torch.topk(scores + gumbel.to(scores), seed_count).indices
        kept, candidates = masked_around(graph, seeds, settings.mask_depth)
        random_count = int(graph.node_count * settings.keep_rate)
        candidates[_among(draws.rand(random_count), graph.node_count)] = True
        nodes = candidates.nonzero()[:, 0]
        first, second = (nodes[_among(draws.rand(graph.edge_count), len(nodes))] for _ in range(2))
        every = torch.arange(graph.node_count, device=nodes.device)
        decoder = SymmetricEdges.between(
            torch.cat([first, every, graph.rows[kept]]),
            torch.cat([second, every, graph.columns[kept].long()]),
            graph.node_count,
        )
        return Rewiring(graph.edge_values(_normalised(graph, kept)), decoder)

    def ranking_terms(self, encoding: Encoding, batch: Batch) -> dict[str, Term]:
        """Return ``softmax``: ``mean_r [ -e_u·e_i + logsumexp_j e_u·e_j ]`` over all items j."""
        users, counts = torch.unique(batch.users, return_counts=True)
        scores = encoding.users.index_select(0, batch.users) * encoding.items.index_select(
            0, batch.positive_items
        )
        spread = mean_log_sum_exp(encoding.users.index_select(0, users), encoding.items, row_counts=counts)
        return {"softmax": Term(spread - scores.sum(dim=1).mean(), 1.0)}

    def own_terms(self, encoding: Encoding, batch: Batch, draws: Draws) -> dict[str, Term]:
        """Return ``cl``, and ``infomax`` on the steps that drew a mask.

        ``cl``: mean over the batch's distinct users of ``logsumexp_v e_u·e_v`` over all users, plus the
        same over its distinct positives and all items.
        """
        assert isinstance(encoding, AutoCFEncoding)
        total = encoding.nodes.new_zeros(())
        for table, rows in ((encoding.users, batch.users), (encoding.items, batch.positive_items)):
            total = total + mean_log_sum_exp(table.index_select(0, torch.unique(rows)), table)
        terms = {"cl": Term(total, self.settings.ssl_weight)}
        if encoding.infomax is not None:
            terms["infomax"] = Term(encoding.infomax, 1.0)
        return terms

    def intent_layers(
        self, initial: Float[Tensor, "node dim"], encoding: Encoding
    ) -> Sequence[Float[Tensor, "node dim"]]:
        return self.graph.layers(initial, self.settings.layers)


def neighbourhood_scores(graph: BipartiteGraph, nodes: Float[Tensor, "node dim"]) -> Float[Tensor, "node"]:
    """Return ``log σ(cos(e_n, s_n))`` with ``s_n`` the mean over n's neighbours and their other neighbours.

    A mean and a sum have the same cosine, so ``s = A e + (A A e - D e)``; nodes without neighbours
    have cosine 0.
    """
    ones = torch.ones_like(graph.values)
    degrees = torch.diff(graph.row_starts).to(nodes.dtype)[:, None]
    first = graph.propagate(nodes, ones)
    around = first + graph.propagate(first, ones) - degrees * nodes
    return functional.logsigmoid((unit_rows(around) * unit_rows(nodes)).sum(dim=1))


def masked_around(
    graph: BipartiteGraph, seeds: Int[Tensor, "seed"], depth: int
) -> tuple[Bool[Tensor, "edge"], Bool[Tensor, "node"]]:
    """Return which edges lie outside ``depth`` steps around the seeds, and the nodes inside.

    Each step masks the edges at the nodes that the step before reached; the nodes that the last step
    reaches do not count as inside.
    """
    columns = graph.columns.long()
    kept = torch.ones(graph.edge_count, dtype=torch.bool, device=seeds.device)
    reached = torch.zeros(graph.node_count, dtype=torch.bool, device=seeds.device)
    reached[seeds] = True
    inside = reached
    for _ in range(depth):
        inside = inside | reached
        masked = kept & (reached[graph.rows] | reached[columns])
        kept = kept & ~masked
        reached = torch.zeros_like(reached)
        reached[graph.rows[masked]] = True
    return kept, inside


def edges_of(graph: BipartiteGraph) -> SymmetricEdges:
    """Return the edges of the whole training graph; it has no loops."""
    return SymmetricEdges(graph.node_count, graph.row_starts, graph.columns, graph.rows, graph.reverse)


def _normalised(graph: BipartiteGraph, kept: Bool[Tensor, "edge"]) -> Float[Tensor, "edge"]:
    """Return ``D^-1/2 A D^-1/2`` of the kept edges alone, 0 on all others."""
    values = kept.to(graph.values.dtype)
    scale = graph.row_sums(values).clamp_min(1.0).rsqrt()
    return values * graph.by_row(scale) * scale[graph.columns.long()]


def _among(uniform: Float[Tensor, "drawn"], count: int) -> Int[Tensor, "drawn"]:
    """Return indices below ``count`` from numbers in [0, 1); rounding never reaches ``count``."""
    return (uniform * count).long().clamp_(max=count - 1)


BACKBONE = AutoCF
