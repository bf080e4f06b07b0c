"""What every test shares: threads that sleep, and a copy of the checkout's settings to change."""

import gc
import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import shutil
from pathlib import Path

import pytest

from repro.layout import Layout

ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_finish() -> None:
    """Keep what 4,000 tests and their imports hold out of every later collection of garbage.

    statsmodels collects in each correction of p-values, which took half a second each time.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture
def checkout(tmp_path: Path) -> Layout:
    """A folder with this project's params.yaml, dvc.yaml and published settings, without data."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "data" / "published", tmp_path / "data" / "published")
    return Layout(tmp_path)


@pytest.fixture
def project(checkout: Layout, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A checkout that the commands find, with DVC's settings and the list of sources."""
    monkeypatch.setenv("REPRO_ROOT", str(checkout.root))
    (checkout.root / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc" / "config", checkout.root / ".dvc" / "config")
    shutil.copy(ROOT / "data" / "sources.yaml", checkout.sources)
    return checkout
