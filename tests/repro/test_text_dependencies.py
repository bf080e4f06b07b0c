"""The files that summaries and vectors come from are watched: the real dvc.yaml under the real DVC."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from repro.layout import Layout

ROOT = Path(__file__).resolve().parents[2]
OWN = (
    "  demo: {dataset: demo, summarizer: pinned, summaries_from: ../stored.jsonl, "
    "embedder: sentence-transformers, vectors_from: encoder}"
)
QUICK_STAGES = """\
case $1 in
  code) mkdir -p build/code; echo "$2" > "build/code/$2.json" ;;
  generate) mkdir -p data/raw/demo; echo raw > data/raw/demo/interactions.parquet ;;
  prepare) mkdir -p data/prepared/demo
    for name in items.parquet users.parquet text.parquet train.npz valid.npz test.npz vectors.npz; do
      echo "$name" > "data/prepared/demo/$name"; done ;;
  summarize) mkdir -p data/text/demo; echo "$(cat ../stored.jsonl)" summary > data/text/demo/summaries.jsonl
    echo '{}' > data/text/demo/audit.json ;;
  embed) echo vectors > data/text/demo/vectors.npz; echo '{}' > data/text/demo/embedding.json ;;
esac
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def embedded(tmp_path: Path) -> Layout:
    """A checkout whose text is embedded from summaries beside it and a model within it, by quick stages."""
    root = tmp_path / "checkout"
    for name in ("irllrec", "repro"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    (root / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc" / "config", root / ".dvc" / "config")
    (root / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n")
    shutil.copy(ROOT / "dvc.yaml", root / "dvc.yaml")
    lines = (ROOT / "params.yaml").read_text().splitlines()
    (entry,) = [line for line in lines if line.startswith("  demo: {dataset: demo, summarizer:")]
    (root / "params.yaml").write_text("\n".join(lines).replace(entry, OWN) + "\n")
    (root / "repro" / "stages" / "launch.sh").write_text(QUICK_STAGES)
    (tmp_path / "stored.jsonl").write_text("first")
    (root / "encoder").mkdir()
    (root / "encoder" / "weights.bin").write_text("first")
    layout = Layout(root)
    _dvc(layout, "repro", "embed@demo")
    assert _stale(layout) == {}
    return layout


def _dvc(layout: Layout, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *words],
        cwd=layout.root,
        env={**os.environ, "DVC_NO_ANALYTICS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _stale(layout: Layout) -> dict[str, list[object]]:
    answer = _dvc(layout, "status", "--json", "summarize@demo", "embed@demo")
    stages: dict[str, list[object]] = json.loads(answer)
    return stages


def test_another_pinned_file_makes_its_summaries_stale(embedded: Layout) -> None:
    (embedded.root.parent / "stored.jsonl").write_text("second")
    changed = str(embedded.root.parent / "stored.jsonl")
    assert _stale(embedded) == {"summarize@demo": [{"changed deps": {changed: "modified"}}]}
    _dvc(embedded, "repro", "embed@demo")
    assert (embedded.text("demo") / "summaries.jsonl").read_text() == "second summary\n"
    assert _stale(embedded) == {}


def test_another_model_in_the_folder_makes_its_vectors_stale(embedded: Layout) -> None:
    (embedded.root / "encoder" / "weights.bin").write_text("second")
    assert _stale(embedded) == {"embed@demo": [{"changed deps": {"encoder": "modified"}}]}


@pytest.mark.parametrize(
    ("embedder", "path"),
    [("lsa", "data/text/demo/summaries.jsonl"), ("vectors", "data/prepared/demo/vectors.npz")],
)
def test_a_path_that_a_stage_watches_anyway_may_be_named_again(
    embedder: str, path: str, embedded: Layout
) -> None:
    """dvc.yaml lists these files, or the folder around them, beside what params.yaml names."""
    usual = (
        "  demo: {dataset: demo, summarizer: upstream, summaries_from: data/prepared/demo/text.parquet, "
        f"embedder: {embedder}, vectors_from: {path}}}"
    )
    embedded.params.write_text(embedded.params.read_text().replace(OWN, usual))
    assert "summarize@demo" in _stale(embedded)
    _dvc(embedded, "repro", "embed@demo")
    assert _stale(embedded) == {}
