"""A bundle of really trained cells: what is in it, what is not, and that a check elsewhere finds any change."""

from __future__ import annotations

import csv
import getpass
import io
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from irllrec.data.raw import hash_file
from irllrec.data.storage import read_arrays, read_json, write_arrays, write_json
from repro.bundle.archive import files_in, pack, unpack
from repro.bundle.building import Built
from repro.bundle.checking import Checked, check
from repro.bundle.display import steps
from repro.bundle.manifest import manifest_part, write_manifest
from repro.bundle.printed import Source
from repro.bundle.recomputing import per_user_part, splits_of
from repro.cli import run
from repro.errors import ReproError
from repro.layout import Layout
from repro.params import load_params
from tests.repro.bundle.conftest import CELLS, made

pytestmark = pytest.mark.slow

FLIPS = 90
RUN = "runs/demo/lightgcn/irllrec"
_PROGRAM = "import sys; from repro.cli import main; main()"


@pytest.fixture
def opened(built: Built, tmp_path: Path) -> Path:
    """The files of the bundle, to be changed."""
    folder = tmp_path / "opened"
    folder.mkdir()
    unpack(built.path, folder)
    return folder


def _check(folder: Path, out: Path, *, honest: bool = False, data: Path | None = None) -> Checked:
    """Return the check of a changed folder; unless ``honest`` the manifest is made to fit the changes."""
    if not honest:
        write_manifest(folder)
    pack(folder, out)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRO_VERBOSITY", "quiet")
        return check(out, data=data, expect=None, steps=steps)


def _may_be_cut_off() -> bool:
    """Return whether this system lets a process give up its network."""
    return (
        bool(shutil.which("unshare"))
        and not subprocess.run(["unshare", "-rn", "true"], check=False).returncode
    )


def _elsewhere(
    built: Built, folder: Path, *words: str, cut: bool = False
) -> subprocess.CompletedProcess[str]:
    """Check the bundle from an empty folder, without a checkout and, if asked, without a network."""
    here = folder / "empty"
    here.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REPRO_")}
    command = [sys.executable, "-c", _PROGRAM, "bundle", "check", str(built.path), *words]
    done = subprocess.run(
        ["unshare", "-rn", *command] if cut else command,
        cwd=here,
        env={**kept, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert list(here.iterdir()) == []
    return done


def test_an_untouched_bundle_is_as_it_should_be_where_there_is_neither_checkout_nor_network(
    built: Built, tmp_path: Path
) -> None:
    done = _elsewhere(built, tmp_path, "--format", "csv", "--expect", built.sha256, cut=_may_be_cut_off())
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row["part"]: row for row in csv.DictReader(io.StringIO(done.stdout))}
    assert {row["differences"] for row in rows.values()} == {"0"}
    assert int(rows["tables"]["compared"]) > 1000
    # Four cells, two seeds, six metrics of every user with test items.
    users = len(np.unique(pyarrow.parquet.read_table(_member(built, f"{RUN}/per_user.parquet"))["user"]))
    assert int(rows["per-user values"]["compared"]) == len(CELLS) * 2 * 6 * users


def test_another_archive_than_the_expected_is_told_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "files").mkdir()
    write_manifest(tmp_path / "files")
    pack(tmp_path / "files", tmp_path / "other.zip")
    assert run(["-q", "bundle", "check", str(tmp_path / "other.zip"), "--expect", "0" * 64]) == 1
    told = f"other.zip: {hash_file(tmp_path / 'other.zip')} instead of {'0' * 64}"
    assert f"is not as it should be: {told}" in capsys.readouterr().err


def test_two_builds_are_byte_for_byte_equal(evaluated: Layout, built: Built, tmp_path: Path) -> None:
    again = made(evaluated, tmp_path / "elsewhere" / "again.zip")
    assert again.sha256 == built.sha256
    assert again.path.read_bytes() == built.path.read_bytes()


def test_every_kind_of_file_that_reviewers_need_is_in_it(built: Built, opened: Path) -> None:
    names = set(files_in(opened))
    wanted = {
        f"{RUN}/{name}"
        for name in ("per_user.parquet", "top_items.npz", "metrics.json", "run.json", "history.csv")
    }
    wanted |= {"params.yaml", "dvc.yaml", "manifest.json", "bundle.json", "environment.json", "README.md"}
    wanted |= {"results/report.html", "data/published/tables.csv", "data/prepared/demo/test.npz"}
    wanted |= {"data/text/demo/summaries.jsonl"}
    endings = ("txt", "md", "tex", "csv", "json", "cells.csv")
    wanted |= {f"tables/main-demo.{ending}" for ending in endings}
    wanted |= {f"tables/ablation-demo.{ending}" for ending in endings}
    assert sorted(wanted - names) == []
    assert built.bundle.cells == CELLS
    packages = read_json(opened / "environment.json")["packages"]
    assert packages["numpy"]["version"] == np.__version__
    assert re.fullmatch("[0-9a-f]{64}", packages["numpy"]["sha256"])


