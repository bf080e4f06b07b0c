"""How much memory a training or an evaluation will take, from the sizes of what it works on.

The terms are counted from the code; how they compare with measured peaks stands in docs/scale.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

# Python, PyTorch and what a first step loads, with one block of scores.
RESTING_BYTES = 400 << 20
FLOAT = 4
# What reading and the graph keep of a pair, and one step's dropped edges, gradients of them and triples.
PAIR_BYTES = 135
# Edge arrays of one more propagation with values of its own: drawn, kept and reversed, both directions.
EDGE_BYTES = 48
# Embeddings a node: weights, gradient, two moments, the best epoch, gradients of single terms.
NODE_ARRAYS = 8
# And for each propagated layer: its output and the gradient of it.
LAYER_ARRAYS = 2
# Copies of node × K a layer of mixed intents: logits, shares and the gradients of both.
MIXTURE_ARRAYS = 4
# Copies of node × hidden units a text tower: after the activation, and the gradients before and after it.
TOWER_ARRAYS = 3
# Gradients of a contrast's candidates: one for each part of its anchors, fewer parts of a sample.
CONTRAST_PARTS, SAMPLE_PARTS = 4, 2
# Backbones with contrasts of their own.
CONTRASTING = frozenset({"sgl", "simgcl", "dccf", "bigcf", "autocf"})
# Copies of batch × negatives × dim where a pair has many negatives: rows, products and their gradients.
SAMPLED_ARRAYS = 4
# Bytes an entry of a text vector once its file is read (all four arrays).
READ_BYTES = 8
# What reducing holds beside, in float64: copies of so many rows, and of columns × columns.
REDUCED_ROWS, REDUCED_COPIES, MOMENT_COPIES = 1 << 12, 3, 4
# What `precision: fast` leaves of wider text: Shortcuts.text_dimension, which evaluating need not depend on.
REDUCED_COLUMNS = 384
# Propagations beside the clean one, each with edges of its own.
MORE_PASSES = {"sgl": 2, "simgcl": 2, "dccf": 2, "autocf": 3, "kgin": 1}
OWN_MIXTURES = frozenset({"dccf", "bigcf"})
STORED_LENGTH = 100


@dataclass(frozen=True)
class Sizes:
    """What a training works on.

    Attributes:
        users: Number of users.
        items: Number of items.
        pairs: Training pairs.
        text: Width of a text vector as it is stored; 0 where none is read.
    """

    users: int
    items: int
    pairs: int
    text: int = 0

    @property
    def nodes(self) -> int:
        """Users and items."""
        return self.users + self.items


@dataclass(frozen=True)
class Need:
    """Expected peaks of the training of a cell, in bytes.

    Attributes:
        start: Of reading and reducing the text, before the first seed starts.
        shared: Of what all seeds map together, their text vectors.
        each: Of every seed beside that.
    """

    start: int
    shared: int
    each: int

    def total(self, workers: int) -> int:
        """Return the peak with so many seeds at once."""
        return max(self.start, self.shared + workers * self.each)


@dataclass(frozen=True)
class Model:
    """What of a recipe decides about memory.

    Attributes:
        backbone: Its name.
        objective: Its name.
        settings: Those of the backbone and the objective, by ``backbone.layers``, ``objective.intents``.
        embedding_size: d.
        batch_size: Pairs a step.
        precision: ``exact`` or ``fast``.
        text_dimension: Components that text is reduced to; None for none.
        simple: Whether it is a simple baseline, with scores of its own.
        drop: Components left out.
    """

    backbone: str
    objective: str
    settings: Mapping[str, Any]
    embedding_size: int
    batch_size: int
    precision: str = "exact"
    text_dimension: int | None = None
    simple: bool = False
    drop: Collection[str] = ()


def training_need(sizes: Sizes, model: Model, longest_list: int = STORED_LENGTH) -> Need:
    """Return the expected peaks of training one cell.

    Args:
        sizes: The data set's.
        model: What is trained.
        longest_list: Items of the lists that a simple baseline stores for every user.
    """
    if model.simple:
        return Need(0, 0, _simple_bytes(sizes, model, longest_list))
    wanted = [model.text_dimension, REDUCED_COLUMNS if model.precision == "fast" else None]
    width = min([sizes.text, *(columns for columns in wanted if columns)])
    start = _text_start(sizes, width)
    shared = 2 * sizes.nodes * width * FLOAT if sizes.text else 0
    return Need(start, shared, RESTING_BYTES + _graph_bytes(sizes, model) + _text_bytes(sizes, model, width))


def _graph_bytes(sizes: Sizes, model: Model) -> int:
    """Return what pairs and embeddings take."""
    layers = int(model.settings.get("backbone.layers", 0))
    passes = MORE_PASSES.get(model.backbone, 0)
    triples = FLOAT * int(model.settings.get("backbone.negatives", 0))
    arrays = NODE_ARRAYS + LAYER_ARRAYS * layers * (1 + passes)
    node = FLOAT * model.embedding_size * arrays
    if model.backbone == "gccf":
        node += FLOAT * model.embedding_size * layers * NODE_ARRAYS
    if model.backbone in OWN_MIXTURES and model.objective != "irllrec":
        mixed = layers if model.backbone == "dccf" else 1
        node += FLOAT * int(model.settings["backbone.intents"]) * MIXTURE_ARRAYS * mixed
    if model.objective != "base" or model.backbone in CONTRASTING:
        parts = SAMPLE_PARTS if model.precision == "fast" else CONTRAST_PARTS
        node += FLOAT * model.embedding_size * parts
    # Scores of one block for the negatives of a batch.
    sampled = triples * model.batch_size * model.embedding_size * SAMPLED_ARRAYS
    return sizes.pairs * (PAIR_BYTES + EDGE_BYTES * passes + triples) + sizes.nodes * node + sampled


def _text_start(sizes: Sizes, width: int) -> int:
    if not sizes.text:
        return 0
    entries = sizes.nodes * sizes.text
    read = RESTING_BYTES + READ_BYTES * entries
    if width == sizes.text:
        return read
    blocks = 8 * sizes.text * (REDUCED_COPIES * min(REDUCED_ROWS, sizes.nodes) + MOMENT_COPIES * sizes.text)
    return read + 2 * FLOAT * sizes.nodes * width + blocks


def _text_bytes(sizes: Sizes, model: Model, width: int) -> int:
    """Return what text towers and mixtures of intents take in a step."""
    if not sizes.text:
        return 0
    fast = model.precision == "fast"
    batch = min(3 * model.batch_size, sizes.nodes)
    of_users = batch if fast else min(sizes.users + 2 * model.batch_size, sizes.nodes)
    hidden = (width + model.embedding_size) // 2
    found = 0
    if model.backbone == "alpharec":
        found += sizes.nodes * FLOAT * (width + TOWER_ARRAYS * width // 2)
    if model.objective != "base":
        found += of_users * hidden * FLOAT * TOWER_ARRAYS
    if model.objective != "irllrec":
        return found
    rows = batch if fast else sizes.nodes
    found += rows * hidden * FLOAT * TOWER_ARRAYS
    if "GSL" not in model.drop:
        layers = max(1, int(model.settings.get("backbone.layers", 0)))
        intents = int(model.settings.get("objective.intents", 0))
        found += sizes.nodes * FLOAT * intents * MIXTURE_ARRAYS * layers
        found += sizes.pairs * EDGE_BYTES * layers
    return found + sizes.nodes * FLOAT * model.embedding_size * 2 * NODE_ARRAYS


def _simple_bytes(sizes: Sizes, model: Model, longest_list: int) -> int:
    """Return the peak of a simple baseline, which keeps a list for every user."""
    settings = {name: _largest(value) for name, value in model.settings.items()}
    lists = 2 * sizes.users * longest_list * FLOAT
    square = sizes.items**2 * FLOAT
    own = {
        # The Gram matrix, its factor, and the inverse before and after it is turned.
        "ease": 3 * square,
        # A block of 512 items holds the counts of all pairs of items in it, and the order of them.
        "itemknn": 512 * sizes.items * 60 + 24 * sizes.items * int(settings.get("backbone.neighbours", 0)),
        "mult-vae": FLOAT * sizes.items * (8 * int(settings.get("backbone.hidden", 0)) * 2)
        + 4 * FLOAT * sizes.items * int(settings.get("backbone.batch_size", 0)),
        "als": 4 * FLOAT * sizes.nodes * int(settings.get("backbone.factors", 0)) + (600 << 20),
    }.get(model.backbone, 0)
    return RESTING_BYTES + PAIR_BYTES * sizes.pairs + lists + own


def _largest(value: Any) -> Any:
    return max(value) if isinstance(value, list | tuple) and value else value


def evaluation_bytes(*, model_bytes: int, pairs: int, seeds: int, ranked: int) -> int:
    """Return the expected peak of evaluating a cell.

    Args:
        model_bytes: Size of a seed's model file.
        pairs: Pairs of all splits.
        seeds: Whose lists are kept together.
        ranked: Users with test items.
    """
    lists = ranked * STORED_LENGTH * FLOAT
    metrics = 8 * 12 * ranked * seeds
    return RESTING_BYTES + 2 * model_bytes + 32 * pairs + (seeds + 1) * lists + metrics
