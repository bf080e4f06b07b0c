"""A small checkout with trained and evaluated cells, made once by the pipeline's own stages."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from repro.engine import prepare_repository
from repro.layout import Layout
from repro.params import Params, load_params
from repro.stages import embed, evaluate, generate, prepare, summarize, train

REPOSITORY = Path(__file__).resolve().parents[3]
PIPELINE = """\
stages:
  evaluate:
    foreach: ${cells}
    do:
      cmd: "true"
      deps:
      - runs/${item.dataset}/${item.backbone}/${item.variant}/per_user.parquet
"""
"""A pipeline whose results are there."""
CELLS = ("demo-lightgcn-base", "demo-lightgcn-rlmrec-con", "demo-lightgcn-irllrec", "demo-pop-base")


@pytest.fixture(scope="session")
def trained_checkout(small_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo of 60 users and 260 items, more than a list holds: LightGCN under three objectives, and pop."""
    root = tmp_path_factory.mktemp("trained") / "checkout"
    root.mkdir()
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(small_checkout / name, root / name)
    params = (root / "params.yaml").read_text(encoding="utf-8")
    small, larger = "items: 40, interactions: 700", "items: 260, interactions: 2000"
    assert small in params
    (root / "params.yaml").write_text(params.replace(small, larger), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRO_ROOT", str(root))
        patch.setenv("REPRO_VERBOSITY", "quiet")
        for stage in (generate, prepare, summarize, embed):
            stage.main(["demo"])
        for key in CELLS:
            train.train_cell(Layout(root), load_params(root / "params.yaml"), key)
            evaluate.main([key])
    _lock(root)
    return root


def _lock(root: Path) -> None:
    """Let DVC take the results for up to date: `--no-run` asks it."""
    (root / "dvc.yaml").write_text(PIPELINE, encoding="utf-8")
    (root / ".dvc").mkdir()
    shutil.copy(REPOSITORY / ".dvc" / "config", root / ".dvc" / "config")
    prepare_repository(Layout(root))
    targets = [f"evaluate@{key}" for key in CELLS]
    command = [sys.executable, "-m", "dvc", "repro", "--quiet", *targets]
    subprocess.run(command, cwd=root, check=True)


@pytest.fixture
def trained(trained_checkout: Path, own_copy: Callable[[Path], Layout]) -> Layout:
    """A copy of the trained checkout that a test may change."""
    return own_copy(trained_checkout)


@pytest.fixture
def params(trained: Layout) -> Params:
    return load_params(trained.params)
