"""Memory: what is free in a machine, a container or under a limit, what is predicted, and what is refused."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from irllrec.native.contrast import LEAST_PART, PARTS
from irllrec.precision import Shortcuts
from repro import memory, predicted_memory
from repro.engine import bring_up_to_date
from repro.errors import ReproError
from repro.layout import Layout
from repro.memory import GIB, cgroup_headroom, free_bytes, gibibytes, workers_that_fit
from repro.params import load_params
from repro.predicted_memory import Model, Sizes, training_need
from repro.stages import evaluate, train
from repro.workload import Work, known_sizes, with_memory

CELL = "demo-lightgcn-irllrec"
AMAZON = Sizes(users=11_000, items=9_332, pairs=120_464, text=1536)
IRLLREC = Model(
    backbone="lightgcn",
    objective="irllrec",
    settings={"backbone.layers": 3, "objective.intents": 128},
    embedding_size=32,
    batch_size=4096,
)


def _group(folder: Path, version: int, limit: str, used: int, inactive: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = (
        ("memory.max", "memory.current")
        if version == 2
        else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    )
    for name, content in zip(names, (limit, str(used)), strict=True):
        (folder / name).write_text(content + "\n")
    word = "inactive_file" if version == 2 else "total_inactive_file"
    (folder / "memory.stat").write_text(f"anon 5\n{word} {inactive}\n")


def _membership(tmp_path: Path, line: str) -> Path:
    path = tmp_path / "cgroup"
    path.write_text(line + "\n")
    return path


def test_a_group_leaves_its_limit_less_what_it_cannot_give_back(tmp_path: Path) -> None:
    """8 GiB allowed, 3 GiB used, of which 1 GiB are file pages that the kernel drops: 6 GiB are left."""
    _group(tmp_path / "job", 2, str(8 * GIB), 3 * GIB, GIB)
    assert cgroup_headroom(_membership(tmp_path, "0::/job"), tmp_path) == 6 * GIB


def test_the_tightest_group_above_counts(tmp_path: Path) -> None:
    _group(tmp_path / "slurm" / "job_1" / "step_0", 2, "max", GIB)
    _group(tmp_path / "slurm" / "job_1", 2, str(4 * GIB), GIB)
    _group(tmp_path / "slurm", 2, str(64 * GIB), 8 * GIB)
    assert cgroup_headroom(_membership(tmp_path, "0::/slurm/job_1/step_0"), tmp_path) == 3 * GIB


def test_a_container_sees_its_own_group_at_the_root(tmp_path: Path) -> None:
    _group(tmp_path, 2, str(2 * GIB), GIB // 2)
    assert cgroup_headroom(_membership(tmp_path, "0::/docker/0123"), tmp_path) == 3 * GIB // 2


def test_version_1_is_read_and_its_largest_number_is_no_limit(tmp_path: Path) -> None:
    _group(tmp_path / "memory" / "job", 1, str(5 * GIB), 2 * GIB, GIB)
    _group(tmp_path / "memory", 1, str(0x7FFFFFFFFFFFF000), 9 * GIB)
    assert cgroup_headroom(_membership(tmp_path, "7:cpu,cpuacct:/job\n4:memory:/job"), tmp_path) == 4 * GIB


@pytest.mark.parametrize("line", ["0::/", "3:cpu:/job"])
def test_without_a_limit_there_is_no_headroom(line: str, tmp_path: Path) -> None:
    _group(tmp_path, 2, "max", GIB)
    assert cgroup_headroom(_membership(tmp_path, line), tmp_path) is None
    assert cgroup_headroom(tmp_path / "none", tmp_path) is None


def test_what_is_free_is_the_least_of_machine_group_and_own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = psutil.virtual_memory().available
    monkeypatch.setattr(memory, "cgroup_headroom", lambda: None)
    assert free_bytes() == pytest.approx(machine, rel=0.3)
    assert free_bytes(0.25) == GIB // 4
    monkeypatch.setattr(memory, "cgroup_headroom", lambda: 3 << 20)
    assert free_bytes() == free_bytes(1.0) == 3 << 20


def test_as_many_seeds_run_at_once_as_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 10 GiB trainings fill 8: three of 2.5 GiB, two beside 2 GiB that they share, one of 9."""
    monkeypatch.setattr(memory, "cores", lambda: 2)
    assert workers_that_fit(5, 5 * GIB // 2, 10 * GIB) == 3
    assert workers_that_fit(5, 5 * GIB // 2, 10 * GIB, 2 * GIB) == 2
    assert workers_that_fit(5, 9 * GIB, 10 * GIB) == 1
    assert workers_that_fit(5, 11 * GIB, 10 * GIB) == 0
    assert workers_that_fit(5, GIB, 100 * GIB) == 5
    assert workers_that_fit(50, GIB, 100 * GIB) == 8


def test_bytes_are_told_in_the_unit_that_people_read() -> None:
    assert (gibibytes(650 << 20), gibibytes(3.14 * GIB)) == ("650 MiB", "3.1 GiB")


def test_the_prediction_meets_measured_peaks() -> None:
    """docs/performance.md: a process that takes two steps at Amazon-book's size, text already in memory."""
    measured = {("irllrec", "exact"): 1.14, ("rlmrec-con", "exact"): 0.80}
    for (objective, precision), gib in measured.items():
        need = training_need(AMAZON, replace(IRLLREC, objective=objective, precision=precision))
        assert 0.8 <= need.total(1) / (gib * GIB) <= 1.5, (objective, precision)


@pytest.mark.parametrize("name", ["users", "items", "pairs", "text"])
def test_the_prediction_grows_with_every_size(name: str) -> None:
    grown = replace(AMAZON, **{name: 3 * getattr(AMAZON, name)})
    assert training_need(grown, IRLLREC).total(1) > training_need(AMAZON, IRLLREC).total(1)


def test_the_prediction_knows_the_parts_of_a_contrast() -> None:
    assert predicted_memory.CONTRAST_PARTS == PARTS
    assert -(-Shortcuts().translation_rows // LEAST_PART) == predicted_memory.SAMPLE_PARTS


def test_no_term_of_the_prediction_goes_with_users_times_items() -> None:
    """Twice of everything takes at most twice as much: nothing dense of user × item or node × node size."""
    double = Sizes(
        **{name: 2 * getattr(AMAZON, name) for name in ("users", "items", "pairs")}, text=AMAZON.text
    )
    for backbone in ("lightgcn", "sgl", "dccf", "bigcf", "alpharec"):
        settings = {**IRLLREC.settings, "backbone.intents": 128, "backbone.negatives": 1}
        model = replace(IRLLREC, backbone=backbone, settings=settings)
        assert training_need(double, model).each <= 2 * training_need(AMAZON, model).each


def test_what_is_dense_in_items_is_predicted_so() -> None:
    """EASE at 100,000 items: three matrices of 37 GiB."""
    sizes = Sizes(users=200_000, items=100_000, pairs=20_000_000)
    ease = Model("ease", "base", {"backbone.regularization": [10.0, 20.0]}, 32, 4096, simple=True)
    assert training_need(sizes, ease, 100).total(1) > 3 * 37 * GIB
    assert training_need(sizes, replace(ease, backbone="pop"), 100).total(1) < 4 * GIB


def _limited(layout: Layout, gib: float, workers: str = "auto") -> None:
    text = layout.params.read_text(encoding="utf-8")
    assert "memory_gib: auto" in text and "workers: 1" in text
    text = text.replace("memory_gib: auto", f"memory_gib: {gib}").replace("workers: 1", f"workers: {workers}")
    layout.params.write_text(text, encoding="utf-8")


def test_a_training_that_cannot_fit_is_refused_before_it_starts(small: Layout) -> None:
    _limited(small, 0.25)
    sentence = (
        rf"{CELL}: training one seed needs about \d+ MiB of memory, and 256 MiB may be taken "
        r"\(engine\.memory_gib\): set precision: fast .*, or take a larger machine\."
    )
    with pytest.raises(ReproError, match=sentence):
        train.main([CELL])
    assert not small.run("demo", "lightgcn", "irllrec").exists()
    assert not small.checkpoints.exists()


def test_commands_refuse_it_before_any_stage(small: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    _limited(small, 0.25)
    monkeypatch.setattr("repro.engine.stale_stages", lambda layout, targets=(): [f"train@{CELL}"])
    monkeypatch.setattr("repro.engine.reproduce", lambda *given: pytest.fail("a stage was started"))
    with pytest.raises(ReproError, match="256 MiB may be taken"):
        bring_up_to_date(small, [CELL])


def test_the_estimate_tells_the_memory_of_all_seeds_at_once(small: Layout) -> None:
    _limited(small, 1.5)
    params = load_params(small.params)
    work = Work((f"train@{CELL}", f"evaluate@{CELL}"), 60.0)
    told = with_memory(small, params, {CELL: params.cell(CELL)}, work)
    assert told.memory_bytes is not None
    assert 0.7 * GIB < told.memory_bytes < 1.2 * GIB
    assert told.sentence().endswith(f", about {gibibytes(told.memory_bytes)} of memory.")
    evaluated = Work((f"evaluate@{CELL}",), 60.0)
    assert with_memory(small, params, {CELL: params.cell(CELL)}, evaluated) == evaluated


def test_fewer_seeds_run_at_once_where_memory_holds_fewer(
    small: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    _limited(small, 0.75, workers="2")
    params = load_params(small.params)
    cell = params.cell(CELL)
    jobs = train.plan(small, params, CELL, cell, small.run("demo", "lightgcn", "irllrec"))
    assert len(jobs) == 2
    assert train.worker_count(params, jobs, CELL) == 1
    assert "engine.workers is 2, and memory holds 1 at a time" in capsys.readouterr().err
    _limited_again = small.params.read_text(encoding="utf-8").replace("memory_gib: 0.75", "memory_gib: 8")
    small.params.write_text(_limited_again, encoding="utf-8")
    assert train.worker_count(load_params(small.params), jobs, CELL) == 2


def test_an_evaluation_that_cannot_fit_is_refused(small: Layout) -> None:
    train.main(["demo-pop-base"])
    _limited(small, 0.25)
    with pytest.raises(ReproError, match=r"demo-pop-base: evaluating 2 seeds for \d+ users needs about"):
        evaluate.main(["demo-pop-base"])
    assert not (small.run("demo", "pop", "base") / "per_user.parquet").exists()


def test_sizes_are_known_before_data_are_made(small: Layout) -> None:
    """From params.yaml 60 users, 40 items and three fifths of 700 pairs, and the 64 columns of its text."""
    params = load_params(small.params)
    cell = params.cell(CELL)
    there = known_sizes(small, params, cell)
    assert there is not None
    assert (there.users, there.items) == (60, 40)
    for folder in (small.prepared("demo"), small.text("demo")):
        os.rename(folder, folder.with_name("away"))
    assert known_sizes(small, params, cell) == Sizes(60, 40, 420, 64)
    assert known_sizes(small, params, params.cell("demo-lightgcn-base")) == Sizes(60, 40, 420)
