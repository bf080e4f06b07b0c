"""A pipeline of three quick stages, run by the real DVC in a folder without git."""

import os
import subprocess
import sys
import time
from pathlib import Path

import yaml

from repro.layout import Layout

ROOT = Path(__file__).resolve().parents[2]
CELL = "demo-lightgcn-base"

PIPELINE = """\
stages:
  prepare@demo:
    cmd: '"$REPRO_PYTHON" stage.py prepare prepared'
    deps: [stage.py]
    outs: [prepared]
  train@demo-lightgcn-base:
    cmd: '"$REPRO_PYTHON" stage.py train trained'
    deps: [prepared]
    params: [training.learning_rate]
    outs: [trained]
  evaluate@demo-lightgcn-base:
    cmd: '"$REPRO_PYTHON" stage.py evaluate evaluated'
    deps: [trained]
    outs: [evaluated]
"""

STAGE = """\
import os, sys, time
from pathlib import Path
from repro.errors import ReproError
from repro.stages.entry import run

def main(words):
    behaviour = Path("behaviour").read_text() if Path("behaviour").exists() else ""
    if words[0] == "train" and behaviour == "refuse":
        raise ReproError("training.batch_size is 7: choose another.")
    if words[0] == "train" and behaviour == "break":
        raise RuntimeError("nobody thought of this")
    if words[0] == "train" and behaviour == "linger":
        Path("lingering").write_text(str(os.getpid()))
        for _ in range(1200):
            if Path("enough").exists():
                break
            time.sleep(0.05)
    Path(words[1]).write_text(words[0])

if __name__ == "__main__":
    run(main)
"""


def quicken(checkout: Layout) -> Layout:
    """Give a checkout the quick pipeline, and return it."""
    root = checkout.root
    (root / "dvc.yaml").write_text(_as_foreach())
    (root / "stage.py").write_text(STAGE)
    (root / ".dvc").mkdir()
    (root / ".dvc" / "config").write_text((ROOT / ".dvc" / "config").read_text())
    (root / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n")
    return checkout


def _as_foreach() -> str:
    """Return the pipeline above with the names that only ``foreach`` may give."""
    stages = {}
    for name, stage in yaml.safe_load(PIPELINE)["stages"].items():
        group, _, key = name.partition("@")
        stages[group] = {"foreach": [key], "do": stage}
    return yaml.safe_dump({"stages": stages})


def start(checkout: Layout, *words: str) -> "subprocess.Popen[str]":
    """Start ``python words…`` in the checkout, as a user would in a terminal of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REPRO_")}
    environment |= {"REPRO_PYTHON": sys.executable, "DVC_NO_ANALYTICS": "1"}
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=checkout.root,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def stage_of(checkout: Layout, process: "subprocess.Popen[str]") -> int:
    """Return the number of the process of the stage that lingers, once it does."""
    marker = checkout.root / "lingering"
    deadline = time.monotonic() + 180
    while not marker.exists() or not marker.read_text():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the stage never started"
        time.sleep(0.05)
    return int(marker.read_text())


def ended(pid: int) -> bool:
    """Return whether a process ends within a few seconds."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        state = Path(f"/proc/{pid}/stat")
        if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False
