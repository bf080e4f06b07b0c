"""What is measured: a graph of a given size with a real one's skew, random text, and recipes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from irllrec.data.interactions import Interactions
from irllrec.data.sampling import TripleSampler
from irllrec.fidelity import Fidelity
from irllrec.precision import Precision
from irllrec.recommender import Recipe
from irllrec.seeding import stream, torch_stream
from irllrec.text.embeddings import TextVectors
from irllrec.text.reduction import reduce_vectors
from irllrec.types import NodeText
from repro.params import Params, load_params

PARAMS_FILE = Path(__file__).resolve().parents[1] / "params.yaml"
# The published Amazon-book split: size 1.
USERS, ITEMS, PAIRS = 11_000, 9_332, 120_464
# Held-out pairs for each training pair, as in a 3:1:1 split.
TEST_SHARE = 1 / 3
# Popularity of the item of rank r is (r + ITEM_SHIFT) ** -ITEM_EXPONENT; activity of users is log-normal.
ITEM_EXPONENT, ITEM_SHIFT = 0.8, 10.0
USER_SPREAD = 0.8

Triples = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Workload:
    """Interactions and text of one size."""

    train: Interactions
    test: Interactions
    text: NodeText
    seed: int

    def batches(self, batch_size: int, seed: int) -> list[Triples]:
        """Return the first epoch's batches without a smaller last one, unless that is the only one."""
        batches = list(TripleSampler(self.train, batch_size=batch_size, seed=seed).epoch(1))
        return [batch for batch in batches if len(batch[0]) == len(batches[0][0])]

    @property
    def vectors(self) -> TextVectors:
        """The text as the pipeline stores it."""
        users = self.train.user_count
        kinds = {"profile": self.text.profile.numpy(), "intent": self.text.intent.numpy()}
        sides = {"user": slice(None, users), "item": slice(users, None)}
        return TextVectors(
            **{f"{role}_{kind}": both[side] for kind, both in kinds.items() for role, side in sides.items()}
        )

    def reduced(self, dimension: int) -> NodeText:
        """Return the text on its principal components, as ``precision: fast`` reads it."""
        found = reduce_vectors(self.vectors, dimension)[0]
        both = (
            [getattr(found, f"{role}_{kind}") for role in ("user", "item")] for kind in ("profile", "intent")
        )
        return NodeText(*(torch.from_numpy(np.concatenate(sides)) for sides in both))

    def embeddings(self, size: int) -> tuple[Tensor, Tensor]:
        """Return random user and item embeddings, for the evaluation."""
        generator = torch_stream(self.seed, "benchmark embeddings")
        counts = (self.train.user_count, self.train.item_count)
        users, items = (torch.randn(count, size, generator=generator) for count in counts)
        return users, items


def load_workload(size: float, text_dimension: int, seed: int) -> Workload:
    """Return the workload of ``size`` times Amazon-book's users, items and pairs."""
    users, items, pairs = (max(1, round(size * count)) for count in (USERS, ITEMS, PAIRS))
    return make_workload(users=users, items=items, pairs=pairs, text_dimension=text_dimension, seed=seed)


def make_workload(*, users: int, items: int, pairs: int, text_dimension: int, seed: int) -> Workload:
    """Return random interactions of exactly these sizes, every user and item with at least one.

    *Randomness*: streams ``benchmark ...`` of ``seed``.
    """
    test_pairs = round(pairs * TEST_SHARE)
    codes = _draw_codes(users, items, pairs + test_pairs, seed)
    train, test = (
        Interactions.from_pairs(part // items, part % items, users, items)
        for part in (codes[:pairs], codes[pairs:])
    )
    vectors = [_unit_vectors(users + items, text_dimension, seed, kind) for kind in ("profile", "intent")]
    return Workload(train, test, NodeText(*vectors), seed)


def _draw_codes(users: int, items: int, count: int, seed: int) -> np.ndarray:
    """Return distinct codes ``user * items + item`` in the order drawn, each user and item first."""
    generator = stream(seed, "benchmark graph")
    popularity = (generator.permutation(items) + ITEM_SHIFT) ** -ITEM_EXPONENT
    activity = np.exp(USER_SPREAD * generator.standard_normal(users))
    popularity, activity = popularity / popularity.sum(), activity / activity.sum()

    def some_users(size: int) -> np.ndarray:
        return generator.choice(users, size, p=activity)

    def some_items(size: int) -> np.ndarray:
        return generator.choice(items, size, p=popularity)

    codes = np.concatenate(
        [np.arange(users) * items + some_items(users), some_users(items) * items + np.arange(items)]
    )
    while True:
        # The first place of each code, in the order drawn.
        codes = codes[np.sort(np.unique(codes, return_index=True)[1])]
        if len(codes) >= count:
            return codes[:count]
        codes = np.concatenate([codes, some_users(count) * items + some_items(count)])


def _unit_vectors(nodes: int, dimension: int, seed: int, kind: str) -> Tensor:
    vectors = torch.randn(nodes, dimension, generator=torch_stream(seed, "benchmark text", kind))
    return vectors.div_(torch.linalg.norm(vectors, dim=1, keepdim=True))


def parameters() -> Params:
    """Return the checked params.yaml of this checkout."""
    return load_params(PARAMS_FILE)


def recipe_of(
    backbone: str,
    objective: str,
    fidelity: Fidelity,
    *,
    layers: int | None = None,
    precision: Precision = "exact",
) -> Recipe:
    """Return a recipe with the settings of params.yaml, and those of the release where it is followed.

    Args:
        backbone: A key under ``backbones``.
        objective: A key under ``objectives``.
        fidelity: ``paper`` or ``code``.
        layers: Propagations in place of the backbone's own setting.
        precision: Of our side; the plain one is always exact.
    """
    params = parameters()
    own = {} if layers is None else {"layers": layers}
    return Recipe(
        backbone=backbone,
        objective=objective,
        backbone_settings={**params.backbones[backbone], **own},
        objective_settings=params.objectives[objective],
        fidelity=fidelity,
        embedding_size=params.training.embedding_size,
        precision=precision,
    ).resolved()
