"""Code that all stages of a kind share is hashed once; what a change of it runs again, under the real DVC."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from repro.commands.grid import grid_table
from repro.engine import prepare_repository, stale_stages
from repro.errors import ReproError
from repro.layout import Layout
from repro.params import load_params
from repro.stages.code import write_code_hashes
from repro.workload import estimate

ROOT = Path(__file__).resolve().parents[2]
BASE, IRLLREC, POP = CELLS = ("demo-lightgcn-base", "demo-lightgcn-irllrec", "demo-pop-base")
PIPELINE = "stages:\n  code-train:\n    cmd: true\n    deps: [one.py, folder]\n"
QUICK_STAGES = """\
cell() { backbone=${1#demo-}; echo "runs/demo/${backbone%%-*}/${1##*-}"; }
case $1 in
  code) exec "$REPRO_PYTHON" -m repro.stages.code "$2" ;;
  generate) mkdir -p data/raw/demo; echo raw > data/raw/demo/interactions.parquet ;;
  prepare) mkdir -p data/prepared/demo
    for name in items.parquet users.parquet text.parquet train.npz valid.npz test.npz; do
      echo "$name" > "data/prepared/demo/$name"; done ;;
  summarize) mkdir -p data/text/demo; echo text > data/text/demo/summaries.jsonl
    echo '{}' > data/text/demo/audit.json ;;
  embed) echo vectors > data/text/demo/vectors.npz; echo '{}' > data/text/demo/embedding.json ;;
  relate) echo graph > data/text/demo/knowledge.npz ;;
  train) folder=$(cell "$2"); mkdir -p "$folder/model"; echo weights > "$folder/model/seed-1.safetensors"
    echo '{}' > "$folder/run.json"; echo loss > "$folder/history.csv" ;;
  evaluate) folder=$(cell "$2"); echo '{}' > "$folder/metrics.json"
    touch "$folder/per_user.parquet" "$folder/top_items.npz" ;;
  compare) touch "results/$2/significance.csv" ;;
  tabulate) touch "results/$2/main.csv" "results/$2/main.md" "results/$2/main.tex" ;;
