"""A small demo, trained and evaluated once in each test process by the pipeline's own stages."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from repro.cell_requests import CellRequest
from repro.grid import ensure_cells
from repro.layout import Layout
from repro.params import Params, load_params
from repro.stages import evaluate, train

VARIANTS = {
    "base": CellRequest("demo", "lightgcn", "base"),
    "rlmrec-con": CellRequest("demo", "lightgcn", "rlmrec-con"),
    "irllrec": CellRequest("demo", "lightgcn", "irllrec"),
    "irllrec-no-itm": CellRequest("demo", "lightgcn", "irllrec", ("ITM",)),
}


@pytest.fixture(scope="session")
def trained_checkout(small_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small checkout with four evaluated cells of lightgcn, two seeds each, and no others in the grid."""
    root = tmp_path_factory.mktemp("trained") / "checkout"
    shutil.copytree(small_checkout, root)
    layout = Layout(root)
    text = layout.params.read_text(encoding="utf-8")
    text = re.sub(r"(bootstrap|randomisation)_samples: 5000", r"\1_samples: 200", text)
    text = text[: text.index("cells:\n")] + "cells:\n"
    kept = [
        line
        for line in (small_checkout / "params.yaml").read_text(encoding="utf-8").splitlines()
        if re.match(r"  demo-lightgcn-(base|rlmrec-con|irllrec):", line)
    ]
    layout.params.write_text(text + "\n".join(kept) + "\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRO_ROOT", str(root))
        patch.setenv("REPRO_VERBOSITY", "quiet")
        for key in ensure_cells(layout, list(VARIANTS.values())):
            train.main([key])
            evaluate.main([key])
    return root


@pytest.fixture
def project(trained_checkout: Path, own_copy: Callable[[Path], Layout]) -> Layout:
    """A copy of the trained checkout that a test may change."""
    return own_copy(trained_checkout)


@pytest.fixture
def settings(project: Layout) -> Params:
    return load_params(project.params)
