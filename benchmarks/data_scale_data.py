"""A checkout around one generated data set of any size, and the pipeline's own work on it, task by task.

Every task runs what the pipeline runs, in a process of its own; `benchmarks.data_scale` starts them.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from benchmarks.workload import ITEMS, PAIRS, PARAMS_FILE, USERS, Workload, make_workload
from irllrec.data.interactions import Interactions
from irllrec.data.prepared import load_split
from irllrec.data.raw import RawTable, atomic_folder, write_raw
from irllrec.data.storage import save_interactions
from irllrec.seeding import stream
from irllrec.text.embeddings import save_text_vectors
from repro.layout import Layout

NAME = "scale"
SEED = 2023
# Training pairs of all pairs under the split 3:1:1.
TRAIN_SHARE = 3 / 5
# Validation and test are cut to the pairs of so many users; what more of them cost is proportional.
VALID_USERS, TEST_USERS = 10_000, 100_000
CELLS = {
    "lightgcn-base": ("lightgcn", "base", {}),
    "lightgcn-irllrec": ("lightgcn", "irllrec", {}),
    "lightgcn-irllrec-fast": ("lightgcn", "irllrec", {"precision": "fast"}),
}


@dataclass(frozen=True)
class Size:
    """Users, items and training pairs of a data set, and the width of its text vectors."""

    label: str
    users: int
    items: int
    pairs: int
    text: int = 384


SIZES = {
    # Items grow with the square root of the users: a shop's catalogue grows slower than its customers.
    **{
        f"{factor}x": Size(f"{factor}×", factor * USERS, round(factor**0.5 * ITEMS), factor * PAIRS)
        for factor in (1, 10, 100)
    },
    # The largest public set of this field, and eight times as dense as 100×.
    "movielens-32m": Size("MovieLens-32M", 200_948, 87_585, round(TRAIN_SHARE * 32_000_204)),
}


def make_checkout(root: Path, size: Size, *, with_text: bool = True) -> Layout:
    """Write params.yaml and the raw form of a data set of this size, and its text vectors.

    *Randomness*: streams ``benchmark ...``.
    """
    from repro.params import load_params

    root.mkdir(parents=True, exist_ok=True)
    layout = Layout(root)
    shutil.copy(PARAMS_FILE.parent / "dvc.yaml", root / "dvc.yaml")
    layout.params.write_text(yaml.safe_dump(_params(size), sort_keys=False), encoding="utf-8")
    load_params(layout.params)
    # The workload adds a third for the test; 3:1:1 wants two thirds beside the training pairs.
    pairs = round(size.pairs / TRAIN_SHARE * 3 / 4)
    width = size.text if with_text else 1
    workload = make_workload(users=size.users, items=size.items, pairs=pairs, text_dimension=width, seed=SEED)
    _write_raw(layout, workload)
    if with_text:
        save_text_vectors(layout.vectors(NAME), workload.vectors)
    return layout


def _params(size: Size) -> dict[str, object]:
    content = yaml.safe_load(PARAMS_FILE.read_text(encoding="utf-8"))
    content["datasets"] = {
        NAME: {
            "origin": "imported",
            "split": {"how": "ratio", "ratio": [3, 1, 1], "seed": SEED},
            "seeds": [SEED],
            "training": {"max_epochs": 1, "validate_every": 1},
        }
    }
    content["text"] = {
        NAME: {
            "dataset": NAME,
            "summarizer": "upstream",
            "summaries_from": f"data/prepared/{NAME}/text.parquet",
            "embedder": "vectors",
            "vectors_from": f"data/prepared/{NAME}/vectors.npz",
        }
    }
    content["generated"] = {}
    content["cells"] = {
        f"{NAME}-{key}": {
            "dataset": NAME,
            "backbone": backbone,
            "objective": objective,
            "variant": key.removeprefix(f"{backbone}-"),
            "inputs": f"data/text/{NAME}/vectors.npz",
            "override": override,
        }
        for key, (backbone, objective, override) in {**CELLS, **_other_cells(content)}.items()
    }
    return content


def _other_cells(content: dict[str, dict[str, object]]) -> dict[str, tuple[str, str, dict[str, object]]]:
    """Return every other backbone and objective of params.yaml, for the check of predictions."""
    simple = ("pop", "itemknn", "ease", "mult-vae", "als")
    return {
        f"{backbone}-{objective}": (backbone, objective, {})
        for backbone in content["backbones"]
        for objective in (("base",) if backbone in simple else content["objectives"])
        if f"{backbone}-{objective}" not in CELLS
    }


def _write_raw(layout: Layout, workload: Workload) -> None:
    """Write both splits as one table, ids as strings, in an order of its own."""
    train, test = workload.train, workload.test
    users, items = (
        np.concatenate([getattr(train, side), getattr(test, side)]).astype(np.int64)
        for side in ("users", "items")
    )
    order = stream(SEED, "benchmark order").permutation(len(users))
    names = {
        role: np.asarray([f"{role}-{number:07d}" for number in range(count)], dtype=object)
        for role, count in (("user", train.user_count), ("item", train.item_count))
    }
    table = RawTable(names["user"][users[order]], names["item"][items[order]])
    manifest = {"name": NAME, "origin": "imported", "source": ["generated"], "index": "ids"}
    with atomic_folder(layout.raw(NAME), replace=True) as folder:
        write_raw(folder, table, manifest=manifest)


def thin_held_out(layout: Layout, valid_users: int, test_users: int) -> None:
    """Cut validation and test to the pairs of the first users."""
    folder = layout.prepared(NAME)
    for name, most in (("valid", valid_users), ("test", test_users)):
        part = load_split(folder, name)
        kept = part.users < most
        thin = Interactions.from_pairs(part.users[kept], part.items[kept], part.user_count, part.item_count)
        save_interactions(folder / f"{name}.npz", thin)