esac
"""


@pytest.fixture
def listed(checkout: Layout) -> Layout:
    """A checkout whose training code is a file and a folder, with what DVC is told to leave out."""
    files = ("one.py", "folder/two.py", "folder/three.c", "folder/a.part", "folder/__pycache__/two.pyc")
    for name in (*files, "other.py"):
        path = checkout.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    checkout.pipeline.write_text(PIPELINE)
    shutil.copy(ROOT / ".dvcignore", checkout.root / ".dvcignore")
    return checkout


def test_the_hashes_are_of_the_stages_own_dependencies_without_what_dvc_leaves_out(listed: Layout) -> None:
    write_code_hashes(listed, "train")
    names = ["folder/three.c", "folder/two.py", "one.py"]
    expected = {name: hashlib.sha256(name.encode()).hexdigest() for name in names}
    found = json.loads(listed.code("train").read_text())
    assert list(found) == names
    assert found == expected


def test_a_kind_without_shared_code_is_refused_with_those_that_have_it(listed: Layout) -> None:
    with pytest.raises(ReproError, match=r"dvc\.yaml has no stage code-relate: name one of train\."):
        write_code_hashes(listed, "relate")


def test_what_dvc_leaves_out_is_named_without_folders_comments_apart() -> None:
    """The reader of .dvcignore knows bare names only."""
    lines = (ROOT / ".dvcignore").read_text().splitlines()
    patterns = [line for line in lines if not line.startswith("#")]
    assert [line for line in patterns if not re.fullmatch(r"[\w.*-]+/?", line)] == []


def test_stale_shared_code_of_training_is_expected_to_train_every_cell(checkout: Layout) -> None:
    params = load_params(checkout.params)
    cells = {key: params.cells[key] for key in (BASE, POP)}
    work = estimate(checkout, params, cells, ["code-train"])
    per_cell = [f"{stage}@{key}" for key in cells for stage in ("train", "evaluate")]
    assert work.stages == ("code-train", *per_cell)
    assert work.seconds is None


def test_stale_shared_code_of_evaluation_is_expected_to_train_nothing(checkout: Layout) -> None:
    params = load_params(checkout.params)
    work = estimate(checkout, params, {BASE: params.cells[BASE]}, ["code-evaluate"])
    assert work.stages == ("code-evaluate", f"evaluate@{BASE}")


def test_stale_shared_code_of_summaries_concerns_only_cells_that_read_text(checkout: Layout) -> None:
    params = load_params(checkout.params)
    work = estimate(checkout, params, {key: params.cells[key] for key in (BASE, IRLLREC)}, ["code-summarize"])
    text = ("summarize@demo", "embed@demo", f"train@{IRLLREC}", f"evaluate@{IRLLREC}")
    assert work.stages == ("code-summarize", *text)


def test_the_grid_says_that_no_cell_is_up_to_date_when_shared_code_is_stale(checkout: Layout) -> None:
    params = load_params(checkout.params)
    for stale, answer in ((["code-evaluate"], {"no"}), (["code-embed"], {"yes"})):
        [block] = grid_table(params, params.cells, stale).blocks
        assert {line.entries[-1].text for line in block.groups[0].lines} == answer


@pytest.fixture
def project(tmp_path: Path) -> Layout:
    """A checkout with three cells that are up to date; only the hashing of code is the real thing."""
    for name in ("irllrec", "repro"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "results" / "demo").mkdir(parents=True)
    for name in (".dvc/config", ".dvcignore", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["cells"] = {key: params["cells"][key] for key in CELLS}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    (tmp_path / "repro" / "stages" / "launch.sh").write_text(QUICK_STAGES)
    layout = Layout(tmp_path)
    prepare_repository(layout)
    assert len(_repro(layout)) == 5 + 4 + 2 * len(CELLS) + 2
    return layout


def _dvc(layout: Layout, *words: str) -> str:
    own = {"PYTHONPATH": str(layout.root), "REPRO_ROOT": str(layout.root), "REPRO_PYTHON": sys.executable}
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *words],
        cwd=layout.root,
        env={**os.environ, **own, "DVC_NO_ANALYTICS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _repro(layout: Layout, *words: str) -> set[str]:
    """Return the stages that ``dvc repro`` runs."""
    return set(re.findall(r"^Running stage '([^']+)'", _dvc(layout, "repro", *words), re.MULTILINE))


def _edit(layout: Layout, module: str) -> None:
    with (layout.root / module).open("a", encoding="utf-8") as file:
        file.write("\nEDITED = True\n")


@pytest.mark.slow
def test_a_change_runs_the_stages_that_import_it_and_no_others(project: Layout) -> None:
    """Tables follow no training here, for all weights come out equal."""
    assert _repro(project) == set()

    _edit(project, "irllrec/fidelity.py")
    assert stale_stages(project) == ["code-train"]
    assert _repro(project) == {"code-train", *(f"train@{key}" for key in CELLS)}

    _edit(project, "repro/stages/evaluate.py")
    assert _repro(project, f"evaluate@{BASE}") == {"code-evaluate", f"evaluate@{BASE}"}
    assert _repro(project) == {f"evaluate@{key}" for key in (IRLLREC, POP)}

    for module, key in (("objectives/irllrec.py", IRLLREC), ("backbones/pop.py", POP)):
        _edit(project, f"irllrec/{module}")
        assert _repro(project) == {f"train@{key}"}
    assert _repro(project, "--single-item", "--force", f"train@{BASE}") == {f"train@{BASE}"}
    assert stale_stages(project) == []


@pytest.mark.slow
def test_hashes_that_were_deleted_come_back_without_any_training(project: Layout) -> None:
    shutil.rmtree(project.code("train").parent)
    assert f"train@{BASE}" in stale_stages(project)
    assert [stage for stage in _repro(project) if "@" in stage] == []
    assert stale_stages(project) == []
    assert re.search(r"code-train\b.*\btrain@" + BASE, _dvc(project, "dag", "--dot").replace("\n", " "))
