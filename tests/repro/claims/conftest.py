"""A checkout whose cells have per-user values made by hand, and a pipeline that knows them as its own.

Five data sets, each with every cell that claims.yaml names, and one world: ``gain`` (all as claimed),
``loss`` (all the opposite), ``tie`` (no difference, and little noise), ``vague`` (no difference that so few
noisy users could show) and ``bare`` (no text).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import yaml

from irllrec.data.storage import write_json
from repro.claims.planning import plan
from repro.claims.records import load_claims
from repro.grid import ensure_cells
from repro.layout import Layout, text_sources
from repro.params import load_params

REPOSITORY = Path(__file__).resolve().parents[3]
SEEDS = (2023, 2024)
USERS = {"gain": 800, "loss": 800, "tie": 800, "vague": 60}
SPREAD = {"gain": 0.02, "loss": 0.02, "tie": 0.002, "vague": 0.2}
SIGN = {"gain": 1.0, "loss": -1.0, "tie": 0.0, "vague": 0.0}
METRICS = ("recall@20", "ndcg@20")

PIPELINE = """\
stages:
  evaluate:
    foreach: ${cells}
    do:
      cmd: cp -r measured/${item.dataset}/${item.backbone}/${item.variant} runs/${item.dataset}/${item.backbone}/
      outs:
      - runs/${item.dataset}/${item.backbone}/${item.variant}
"""
"""A pipeline whose evaluation takes over results that lie beside it."""

CLAIMED = {
    "irllrec": 0.0,
    "irllrec-no-ia": -0.02,
    "irllrec-no-itm": -0.02,
    "irllrec-no-text": -0.02,
    "irllrec-no-tran": 0.0,
    "irllrec-clicks10": -0.01,
    "irllrec-clicks20": -0.02,
    "irllrec-clicks10-no-tran": -0.03,
    "irllrec-clicks20-no-tran": -0.06,
}
"""Distance of a variant's mean from irllrec's where every claim holds; what is not named lies 0.03 below."""


def sparse_bonus(degrees):
    """Return how much more irllrec gains for a user of the sparsest half where C2 holds."""
    return np.where(degrees < np.median(degrees), 0.02, 0.0)


def values_of(dataset, backbone, variant):
    """Return the metric of every seed and user, shape (seed, user): 0.3, the world's effect, and noise."""
    name = [*dataset.encode(), *backbone.encode(), *variant.encode()]
    generator = np.random.default_rng(name)
    count = USERS[dataset]
    own = SPREAD[dataset] * generator.normal(size=(len(SEEDS), count))
    effect = CLAIMED.get(variant, -0.03)
    shape = 0.3 + 0.05 * np.sin(np.arange(count))  # what users differ by whoever ranks
    bonus = sparse_bonus(degrees_of(dataset)) if variant in CLAIMED else 0.0
    return shape + SIGN[dataset] * (effect + bonus) + own


def degrees_of(dataset):
    """Return the training items of every user, 2 to 31."""
    return 2 + np.random.default_rng(7).integers(0, 30, USERS[dataset])


def write_cell(root, cell):
    """Write what the stages train and evaluate of a cell leave behind."""
    values = values_of(cell.dataset, cell.backbone, cell.variant)
    folder = root / "measured" / cell.dataset / cell.backbone / cell.variant
    folder.mkdir(parents=True)
    users = np.arange(values.shape[1], dtype=np.int32)
    columns = {
        "seed": np.repeat(SEEDS, len(users)),
        "user": np.tile(users, len(SEEDS)),
        "train_degree": np.tile(degrees_of(cell.dataset), len(SEEDS)),
    }
    columns |= {metric: values.reshape(-1) for metric in METRICS}
    pyarrow.parquet.write_table(pa.table(columns), folder / "per_user.parquet")
    write_json(folder / "metrics.json", {"mask": "train"})
    write_json(folder / "run.json", {"fidelity": "paper", "settings": "default", "drop": list(cell.drop)})


def dvc(root, *words):
    """Run DVC in the checkout and return what it printed."""
    command = [sys.executable, "-m", "dvc", *words]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def judged_project(tmp_path_factory):
    """The checkout, with every cell of the four worlds evaluated and known to DVC."""
    root = tmp_path_factory.mktemp("claims") / "checkout"
    root.mkdir()
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    params["statistics"] |= {"bootstrap_samples": 400, "randomisation_samples": 100}
    demo = params["datasets"]["demo"] | {"origin": "imported", "seeds": list(SEEDS)}
    params["datasets"] = dict.fromkeys((*USERS, "bare"), demo)
    params["generated"] = {}
    text = params["text"]["demo"]
    params["text"] = {
        name: text | {"dataset": name} | text_sources(name, name, "extractive", "lsa") for name in USERS
    }
    params["cells"] = {}
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    (root / "dvc.yaml").write_text(PIPELINE, encoding="utf-8")
    shutil.copy(REPOSITORY / "claims.yaml", root / "claims.yaml")
    layout = Layout(root)
    read = load_params(layout.params)
    places = plan(load_claims(layout, read), read)
    ensure_cells(layout, [request for place in places for request in place.requests])
    for cell in load_params(layout.params).cells.values():
        write_cell(root, cell)
        (root / "data" / "raw" / cell.dataset).mkdir(parents=True, exist_ok=True)
    shutil.copytree(root / "measured", root / "runs")
    (root / ".dvc").mkdir()
    config = "[core]\n    analytics = false\n    no_scm = true\n    check_update = false\n"
    (root / ".dvc" / "config").write_text(config, encoding="utf-8")
    dvc(root, "commit", "--force", "--quiet")
    return root
