"""A small release whose cells are run: as ``dvc repro`` does it, or by ``repro run``."""

import filecmp
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import yaml

from tests.release import copy_release

CELLS = {"pop": "pop", "mf": "mf", "lightgcn": "lightgcn"}
SMALL = {
    "{users: 1200, items: 800, interactions: 15000, intents: 12, seed: 7}": (
        "{users: 90, items: 60, interactions: 1200, intents: 4, seed: 7}"
    ),
    "seeds: [2023, 2024, 2025, 2026, 2027]": "seeds: [2023, 2024]",
    "max_epochs: 3000": "max_epochs: 4",
    "bootstrap_samples: 5000": "bootstrap_samples: 100",
    "randomisation_samples: 5000": "randomisation_samples: 100",
}
ENDLESS = "training: {max_epochs: 3000000, patience: 3000000}"


def entry(backbone: str, override: str = "") -> str:
    return (
        f"  demo-{backbone}-base: {{dataset: demo, backbone: {backbone}, objective: base, variant: base, "
        "inputs: data/prepared/demo/train.npz, code: irllrec/objectives/base.py, "
        f"backbone_code: irllrec/backbones/{backbone}.py{override}}}\n"
    )


def write_cells(release: Path, overrides: dict[str, str]) -> None:
    text = (release / "params.yaml").read_text().partition("\ncells:\n")[0]
    lines = "".join(entry(backbone, overrides.get(backbone, "")) for backbone in CELLS)
    (release / "params.yaml").write_text(f"{text}\ncells:\n{lines}")


def make_release(folder: Path) -> Path:
    copy_release(folder, SMALL)
    (folder / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n")
    before, _, after = (folder / "params.yaml").read_text().partition("\ntext:\n")
    text = before + "\ntext: {}\n\ngenerated:" + after.partition("\ngenerated:")[2]
    (folder / "params.yaml").write_text(text)
    write_cells(folder, {})
    return folder


def start(release: Path, *words: str) -> subprocess.Popen[str]:
    """Start a program of this Python's environment in the release."""
    program = ["-m", "dvc"] if words[0] == "dvc" else ["-c", "from repro.cli import main; main()"]
    return subprocess.Popen(
        [sys.executable, *program, *words[1:]],
        cwd=release,
        env={
            **os.environ,
            "REPRO_PYTHON": sys.executable,
            "PYTHONPATH": str(release),
            "OMP_NUM_THREADS": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(release: Path, *words: str) -> tuple[int, str, str]:
    process = start(release, *words)
    out, err = process.communicate()
    return process.returncode, out, err


def trees_are_equal(one: Path, other: Path) -> bool:
    """Return whether two folders hold the same files with the same bytes."""
    found = filecmp.dircmp(one, other, ignore=[])
    if found.left_only or found.right_only or found.funny_files:
        return False
    _, different, errors = filecmp.cmpfiles(one, other, found.common_files, shallow=False)
    return (
        not different and not errors and all(trees_are_equal(one / n, other / n) for n in found.common_dirs)
    )


def lane_at_work(release: Path, key: str) -> dict[str, int]:
    """Wait until a lane trains the cell, and return what it says."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        for path in (release / ".repro" / "running").glob("board-*/lanes/*.json"):
            try:
                lane: dict[str, int] = json.loads(path.read_text())
            except (OSError, ValueError):
                continue
            if lane.get("key") == key and psutil.pid_exists(lane["pid"]):
                return lane
        time.sleep(0.02)
    raise AssertionError(f"no worker ever took {key}")


def lock_entries(release: Path) -> list[str]:
    stages = yaml.safe_load((release / "dvc.lock").read_text())["stages"]
    return [json.dumps([name, entry], sort_keys=True) for name, entry in stages.items()]
