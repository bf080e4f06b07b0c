"""A small prepared checkout, made once in each test process by the pipeline's own stages."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from repro.layout import Layout
from repro.stages import embed, generate, prepare, summarize

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def small_checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose demo has 60 users, two seeds and short training, prepared and embedded."""
    root = tmp_path_factory.mktemp("small-checkout")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, root / name)
    for name in ("published", "search_spaces.yaml"):
        source = ROOT / "data" / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, _parent(root / "data" / name))
    text = (root / "params.yaml").read_text(encoding="utf-8")
    small = "demo: {users: 60, items: 40, interactions: 700, intents: 3, seed: 7}"
    text = re.sub(r"demo: \{users: 1200.*\}", small, text)
    text = re.sub(r"seeds: \[2023.*\]", "seeds: [2023, 2024]", text, count=1)
    text = re.sub(r"training: \{batch_size: 1024.*\}", "training: {batch_size: 128, max_epochs: 6}", text)
    text = re.sub(r"workers: auto", "workers: 1", text)
    text = re.sub(r"intents: 128", "intents: 8", text)
    (root / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRO_ROOT", str(root))
        patch.setenv("REPRO_VERBOSITY", "quiet")
        for stage in (generate, prepare, summarize, embed):
            stage.main(["demo"])
    return root


@pytest.fixture
def own_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Layout]:
    """Copies a checkout for the test alone, and makes it the one that commands find."""

    def copy(checkout: Path) -> Layout:
        root = tmp_path / "checkout"
        shutil.copytree(checkout, root)
        monkeypatch.setenv("REPRO_ROOT", str(root))
        monkeypatch.setenv("REPRO_VERBOSITY", "quiet")
        return Layout(root)

    return copy


@pytest.fixture
def small(small_checkout: Path, own_copy: Callable[[Path], Layout]) -> Layout:
    """A copy of the small checkout that a test may change."""
    return own_copy(small_checkout)


def _parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
