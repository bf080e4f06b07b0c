"""Processes that train cannot open held-out data, by any of the ways in which Python opens files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from irllrec.data.storage import load_interactions
from repro.held_out import HELD_OUT_FILES
from repro.layout import Layout

ROOT = Path(__file__).resolve().parents[2]
CELL = "demo-lightgcn-base"

SPY = """
import json, mmap, os, pathlib, shutil, sys
import numpy

TEST = pathlib.Path(os.environ["REPRO_ROOT"]) / "data" / "prepared" / "demo" / "test.npz"
SPARE = TEST.with_name(f"spare-{os.getpid()}.npz")

def link():
    SPARE.symlink_to(TEST)
    try:
        return SPARE.read_bytes()
    finally:
        SPARE.unlink()

def by_folder():
    folder = os.open(TEST.parent, os.O_RDONLY)
    return os.open("test.npz", os.O_RDONLY, dir_fd=folder)

def mapped():
    with TEST.open("rb") as handle:
        return mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)

def from_its_folder():
    before = os.getcwd()
    os.chdir(TEST.parent)
    try:
        return open("test.npz", "rb")
    finally:
        os.chdir(before)

WAYS = {
    "open": lambda: open(TEST, "rb"),
    "open bytes": lambda: open(os.fsencode(TEST), "rb"),
    "numpy.load": lambda: numpy.load(TEST),
    "numpy.memmap": lambda: numpy.memmap(TEST, mode="r"),
    "numpy.fromfile": lambda: numpy.fromfile(TEST),
    "pathlib": lambda: TEST.read_bytes(),
    "os.open": lambda: os.open(TEST, os.O_RDONLY),
    "os.open in a folder": by_folder,
    "mmap": mapped,
    "relative": from_its_folder,
    "symbolic link": link,
    "hard link": lambda: os.link(TEST, SPARE),
    "renamed": lambda: os.rename(TEST, SPARE),
    "copied": lambda: shutil.copy(TEST, SPARE),
    "raw data": lambda: open(TEST.parents[2] / "raw" / "demo" / "interactions.parquet", "rb"),
    "users' results": lambda: open(TEST.parents[3] / "runs/demo/lightgcn/base/per_user.parquet", "rb"),
    "ranked lists": lambda: open(TEST.parents[3] / "runs/demo/lightgcn/base/top_items.npz", "rb"),
}

def outcome(way):
    try:
        return f"read it: {way()!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"

def report(place):
    found = {name: outcome(way) for name, way in WAYS.items()}
    target = pathlib.Path(os.environ["SPY_FOLDER"]) / f"{place}-{os.getpid()}.json"
    target.write_text(json.dumps({"found": found, "seen": sorted(sys.modules)}))
"""
"""Code that tries everything; it stands where a careless change of the training code would stand."""


@pytest.fixture
def spied(small: Layout, tmp_path: Path) -> dict[str, str]:
    """The environment of a stage whose LightGCN module tries to read test, at import and in training."""
    sources = tmp_path / "sources"
    for package in ("irllrec", "repro"):
        shutil.copytree(ROOT / package, sources / package, ignore=shutil.ignore_patterns("__pycache__"))
    (sources / "spy.py").write_text(SPY, encoding="utf-8")
    module = sources / "irllrec" / "backbones" / "lightgcn.py"
    code = module.read_text(encoding="utf-8")
    training = "    def encode(self, initial"
    assert code.count(training) == 1
    code = code.replace(training, "    def start_epoch(self):\n        spy.report('training')\n\n" + training)
    first = "\nfrom jaxtyping import Float\n"
    assert code.count(first) == 1
    module.write_text(code.replace(first, f"\nimport spy{first}") + "\nspy.report('import')\n")
    seen = tmp_path / "seen"
    seen.mkdir()
    return {**os.environ, "PYTHONPATH": str(sources), "SPY_FOLDER": str(seen), "REPRO_ROOT": str(small.root)}


def _stage(environment: dict[str, str], name: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"repro.stages.{name}", CELL]
    root = environment["REPRO_ROOT"]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_no_process_of_the_train_stage_can_open_the_test_split(
    spied: dict[str, str], small: Layout, workers: int
) -> None:
    """The spy tries at import, in the stage's own process, and in training, in each worker."""
    text = small.params.read_text().replace("workers: 1", f"workers: {workers}")
    small.params.write_text(text)
    done = _stage(spied, "train")
    assert done.returncode == 0, done.stderr
    reports = sorted(Path(spied["SPY_FOLDER"]).iterdir())
    processes = {path.stem.split("-")[1] for path in reports}
    assert len(processes) == (1 if workers == 1 else 3)
    assert {path.stem.split("-")[0] for path in reports} == {"import", "training"}
    for path in reports:
        found = json.loads(path.read_text())["found"]
        assert {name: words for name, words in found.items() if "is held-out data" not in words} == {}
    load_interactions(small.prepared("demo") / "test.npz")


@pytest.mark.slow
def test_training_loads_no_library_that_opens_files_unseen(spied: dict[str, str]) -> None:
    """The hook sees what Python opens; pyarrow opens files by itself, and training does not load it."""
    assert _stage(spied, "train").returncode == 0
    for path in Path(spied["SPY_FOLDER"]).glob("training-*"):
        assert not {"pyarrow", "pandas"} & set(json.loads(path.read_text())["seen"])


@pytest.mark.slow
def test_training_code_that_reads_test_ends_in_one_sentence(spied: dict[str, str], small: Layout) -> None:
    module = Path(spied["PYTHONPATH"]) / "irllrec" / "backbones" / "lightgcn.py"
    module.write_text(module.read_text().replace("spy.report('training')", "spy.TEST.read_bytes()"))
    done = _stage(spied, "train")
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line and not line.startswith("→")]
    assert len(lines) == 1
    assert "test.npz is held-out data, and a training process may not read it" in lines[0]
    assert not small.run("demo", "lightgcn", "base").exists()


def test_a_process_that_forbade_it_reads_everything_else(small: Layout) -> None:
    program = (
        "import sys; from repro.layout import Layout; from repro.held_out import forbid_test\n"
        "from irllrec.data.storage import load_interactions\n"
        "layout = Layout.find(); forbid_test(layout); folder = layout.prepared('demo')\n"
        "print([load_interactions(folder / f'{name}.npz').user_count for name in ('train', 'valid')])\n"
        "forbid_test(layout); load_interactions(folder / 'test.npz')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[60, 60]"
    assert "DataError" in done.stderr and "not a readable npz" not in done.stderr
    assert "test.npz is held-out data" in done.stderr


def test_this_process_which_forbids_nothing_reads_the_test_split(small: Layout) -> None:
    assert load_interactions(small.prepared("demo") / "test.npz").user_count == 60
    assert "test.npz" in HELD_OUT_FILES
