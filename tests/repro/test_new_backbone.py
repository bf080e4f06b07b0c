"""A new backbone is one file and one line: a throw-away one is added to a small checkout and trained."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from irllrec.training.checkpoint import load_tensors
from repro.engine import prepare_repository
from repro.layout import Layout

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("irllrec", "repro", "data/published", ".dvc/config", ".dvcignore", "dvc.yaml", "pyproject.toml")
OLD_CELLS = ("demo-lightgcn-base", "demo-lightgcn-irllrec")
LINE = "  throwaway: {scale: 0.5}"
THROWAWAY = '''\
"""One propagation, its result scaled by a learned number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from irllrec.backbones.interface import EmbeddingBackbone, Encoding
from irllrec.seeding import Draws


@dataclass(frozen=True)
class ThrowawaySettings:
    """Attributes:
    scale: What the learned number starts from.
    """

    scale: float


class Throwaway(EmbeddingBackbone):
    """``E = E^(0) + s·Â E^(0)`` with a learned ``s``."""

    Settings = ThrowawaySettings

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.scale = nn.Parameter(torch.tensor(self.settings.scale))

    def encode(self, initial: Float[Tensor, "node dim"], draws: Draws | None) -> Encoding:
        nodes = initial + self.scale * self.graph.propagate(initial)
        return Encoding(nodes, [initial, nodes], self.graph.user_count)


BACKBONE = Throwaway
'''

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small checkout with two cells that are up to date, then with the throw-away backbone as well."""
    folder = tmp_path_factory.mktemp("project")
    for name in COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    demo = params["datasets"]["demo"] | {"seeds": [2023]}
    params["datasets"], params["text"] = {"demo": demo}, {"demo": params["text"]["demo"]}
    params["generated"] = {"demo": {"users": 90, "items": 60, "interactions": 1200, "intents": 4, "seed": 7}}
    params["training"] |= {"max_epochs": 6}
    params["statistics"] |= {"bootstrap_samples": 200, "randomisation_samples": 200}
    params["cells"] = {key: params["cells"][key] for key in OLD_CELLS}
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    prepare_repository(Layout(folder))
    return folder


@pytest.fixture(scope="module")
def before(project: Path) -> dict[str, object]:
    """The stages of dvc.lock once the old cells are up to date."""
    _run(project, "-m", "dvc", "repro")
    return _locked(project)


@pytest.fixture(scope="module")
def report(project: Path, before: dict[str, object]) -> str:
    """What `dvc repro` says after the file, the line and `repro grid add`."""
    (project / "irllrec" / "backbones" / "throwaway.py").write_text(THROWAWAY, encoding="utf-8")
    params = project / "params.yaml"
    text = params.read_text(encoding="utf-8")
    params.write_text(text.replace("backbones:\n", f"backbones:\n{LINE}\n", 1), encoding="utf-8")
    add = "import sys; from repro.cli import main; sys.argv[1:] = {}; main()"
    words = ["grid", "add", "--dataset", "demo", "--backbone", "throwaway", "--objective", "irllrec"]
    _run(project, "-c", add.format(words))
    return _run(project, "-m", "dvc", "repro")


def _run(project: Path, *words: str) -> str:
    """Return what a program of this Python prints, importing the code of ``project``."""
    own = {"PYTHONPATH": str(project), "REPRO_ROOT": str(project), "REPRO_PYTHON": sys.executable}
    done = subprocess.run(
        [sys.executable, *words],
        cwd=project,
        env={**os.environ, **own, "OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _locked(project: Path) -> dict[str, object]:
    stages: dict[str, object] = yaml.safe_load((project / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    return stages


def test_only_the_stages_of_the_new_cell_and_its_tables_run(report: str) -> None:
    key = "demo-throwaway-irllrec"
    started = re.findall(r"^Running stage '([^']+)'", report, re.MULTILINE)
    assert sorted(started) == ["compare@demo", f"evaluate@{key}", "tabulate@demo", f"train@{key}"]


def test_every_earlier_stage_is_found_unchanged(
    project: Path, before: dict[str, object], report: str
) -> None:
    kept = set(before) - {"compare@demo", "tabulate@demo"}
    assert {f"{stage}@{key}" for key in OLD_CELLS for stage in ("train", "evaluate")} < kept
    assert kept == set(re.findall(r"^Stage '([^']+)' didn't change, skipping", report, re.MULTILINE))
    after = _locked(project)
    assert [name for name in kept if after[name] != before[name]] == []


@pytest.mark.usefixtures("report")
def test_the_new_cell_stands_in_the_table_and_its_own_parameter_was_trained(project: Path) -> None:
    assert ",throwaway,irllrec," in (project / "results" / "demo" / "main.csv").read_text(encoding="utf-8")
    model = project / "runs" / "demo" / "throwaway" / "irllrec" / "model" / "seed-2023.safetensors"
    tensors, _ = load_tensors(model)
    assert tensors["backbone.scale"].item() != 0.5


def _checked_contracts(project: Path) -> subprocess.CompletedProcess[str]:
    """Return what import-linter says about the code of ``project``."""
    return subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.usefixtures("report")
@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        ("backbones/throwaway.py", "", ""),
        ("backbones/throwaway.py", "import irllrec.backbones.lightgcn\n", "No backbone imports another"),
        ("objectives/base.py", "import irllrec.backbones.throwaway\n", "Objectives know backbones only by"),
    ],
)
def test_the_contracts_hold_for_a_backbone_that_none_of_them_names(
    project: Path, module: str, line: str, broken: str
) -> None:
    path = project / "irllrec" / module
    source = path.read_text(encoding="utf-8")
    path.write_text(source + line, encoding="utf-8")
    try:
        done = _checked_contracts(project)
    finally:
        path.write_text(source, encoding="utf-8")
    found = re.findall(r"^(.*) BROKEN\b", done.stdout, re.MULTILINE)
    assert [name.startswith(broken) for name in found] == [True] * bool(broken), done.stdout + done.stderr
    assert done.returncode == len(found)
