"""Each stage's code dependencies in dvc.yaml are what it really imports: no more, no less."""

import re
from pathlib import Path
from typing import Any

import grimp
import pytest
import yaml

from repro.layout import Layout
from repro.params import load_params

ROOT = Path(__file__).resolve().parents[2]
SHARED_CODE = ("summarize", "embed", "train", "evaluate")
"""Kinds of stage that are repeated many times: their code is hashed by a stage of its own."""

STAGES = ("generate", "prepare", "summarize", "embed", "relate", "train", "evaluate", "compare", "tabulate")

CARRIERS = {
    "irllrec",
    "irllrec.backbones",
    "irllrec.objectives",
    "irllrec.errors",
    "repro.cell_params",
    "repro.checkout_lock",
    "repro.durations",
    "repro.errors",
    "repro.failures",
    "repro.held_out",
    "repro.layout",
    "repro.leftovers",
    "repro.lock_records",
    "repro.params",
    "repro.pipeline_holders",
    "repro.processes",
    "repro.printing",
    "repro.provenance",
    "repro.redaction",
    "repro.stages.entry",
    "repro.text_params",
    "repro.text_views",
    "repro.yaml_text",
}
"""Modules that carry values, name paths, keep processes apart, refuse files or tell of failures, and
compute no number."""

READ_AS_DATA = {"irllrec/text/templates"}
"""Dependencies among the code that are read, not imported."""


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("irllrec", "repro", cache_dir=None)


def _declared(stage: str) -> list[str]:
    """Return the Python files and folders a stage lists, with one cell's and its text's names filled in.

    They stand among its own dependencies and among those of the stage that hashes its kind's code.
    """
    stages = _stages()
    own = stages[stage]["do"]["deps"]
    hashed = stages[f"code-{stage}"]["deps"] if stage in SHARED_CODE else []
    params = load_params(ROOT / "params.yaml")
    cell = next(cell for cell in params.cells.values() if cell.objective == "irllrec")
    item = params.text[cell.dataset].model_dump() | cell.model_dump()
    filled = [
        re.sub(r"\$\{item\.(\w+)\}", lambda match: str(item[match[1]]), dep)
        for dep in (*own, *hashed)
        if isinstance(dep, str)
    ]
    code = [dep for dep in filled if dep.startswith(("irllrec/", "repro/"))]
    return [dep for dep in code if dep not in READ_AS_DATA]


def _stages() -> dict[str, dict[str, Any]]:
    stages: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    return stages


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
    assert tuple(name for name in _stages() if not name.startswith("code-")) == STAGES


def test_stages_that_hash_code_are_those_of_the_kinds_that_share_it() -> None:
    hashing = {name: body for name, body in _stages().items() if name.startswith("code-")}
    assert set(hashing) == {f"code-{kind}" for kind in SHARED_CODE}
    for kind in SHARED_CODE:
        body = hashing[f"code-{kind}"]
        assert body["cmd"] == f"sh repro/stages/launch.sh code {kind}"
        assert [ROOT / out for out in body["outs"]] == [Layout(ROOT).code(kind)]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_watches_the_hashes_of_its_own_kind_and_no_shared_file_beside_them(stage: str) -> None:
    own = [dep for dep in _stages()[stage]["do"]["deps"] if isinstance(dep, str)]
    hashes = [dep for dep in own if (ROOT / dep).parent == Layout(ROOT).code(stage).parent]
    if stage not in SHARED_CODE:
        assert hashes == []
        return
    assert [ROOT / dep for dep in hashes] == [Layout(ROOT).code(stage)]
    assert [dep for dep in own if dep.startswith(("irllrec/", "repro/"))] == []


def test_every_listed_file_exists() -> None:
    missing = [dep for stage in STAGES for dep in _declared(stage) if not (ROOT / dep).exists()]
    assert missing == []


@pytest.mark.parametrize(("stage", "field"), [("summarize", "summaries_from"), ("embed", "vectors_from")])
def test_what_summaries_and_vectors_come_from_is_watched(stage: str, field: str) -> None:
    text = _stages()[stage]
    assert text["foreach"] == "${text}"
    assert f"${{item.{field}}}" in text["do"]["deps"]


@pytest.mark.parametrize("stage", ["summarize", "embed", "train", "evaluate"])
def test_no_stage_after_prepare_imports_how_data_are_made(graph: grimp.ImportGraph, stage: str) -> None:
    making = {f"irllrec.data.{name}" for name in ("preparing", "raw", "splitting")}
    assert _imported(graph, stage) & making == set()


def test_carriers_import_no_module_that_computes(graph: grimp.ImportGraph) -> None:
    reached = set().union(*(graph.find_upstream_modules(module) for module in CARRIERS))
    assert reached <= CARRIERS
