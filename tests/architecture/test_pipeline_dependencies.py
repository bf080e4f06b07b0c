"""Each stage's code dependencies in dvc.yaml are what it really imports: no more, no less."""

import re
from pathlib import Path

import grimp
import pytest
import yaml

from repro.params import load_params

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("generate", "prepare", "summarize", "embed", "relate", "train", "evaluate", "compare", "tabulate")

CARRIERS = {
    "irllrec",
    "irllrec.backbones",
    "irllrec.objectives",
    "irllrec.errors",
    "repro.durations",
    "repro.errors",
    "repro.failures",
    "repro.held_out",
    "repro.layout",
    "repro.params",
    "repro.provenance",
    "repro.stages.entry",
    "repro.text_params",
    "repro.text_views",
}
"""Modules that carry values, name paths, refuse files or tell of failures, and compute no number."""

READ_AS_DATA = {"irllrec/text/templates"}
"""Dependencies among the code that are read, not imported."""


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("irllrec", "repro", cache_dir=None)


def _declared(stage: str) -> list[str]:
    """Return the Python files and folders a stage lists, with one cell's and its text's names filled in."""
    body = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]["do"]
    params = load_params(ROOT / "params.yaml")
    cell = next(cell for cell in params.cells.values() if cell.objective == "irllrec")
    item = params.text[cell.dataset].model_dump() | cell.model_dump()
    filled = [
        re.sub(r"\$\{item\.(\w+)\}", lambda match: str(item[match[1]]), dep)
        for dep in body["deps"]
        if isinstance(dep, str)
    ]
    code = [dep for dep in filled if dep.startswith(("irllrec/", "repro/"))]
    return [dep for dep in code if dep not in READ_AS_DATA]


def _modules(dep: str) -> set[str]:
    path = ROOT / dep
    files = [path] if path.suffix == ".py" else sorted(path.rglob("*.py"))
    return {file.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for file in files}


def _imported(graph: grimp.ImportGraph, stage: str) -> set[str]:
    """Return what a stage imports, with the backbone and the objective that it looks up by name."""
    starts = {f"repro.stages.{stage}"}
    if stage == "train":
        starts |= {"irllrec.backbones.lightgcn", "irllrec.objectives.irllrec"}
    found = set(starts)
    for start in starts:
        found |= graph.find_upstream_modules(start)
    return found - CARRIERS


@pytest.mark.parametrize("stage", STAGES)
def test_no_imported_module_is_missing_from_the_dependencies(graph: grimp.ImportGraph, stage: str) -> None:
    declared = set().union(*(_modules(dep) for dep in _declared(stage)))
    packages = {module for module in graph.modules if (ROOT / module.replace(".", "/")).is_dir()}
    assert sorted(_imported(graph, stage) - declared - packages) == []


@pytest.mark.parametrize("stage", STAGES)
def test_no_dependency_is_listed_that_the_stage_does_not_import(graph: grimp.ImportGraph, stage: str) -> None:
    imported = _imported(graph, stage)
    assert [dep for dep in _declared(stage) if not _modules(dep) & imported] == []


def test_every_stage_of_the_pipeline_is_checked() -> None:
    assert tuple(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]) == STAGES


def test_every_listed_file_exists() -> None:
    missing = [dep for stage in STAGES for dep in _declared(stage) if not (ROOT / dep).exists()]
    assert missing == []


@pytest.mark.parametrize(("stage", "field"), [("summarize", "summaries_from"), ("embed", "vectors_from")])
def test_what_summaries_and_vectors_come_from_is_watched(stage: str, field: str) -> None:
    text = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]
    assert text["foreach"] == "${text}"
    assert f"${{item.{field}}}" in text["do"]["deps"]


@pytest.mark.parametrize("stage", ["summarize", "embed", "train", "evaluate"])
def test_no_stage_after_prepare_imports_how_data_are_made(graph: grimp.ImportGraph, stage: str) -> None:
    making = {f"irllrec.data.{name}" for name in ("preparing", "raw", "splitting")}
    assert _imported(graph, stage) & making == set()


def test_carriers_import_no_module_that_computes(graph: grimp.ImportGraph) -> None:
    reached = set().union(*(graph.find_upstream_modules(module) for module in CARRIERS))
    assert reached <= CARRIERS
