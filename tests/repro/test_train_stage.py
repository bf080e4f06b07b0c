"""The stages train and evaluate on a small generated data set, as real processes where it matters."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.parquet
import pytest

from irllrec.data.interactions import Interactions
from irllrec.data.storage import load_interactions, read_arrays, save_interactions
from irllrec.errors import IrllrecError
from repro.errors import ReproError
from repro.layout import Layout
from repro.params import load_params
from repro.stages import embed, evaluate, generate, prepare, summarize, train

ROOT = Path(__file__).resolve().parents[2]
CELL = "demo-lightgcn-irllrec"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose demo has 60 users and two seeds, prepared and embedded."""
    root = tmp_path_factory.mktemp("small")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, root / name)
    text = (root / "params.yaml").read_text(encoding="utf-8")
    small = "demo: {users: 60, items: 40, interactions: 700, intents: 3, seed: 7}"
    text = re.sub(r"demo: \{users: 1200.*\}", small, text)
    text = re.sub(r"seeds: \[2023.*\]", "seeds: [2023, 2024]", text, count=1)
    text = re.sub(r"training: \{batch_size: 1024.*\}", "training: {batch_size: 128, max_epochs: 12}", text)
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
def project(prepared: Path, own_copy: Callable[[Path], Layout]) -> Layout:
    """A copy of the prepared checkout that a test may change."""
    return own_copy(prepared)


def _set(project: Layout, old: str, new: str) -> None:
    text = project.params.read_text(encoding="utf-8")
    assert re.search(old, text)
    project.params.write_text(re.sub(old, new, text, count=1), encoding="utf-8")


def _hashes(project: Layout, key: str = CELL) -> dict[str, str]:
    cell = load_params(project.params).cell(key)
    folder = project.run(cell.dataset, cell.backbone, cell.variant)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def _run_cell(project: Layout, key: str = CELL) -> dict[str, str]:
    train.main([key])
    evaluate.main([key])
    return _hashes(project, key)


def test_a_cell_leaves_its_models_its_history_and_how_it_was_run(project: Layout) -> None:
    hashes = _run_cell(project)
    assert sorted(hashes) == [
        "history.csv",
        "metrics.json",
        "model/seed-2023.safetensors",
        "model/seed-2024.safetensors",
        "per_user.parquet",
        "run.json",
        "top_items.npz",
    ]
    run = json.loads((project.run("demo", "lightgcn", "irllrec") / "run.json").read_text())
    assert run["seeds"] == [2023, 2024]
    assert run["itm"] == "reading"
    assert run["text"]["summarizer"] == "extractive"
    for record in run["per_seed"].values():
        assert sum(record["loss_shares"].values()) == pytest.approx(1.0)
        assert set(record["loss_shares"]) == {"bpr", "reg", "kd", "pair", "tran", "itm"}
    timings = json.loads(project.timings(CELL).read_text())
    assert set(timings["per_seed"]) == {"2023", "2024"}
    assert not any(project.checkpoints.iterdir())


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_how_many_seeds_run_at_once_nor_on_what_is_killed_beside_them(
    project: Layout,
) -> None:
    """Five seeds: alone, all at once, and by two workers while each of Python's own helpers is killed once."""
    _set(project, r"seeds: \[2023, 2024\]", "seeds: [2023, 2024, 2025, 2026, 2027]")
    _set(project, r"max_epochs: 12", "max_epochs: 3")
    _set(project, r"checkpoint_seconds: 10", "checkpoint_seconds: 0")
    alone = _run_cell(project)
    _set(project, r"workers: 1", "workers: 5")
    assert _run_cell(project) == alone
    _set(project, r"workers: 5", "workers: 2")
    for helper in ("resource_tracker import main", "forkserver import main"):
        shutil.rmtree(project.root / "runs")
        stage = _start_stage(project)
        assert _wait_for_new_checkpoint(project, stage)
        (found,) = (
            one for one in _below(stage) if helper in " ".join(one.cmdline()) and one.ppid() == stage.pid
        )
        found.kill()
        assert stage.communicate() == (None, "")
        assert stage.returncode == 0
        evaluate.main([CELL])
        assert _hashes(project) == alone


