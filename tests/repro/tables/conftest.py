"""A checkout whose cells have results on disk, written as the stages write them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import yaml

from irllrec.data.interactions import Interactions
from irllrec.data.storage import save_interactions, write_arrays, write_json
from irllrec.evaluation.metrics import per_user_metrics
from repro.layout import Layout, text_sources

REPOSITORY = Path(__file__).resolve().parents[3]
USERS, ITEMS, SEEDS = 240, 150, (2023, 2024, 2025)
SKILL = {
    "base": 1.0,
    "rlmrec-con": 1.6,
    "rlmrec-gen": 1.0,
    "irllrec": 2.4,
    "irllrec-no-text": 0.4,
    "irllrec-no-itm": 2.4,
}
"""How strongly a variant's scores prefer the test items; base and rlmrec-gen are the same model."""


@pytest.fixture(scope="session")
def written_project(tmp_path_factory):
    """A project root with two data sets: demo (all variants) and shop_a (base and a worse irllrec)."""
    root = tmp_path_factory.mktemp("project")
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    params["statistics"] |= {"bootstrap_samples": 500, "randomisation_samples": 500}
    demo = params["datasets"]["demo"]
    params["datasets"] = {"demo": demo, "shop": {**demo, "origin": "imported"}}
    params["text"]["shop"] = {**params["text"]["demo"], "dataset": "shop"} | text_sources(
        "shop", "shop", "extractive", "lsa"
    )
    params["cells"] = {}
    for dataset, variants in (("demo", SKILL), ("shop", ("base", "irllrec"))):
        for variant in variants:
            objective, _, dropped = variant.partition("-no-")
            interactions = f"data/prepared/{dataset}/manifest.json"
            cell = {"dataset": dataset, "backbone": "lightgcn", "objective": objective, "variant": variant}
            cell["inputs"] = interactions if objective == "base" else f"data/text/{dataset}/vectors.npz"
            cell["code"] = f"irllrec/objectives/{objective.replace('-', '_')}.py"
            if dropped:
                cell["drop"] = [dropped.upper()]
            params["cells"][f"{dataset}-lightgcn-{variant}"] = cell
            skill = SKILL[variant] if dataset == "demo" else {"base": 2.0, "irllrec": 0.8}[variant]
            _write_run(root, dataset, variant, dropped, skill)
        _write_prepared(root, dataset)
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    (root / "dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
    return root


def _held_out(dataset: str) -> tuple[Interactions, np.ndarray]:
    generator = np.random.default_rng(len(dataset))
    degrees = generator.geometric(0.12, USERS)
    counts = np.maximum(1, degrees // 3)
    users = np.repeat(np.arange(USERS), counts)
    return Interactions.from_pairs(users, generator.integers(0, ITEMS, len(users)), USERS, ITEMS), degrees


def _trained(dataset: str, degrees: np.ndarray) -> Interactions:
    """As many training items of each user as her degree, some items far more popular than others."""
    generator = np.random.default_rng([1, len(dataset)])
    chances = 1.0 / np.arange(1, ITEMS + 1)
    chosen = [generator.choice(ITEMS, count, replace=False, p=chances / chances.sum()) for count in degrees]
    return Interactions.from_pairs(np.repeat(np.arange(USERS), degrees), np.concatenate(chosen), USERS, ITEMS)


def _write_prepared(root: Path, dataset: str) -> None:
    test, degrees = _held_out(dataset)
    folder = root / "data" / "prepared" / dataset
    save_interactions(folder / "test.npz", test)
    save_interactions(folder / "train.npz", _trained(dataset, degrees))
    splits = {"train": int(degrees.sum()), "valid": 100, "test": len(test)}
    card = {"users": USERS, "items": ITEMS, "splits": {k: {"interactions": n} for k, n in splits.items()}}
    write_json(folder / "card.json", card)


def _write_run(root: Path, dataset: str, variant: str, dropped: str, skill: float) -> None:
    test, degrees = _held_out(dataset)
    relevant = test.matrix().toarray()
    metrics = [f"{name}@{k}" for name in ("recall", "ndcg") for k in (5, 10, 20)]
    lists, columns = [], {name: [] for name in ("seed", "user", "train_degree", *metrics)}
    users = np.arange(USERS)
    taste = np.random.default_rng(99).normal(size=(USERS, ITEMS))
    for seed in SEEDS:
        generator = np.random.default_rng([seed, *variant.encode()])
        scores = taste + 0.3 * generator.normal(size=taste.shape) + skill * relevant
        top = np.argsort(-scores, axis=1)[:, :100].astype(np.int32)
        lists.append(top)
        columns["seed"].append(np.full(USERS, seed))
        columns["user"].append(users.astype(np.int32))
        columns["train_degree"].append(degrees)
        for name, values in per_user_metrics(top, test, users, metrics).items():
            columns[name].append(values)
    folder = root / "runs" / dataset / "lightgcn" / variant
    folder.mkdir(parents=True)
    table = pa.table({name: np.concatenate(parts) for name, parts in columns.items()})
    pyarrow.parquet.write_table(table, folder / "per_user.parquet")
    seeds = np.asarray(SEEDS)
    write_arrays(
        folder / "top_items.npz", {"seeds": seeds, "users": users.astype(np.int32), "items": np.stack(lists)}
    )
    shares = {"bpr": 0.9, "kd": 0.06, "pair": 0.03, "tran": 0.01, "itm": 2e-8}
    seed_record = {"epochs": 60, "loss_shares": shares}
    timing = {str(seed): {"wall_seconds": 12.5, "peak_bytes": 2**28} for seed in SEEDS}
    write_json(Layout(root).timings(f"{dataset}-lightgcn-{variant}"), {"workers": 2, "per_seed": timing})
    write_json(folder / "metrics.json", {"mask": "train"})
    run = {
        "dataset": dataset,
        "backbone": "lightgcn",
        "objective": variant.partition("-no-")[0],
        "variant": variant,
        "drop": [dropped.upper()] if dropped else [],
        "fidelity": "paper",
        "itm": "reading" if variant.startswith("irllrec") else None,
        "settings": "default",
        "commit": "0123456789abcdef+dirty",
        "device": "cpu",
        "text": None if variant == "base" else {"summarizer": "extractive", "embedder": "lsa"},
        "hyperparameters": {"keep_rate": 0.8, "layers": 3},
        "per_seed": {str(seed): seed_record for seed in SEEDS},
    }
    (folder / "run.json").write_text(json.dumps(run), encoding="utf-8")
