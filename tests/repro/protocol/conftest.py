"""A small checkout with trained and evaluated cells, made once by the pipeline's own stages."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from repro.layout import Layout
from repro.params import Params, load_params
from repro.stages import embed, evaluate, generate, prepare, summarize, train

CELLS = ("demo-lightgcn-base", "demo-lightgcn-rlmrec-con", "demo-lightgcn-irllrec", "demo-pop-base")


@pytest.fixture(scope="session")
def trained_checkout(small_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo of 60 users and 160 items, more than a list holds: LightGCN under three objectives, and pop."""
    root = tmp_path_factory.mktemp("trained") / "checkout"
    root.mkdir()
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(small_checkout / name, root / name)
    params = (root / "params.yaml").read_text(encoding="utf-8")
    small, larger = "items: 40, interactions: 700", "items: 160, interactions: 1600"
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
    return root


@pytest.fixture
def trained(trained_checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A copy of the trained checkout that a test may change."""
    root = tmp_path / "trained"
    shutil.copytree(trained_checkout, root)
    monkeypatch.setenv("REPRO_ROOT", str(root))
    monkeypatch.setenv("REPRO_VERBOSITY", "quiet")
    return Layout(root)


@pytest.fixture
def params(trained: Layout) -> Params:
    return load_params(trained.params)
