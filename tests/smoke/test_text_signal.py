"""Claim C6 on generated data: text that tells of the clicks is found to matter, other text is not."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEMO = "demo: {users: 1200, items: 800, interactions: 15000, intents: 12, seed: 7}"
FEWER = "{users: 500, items: 350, interactions: 6500, intents: 12, seed: 7"
"""Enough: the text's effect on recall@20 is eight standard errors here."""
_REPRO = "import sys; from repro.cli import main; main()"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unpacked release whose data sets demo and mute differ in nothing but what the texts tell."""
    folder = tmp_path_factory.mktemp("text-signal")
    for name in ("irllrec", "repro"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "data" / "published", folder / "data" / "published")
    (folder / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc" / "config", folder / ".dvc" / "config")
    for name in ("dvc.yaml", ".dvcignore", "claims.yaml"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "params.yaml").write_text(_with_mute((ROOT / "params.yaml").read_text()))
    return folder


def _with_mute(text: str) -> str:
    """Return params.yaml with one seed, fewer users and, beside demo, the same data set without text signal."""
    text = text.replace("seeds: [2023, 2024, 2025, 2026, 2027]", "seeds: [2023]")
    assert DEMO in text
    text = text.replace(DEMO, f"demo: {FEWER}}}\n  mute: {FEWER}, text_signal: false}}")
    entry = re.search(r"  demo:\n    origin: generated\n(    .*\n)+", text)
    reading = re.search(r"  demo: \{dataset: demo, .*\n", text)
    assert entry
    assert reading
    for found in (entry[0], reading[0]):
        text = text.replace(found, found + found.replace("demo", "mute"))
    return text


@pytest.fixture(scope="module")
def rows(release: Path) -> dict[str, list[dict[str, object]]]:
    """What `repro claims --claim C6` says of both, by data set: one row a test."""
    words = ["claims", "--claim", "C6", "--dataset", "demo", "--dataset", "mute", "--format", "json"]
    done = subprocess.run(
        [sys.executable, "-c", _REPRO, *words],
        cwd=release,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["rows"]
    return {name: [row for row in found if row["dataset"] == name] for name in ("demo", "mute")}


def test_text_that_tells_of_the_clicks_matters(rows: dict[str, list[dict[str, object]]]) -> None:
    assert [row["verdict"] for row in rows["demo"]] == ["supported", "supported"]


def test_text_that_tells_nothing_of_them_does_not(rows: dict[str, list[dict[str, object]]]) -> None:
    assert len(rows["mute"]) == 2
    assert {row["verdict"] for row in rows["mute"]} <= {"contradicted", "undecided"}


def test_both_have_the_same_clicks(release: Path, rows: dict[str, list[dict[str, object]]]) -> None:
    assert rows
    first, second = (
        (release / "data" / "prepared" / name / "train.npz").read_bytes() for name in ("demo", "mute")
    )
    assert first == second