@pytest.mark.slow
def test_a_worker_killed_in_training_is_told_in_a_sentence_and_its_seed_gone_on_with(project: Layout) -> None:
    _set(project, r"workers: 1", "workers: 2")
    _set(project, r"checkpoint_seconds: 10", "checkpoint_seconds: 0")
    whole = _run_cell(project)
    shutil.rmtree(project.root / "runs")
    stage = _start_stage(project)
    assert _wait_for_new_checkpoint(project, stage)
    below = _below(stage)
    next(one for one in below if one.ppid() != stage.pid).kill()
    told = stage.communicate()[1]
    assert stage.returncode == 1
    assert re.fullmatch(rf"A process of the training was killed \({CELL} seed 202[34]\), as .*\n", told)
    psutil.wait_procs(below, timeout=60)
    assert not any(one.is_running() for one in below)
    assert _run_cell(project) == whole


def _start_stage(project: Layout) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, "-m", "repro.stages.train", CELL]
    return subprocess.Popen(command, cwd=project.root, env=environment, stderr=subprocess.PIPE, text=True)


def _below(stage: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return Python's helpers, which are the stage's own children, and the workers, which are theirs."""
    return psutil.Process(stage.pid).children(recursive=True)


@pytest.mark.slow
def test_a_run_killed_in_training_goes_on_and_ends_with_the_same_bytes(project: Layout) -> None:
    """kill -9 of the stage, twice; its workers end by themselves and the checkpoints are gone on with."""
    _set(project, r"workers: 1", "workers: 2")
    _set(project, r"checkpoint_seconds: 10", "checkpoint_seconds: 0.1")
    whole = _run_cell(project)
    shutil.rmtree(project.root / "runs")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, "-m", "repro.stages.train", CELL]
    kills = 0
    for _ in range(2):
        process = subprocess.Popen(command, cwd=project.root, env=environment, start_new_session=True)
        if _wait_for_new_checkpoint(project, process):
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
        _wait_until_the_group_is_gone(process.pid)
    assert kills >= 1
    assert not (project.root / "runs").exists() or "run.json" not in _hashes(project)
    assert any(project.checkpoints.rglob("*.safetensors"))
    assert _run_cell(project) == whole


def _wait_for_new_checkpoint(project: Layout, process: subprocess.Popen[Any]) -> bool:
    """Return whether a checkpoint appeared, or changed, while the stage was still at work."""
    before = {path: path.stat().st_mtime_ns for path in project.checkpoints.rglob("*.safetensors")}
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        now = {path: path.stat().st_mtime_ns for path in project.checkpoints.rglob("seed*.safetensors")}
        if any(before.get(path) != changed for path, changed in now.items()):
            return True
        time.sleep(0.01)
    return False


def _wait_until_the_group_is_gone(group: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError("workers outlived the stage that was killed")


def test_training_needs_no_test_split(project: Layout) -> None:
    (project.prepared("demo") / "test.npz").unlink()
    train.main(["demo-lightgcn-base"])
    with pytest.raises(IrllrecError, match="test.npz is missing"):
        evaluate.main(["demo-lightgcn-base"])


def test_dropping_the_text_changes_the_vectors_and_nothing_else(project: Layout) -> None:
    """Random vectors keep each row's norm; the model keeps its parameters."""
    _run_cell(project)
    train.main(["demo-lightgcn-irllrec-no-text"])
    runs = [
        json.loads((project.run("demo", "lightgcn", name) / "run.json").read_text())
        for name in ("irllrec", "irllrec-no-text")
    ]
    assert runs[0]["parameter_count"] == runs[1]["parameter_count"]
    assert runs[0]["hyperparameters"] == runs[1]["hyperparameters"]
    assert runs[1]["drop"] == ["TEXT"]


def test_stored_values_are_those_of_the_stored_lists(project: Layout) -> None:
    """recall@20 counted with plain sets from top_items.npz equals per_user.parquet."""
    _run_cell(project, "demo-lightgcn-base")
    folder = project.run("demo", "lightgcn", "base")
    lists = read_arrays(folder / "top_items.npz")
    test = load_interactions(project.prepared("demo") / "test.npz")
    training = load_interactions(project.prepared("demo") / "train.npz")
    rows = pyarrow.parquet.read_table(folder / "per_user.parquet").to_pylist()
    assert len(rows) == len(lists["seeds"]) * len(lists["users"])
    for row, items in zip(rows, lists["items"].reshape(len(rows), -1), strict=True):
        relevant = set(test.items_of(row["user"]).tolist())
        assert not set(items.tolist()) & set(training.items_of(row["user"]).tolist())
        assert row["recall@20"] == pytest.approx(len(relevant & set(items[:20].tolist())) / len(relevant))
        assert row["train_degree"] == len(training.items_of(row["user"]))


def test_masking_validation_items_takes_them_out_of_the_lists(project: Layout) -> None:
    _run_cell(project, "demo-lightgcn-base")
    lists = read_arrays(project.run("demo", "lightgcn", "base") / "top_items.npz")
    valid = load_interactions(project.prepared("demo") / "valid.npz")
    owners = np.broadcast_to(lists["users"][None, :, None], lists["items"].shape)
    assert valid.contains(owners, lists["items"]).any()
    _set(project, r"mask: train ", "mask: train+valid ")
    evaluate.main(["demo-lightgcn-base"])
    lists = read_arrays(project.run("demo", "lightgcn", "base") / "top_items.npz")
    assert not (valid.contains(owners, lists["items"]) & (lists["items"] >= 0)).any()


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (r"layers: 3, keep_rate: 0.8", "layers: 3, keep_rat: 0.8", "unknown key 'keep_rat'"),
        (r"device: auto", "device: cuda", "engine.device"),
        (r"kd_weight: 0.01\n", "kd_weight: 1e-2\n", "write 1.0e-6"),
        (r"patience: 5 ", "patienc: 5 ", "patienc"),
    ],
)
def test_mistakes_in_params_are_named(project: Layout, old: str, new: str, sentence: str) -> None:
    if "cuda" in new and __import__("torch").cuda.is_available():
        pytest.skip("this machine has an accelerator")
    _set(project, old, new)
    with pytest.raises((IrllrecError, ReproError), match=sentence):
        train.main([CELL])


def test_an_unknown_cell_is_refused_with_what_there_is(project: Layout) -> None:
    with pytest.raises(ReproError, match="no cell 'demo-lightgcn-irlrec'.*demo-lightgcn-irllrec"):
        train.main(["demo-lightgcn-irlrec"])


@pytest.mark.parametrize("name", ["data/prepared/demo/valid.npz", "data/text/demo/vectors.npz"])
def test_an_input_that_was_not_made_is_named_with_what_makes_it(project: Layout, name: str) -> None:
    (project.root / name).unlink()
    with pytest.raises(ReproError, match=f"{name} is missing: .* `dvc repro train@{CELL}`"):
        train.main([CELL])


def test_a_user_without_negatives_stops_before_training(project: Layout) -> None:
    path = project.prepared("demo") / "train.npz"
    train_split = load_interactions(path)
    full = Interactions.from_pairs(
        np.concatenate([train_split.users, np.zeros(train_split.item_count, dtype=np.int32)]),
        np.concatenate([train_split.items, np.arange(train_split.item_count, dtype=np.int32)]),
        train_split.user_count,
        train_split.item_count,
    )
    save_interactions(path, full)
    with pytest.raises(IrllrecError, match="user 0 has every item"):
        train.main(["demo-lightgcn-base"])