def test_data_of_others_is_not_passed_on_but_can_be_given_to_the_check(
    evaluated: Layout, tmp_path: Path
) -> None:
    root = tmp_path / "imported"
    shutil.copytree(evaluated.root, root)
    text = (root / "params.yaml").read_text(encoding="utf-8")
    text = re.sub(r"origin: generated", "origin: imported", text)
    text = re.sub(r"(?m)^generated:.*\n(  .*\n|#.*\n)+", "generated: {}\n", text)
    (root / "params.yaml").write_text(text, encoding="utf-8")
    bundle = made(Layout(root), tmp_path / "imported.zip")
    folder = tmp_path / "files"
    folder.mkdir()
    names = unpack(bundle.path, folder)
    prepared = [name for name in names if name.startswith(("data/prepared", "data/text", "data/raw"))]
    assert prepared == ["data/prepared/demo/card.json", "data/prepared/demo/manifest.json"]
    test = read_arrays(root / "data" / "prepared" / "demo" / "test.npz", "user", "item")
    raw = np.stack([test["user"], test["item"]], axis=1).astype(np.int32).tobytes()
    assert not any(raw in (folder / name).read_bytes() for name in names)

    alone = _check(folder, tmp_path / "again.zip", honest=True)
    part = next(part for part in alone.parts if part.name == "per-user values")
    assert alone.differences == []
    assert (part.count, "--data FOLDER" in part.note) == (0, True)
    fed = _check(folder, tmp_path / "again.zip", honest=True, data=root)
    part = next(part for part in fed.parts if part.name == "per-user values")
    assert fed.differences == []
    assert part.count > 1000
    layout = Layout(folder)
    source = Source.read(layout, load_params(layout.params), CELLS)
    for given in (root / "data" / "prepared", root / "data" / "prepared" / "demo"):
        assert per_user_part(source.cells, splits_of(layout, ["demo"], given), source.params) == part
    with pytest.raises(ReproError, match=r"holds no test\.npz of demo"):
        _check(folder, tmp_path / "again.zip", honest=True, data=tmp_path)
    (root / "data" / "prepared" / "demo" / "test.npz").write_bytes(b"other data")
    with pytest.raises(ReproError, match="not the data that this bundle was made with"):
        _check(folder, tmp_path / "again.zip", honest=True, data=root)


