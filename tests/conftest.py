"""What every test shares: threads that sleep, and a copy of the checkout's settings to change."""

import gc
import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import shutil
from collections import Counter
from pathlib import Path

import pytest

from repro.layout import Layout

ROOT = Path(__file__).resolve().parents[1]
LONGEST = (
    "tests/smoke/test_small_pipeline.py",
    "tests/smoke/test_text_signal.py",
    "tests/repro/bundle/test_bundle.py",
    "tests/repro/test_published_numbers.py",
    "tests/repro/running/test_whole_run.py",
    "tests/repro/test_new_backbone.py",
    "tests/irllrec/text/test_asking_under_faults.py",
    "tests/repro/test_train_stage.py",
    "tests/faults/test_faults.py",
    "tests/repro/test_code_stage.py",
    "tests/benchmarks/test_data_scale.py",
)
"""The files of half a minute and more, longest first."""


def pytest_configure(config: pytest.Config) -> None:
    """Let pytest-xdist hand out the files in the order below, not in its own."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin the longest files first, then those of most tests.

    A process that began a long file last would be alone at work for minutes.
    """
    files = [item.nodeid.partition("::")[0] for item in items]
    rank = {name: place for place, name in enumerate(LONGEST)}
    counts = Counter(files)
    order = sorted(
        range(len(items)),
        key=lambda place: (rank.get(files[place], len(rank)), -counts[files[place]], files[place]),
    )
    items[:] = [items[place] for place in order]


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
