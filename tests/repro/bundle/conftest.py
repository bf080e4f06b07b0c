"""A small checkout with trained and evaluated cells, and the bundle of it, made once in each test process."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from repro.bundle.building import Built, build
from repro.bundle.display import steps
from repro.layout import Layout
from repro.params import load_params
from repro.stages import evaluate, train

CLAIMS = Path(__file__).resolve().parents[3] / "claims.yaml"
CELLS = ("demo-lightgcn-base", "demo-lightgcn-irllrec", "demo-lightgcn-irllrec-no-text", "demo-pop-base")


@pytest.fixture(scope="session")
def evaluated(small_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A checkout in which four cells of the demo are trained with two seeds and evaluated."""
    root = tmp_path_factory.mktemp("evaluated") / "checkout"
    shutil.copytree(small_checkout, root)
    layout = Layout(root)
    text = layout.params.read_text(encoding="utf-8")
    text = re.sub(r"(bootstrap|randomisation)_samples: \d+", r"\1_samples: 100", text)
    kept = [
        line
        for line in text.splitlines()
        if not line.startswith("  demo-") or line.split(":")[0].strip() in CELLS
    ]
    layout.params.write_text("\n".join(kept) + "\n", encoding="utf-8")
    shutil.copy(CLAIMS, layout.claims)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRO_ROOT", str(root))
        patch.setenv("REPRO_VERBOSITY", "quiet")
        for key in CELLS:
            train.main([key])
            evaluate.main([key])
    return layout


@pytest.fixture(scope="session")
def built(evaluated: Layout, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The bundle of these cells."""
    return made(evaluated, tmp_path_factory.mktemp("bundle") / "bundle.zip")


def made(layout: Layout, out: Path) -> Built:
    """Return the bundle of all cells of a checkout."""
    params = load_params(layout.params)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRO_VERBOSITY", "quiet")
        return build(layout, params, list(params.cells), out, stale=None, steps=steps)