def test_nothing_tells_of_the_machine_it_was_made_on(
    evaluated: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths, a private server and the home are planted where a real run would leave them."""
    root = tmp_path / "home" / "jane-doe" / "checkout"
    shutil.copytree(evaluated.root, root)
    layout = Layout(root)
    monkeypatch.setenv("HOME", str(root.parent))
    monkeypatch.setenv("OLLAMA_HOST", "gpu-17.cluster:11434")
    path = root / RUN / "run.json"
    planted = {
        "folder": f"{root}/models/encoder",
        "cache": "/scratch/jane-doe/cache/x.bin",
        "host": "http://gpu-17.cluster:11434/api",
    }
    write_json(path, {**read_json(path), "planted": planted})
    bundle = made(layout, tmp_path / "private.zip")
    folder = tmp_path / "files"
    folder.mkdir()
    secrets = [str(root), str(evaluated.root), str(tmp_path), "jane-doe", "gpu-17", "/scratch"]
    secrets += [name for name in (socket.gethostname(), getpass.getuser()) if len(name) > 5]
    for name in unpack(bundle.path, folder):
        content = (folder / name).read_bytes()
        assert [word for word in secrets if word.encode() in content] == [], name
    assert bundle.bundle.redacted == (f"{RUN}/run.json",)
    assert read_json(folder / RUN / "run.json")["planted"] == {
        "folder": "models/encoder",
        "cache": "redacted-path/x.bin",
        "host": "http://redacted-host/api",
    }
    assert _check(folder, tmp_path / "again.zip", honest=True).differences == []


def test_a_flip_anywhere_is_found_by_the_name_of_the_file(opened: Path) -> None:
    """One digit, or one byte of a file of numbers, at random places of every kind of file."""
    draws = random.Random(20250)
    kinds: dict[str, list[str]] = {}
    for name in files_in(opened):
        kinds.setdefault(Path(name).suffix, []).append(name)
    assert {".json", ".csv", ".yaml", ".md", ".tex", ".txt", ".html", ".parquet", ".npz", ".jsonl"} <= set(
        kinds
    )
    caught = 0
    for number in range(FLIPS):
        name = draws.choice(sorted(kinds)) if number >= len(kinds) else sorted(kinds)[number]
        name = draws.choice(kinds[name])
        before = (opened / name).read_bytes()
        (opened / name).write_bytes(_flipped(before, draws))
        found = manifest_part(opened)
        assert [one.file for one in found.differences if name in (one.file, "manifest.json")], name
        caught += 1
        (opened / name).write_bytes(before)
    assert caught == FLIPS
    assert manifest_part(opened).differences == ()


def test_missing_and_extra_files_are_named(opened: Path) -> None:
    (opened / "tables" / "main-demo.md").unlink()
    (opened / "tables" / "extra.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    found = {one.file: one.stored for one in manifest_part(opened).differences}
    assert found == {"tables/main-demo.md": "missing", "tables/extra.csv": "a file"}


def _flipped(content: bytes, draws: random.Random) -> bytes:
    """Return the content with one digit changed, or one bit where it has none."""
    changed = bytearray(content)
    places = [place for place, byte in enumerate(content) if 48 <= byte <= 57]
    place = draws.choice(places) if places else draws.randrange(len(content))
    changed[place] = (
        48 + (changed[place] - 48 + draws.randint(1, 9)) % 10 if places else changed[place] ^ 0x10
    )
    return bytes(changed)


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.search(old, text), (path.name, old)
    path.write_text(re.sub(old, new, text, count=1), encoding="utf-8")


def _nudge_value(folder: Path) -> None:
    path = folder / RUN / "per_user.parquet"
    table = pyarrow.parquet.read_table(path)
    values = table["recall@20"].to_numpy().copy()
    values[5] = 1.0 - values[5]
    place = table.column_names.index("recall@20")
    pyarrow.parquet.write_table(table.set_column(place, "recall@20", pa.array(values)), path)


def _swap_items(folder: Path) -> None:
    path = folder / RUN / "top_items.npz"
    arrays = read_arrays(path)
    arrays["items"][0, 0] = arrays["items"][0, 0][::-1].copy()
    write_arrays(path, arrays)


def _repeat_item(folder: Path) -> None:
    path = folder / RUN / "top_items.npz"
    arrays = read_arrays(path)
    arrays["items"][1, 2, 1] = arrays["items"][1, 2, 0]
    write_arrays(path, arrays)


def _move_test_item(folder: Path) -> None:
    path = folder / "data" / "prepared" / "demo" / "test.npz"
    arrays = read_arrays(path)
    arrays["item"][0] = (arrays["item"][0] + 1) % int(arrays["shape"][1])
    write_arrays(path, arrays)


PRINTED = {
    "tables/main-demo.cells.csv": (r"(,R@20,0\.\d\d\d)\d", r"\g<1>X"),
    "tables/main-demo.csv": (r"(?<=irllrec,2,)\d+", "77"),
    "tables/ablation-demo.json": (r'("p_corrected": )[\d.e-]+', r"\g<1>0.0123"),
    "tables/main-demo.tex": (r"0\.\d{4}", "0.9876"),
    "tables/main-demo.md": (r"over all \d+", "over all 7777"),
    "tables/significance-demo.txt": (r"0\.\d{4}", "0.9876"),
    "tables/claims-demo.csv": (r"0\.\d{4}", "0.9876"),
    "results/report.html": (r">0\.\d{4}", ">0.9876"),
    f"{RUN}/metrics.json": (r'("ndcg@10": 0\.\d\d)\d', r"\g<1>5000"),
    "bundle.json": ("repro table main --dataset demo", "repro table main --dataset memo"),
    "README.md": ("4 cells", "5 cells"),
}
"""File → a figure in it and what is written instead."""


def test_changed_missing_and_extra_files_are_found_by_name_though_the_manifest_was_made_to_fit(
    opened: Path, tmp_path: Path
) -> None:
    for name, (old, new) in PRINTED.items():
        _edit(opened / name, old, new)
    (opened / "tables" / "ablation-demo.md").unlink()
    (opened / "tables" / "extra.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    found = _check(opened, tmp_path / "changed.zip")
    assert next(part for part in found.parts if part.name == "files").differences == ()
    others = {"tables/ablation-demo.md": "missing", "tables/extra.csv": "a file"}
    assert {one.file for one in found.differences} == set(PRINTED) | set(others)
    assert {one.file: one.stored for one in found.differences if one.file in others} == others


def test_changed_evidence_is_found_through_all_that_rests_on_it(opened: Path, tmp_path: Path) -> None:
    """Other lists, another seed of the statistics, other epochs: the manifest fits, what follows does not."""
    _swap_items(opened)
    _edit(opened / "params.yaml", "seed: 2025", "seed: 2026")
    _edit(opened / "runs/demo/lightgcn/base/run.json", r'("epochs": )\d+', r"\g<1>77")
    _edit(opened / "bundle.json", r'"left_out": \[\]', '"left_out": ["demo-pop-base"]')
    found = _check(opened, tmp_path / "changed.zip").differences
    places = {(one.file, one.row, one.column) for one in found}
    assert any(file == f"{RUN}/per_user.parquet" and row.startswith("seed 2023") for file, row, _ in places)
    assert any(file == "tables/significance-demo.csv" and column == "low" for file, _, column in places)
    assert any(file == "tables/efficiency.csv" and column == "epochs" for file, _, column in places)


@pytest.mark.parametrize(
    ("change", "file"),
    [
        ("_repeat_item", f"{RUN}/top_items.npz"),
        ("_move_test_item", "runs/demo/lightgcn/base/per_user.parquet"),
        ("_nudge_value", f"{RUN}/per_user.parquet"),
        ("_swap_items", f"{RUN}/per_user.parquet"),
    ],
)
def test_changed_lists_and_interactions_do_not_give_the_values(change: str, file: str, opened: Path) -> None:
    globals()[change](opened)
    layout = Layout(opened)
    source = Source.read(layout, load_params(layout.params), CELLS)
    part = per_user_part(source.cells, splits_of(layout, ["demo"], None), source.params)
    assert file in {one.file for one in part.differences}


def test_a_changed_value_is_named_down_to_the_cell(opened: Path, tmp_path: Path) -> None:
    _nudge_value(opened)
    _edit(opened / "tables/main-demo.cells.csv", r"(base,R@5,0\.\d\d\d)\d", r"\g<1>X")
    found = _check(opened, tmp_path / "changed.zip").differences
    value = next(one for one in found if one.file == f"{RUN}/per_user.parquet")
    assert (value.row, value.column) == ("seed 2023, user 5", "recall@20")
    assert float(value.stored) == pytest.approx(1 - float(value.derived))
    cells = [one for one in found if one.file == "tables/main-demo.cells.csv"]
    assert any(one.column == "R@5" and "X" in one.stored and "base" in one.row for one in cells)
    assert any(one.file == f"{RUN}/metrics.json" and one.column == "recall@20" for one in found)


def test_every_difference_is_told_on_stdout_and_the_first_on_stderr(
    opened: Path, tmp_path: Path, built: Built
) -> None:
    _edit(opened / "tables/main-demo.csv", r"(?<=irllrec,2,)\d+", "77")
    pack(opened, tmp_path / "x.zip")
    done = _elsewhere(Built(tmp_path / "x.zip", "", 0, 0, built.bundle), tmp_path, "-q", "--format", "json")
    assert done.returncode == 1
    rows = [row for row in json.loads(done.stdout)["rows"] if row["differences"]]
    assert {(row["part"], row["file"], row["column"]) for row in rows} == {
        ("files", "tables/main-demo.csv", ""),
        ("tables", "tables/main-demo.csv", "users"),
    }
    assert done.stderr.count("\n") == 1
    assert "tables/main-demo.csv" in done.stderr


def test_files_that_cannot_be_read_end_the_check_by_name(opened: Path, tmp_path: Path) -> None:
    (opened / RUN / "metrics.json").write_text("[" * 60_000, encoding="utf-8")
    (opened / "evil.pkl").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    found = _check(opened, tmp_path / "x.zip")
    named = {one.file for one in found.differences}
    assert named == {f"{RUN}/metrics.json", "evil.pkl"}
    assert [part.name for part in found.parts] == ["files", "readable files"]


def test_without_results_the_fix_is_named(small: Layout, tmp_path: Path) -> None:
    with pytest.raises(ReproError, match=r"no cell of demo has results.*leave out --no-run"):
        made(small, tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


def test_cells_without_results_are_noted(evaluated: Layout, tmp_path: Path) -> None:
    root = tmp_path / "partly"
    shutil.copytree(evaluated.root, root)
    shutil.rmtree(root / "runs" / "demo" / "lightgcn")
    assert made(Layout(root), tmp_path / "x.zip").bundle.left_out == CELLS[:3]
    assert set(CELLS[:3]) < set(load_params(root / "params.yaml").cells)


def _member(built: Built, name: str) -> io.BytesIO:
    import zipfile

    with zipfile.ZipFile(built.path) as content:
        return io.BytesIO(content.read(name))


def test_the_printed_hash_is_that_of_the_file(built: Built) -> None:
    assert hash_file(built.path) == built.sha256
