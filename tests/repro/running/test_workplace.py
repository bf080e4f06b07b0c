"""The folder in which a worker runs a cell, and what is checked before its results are taken."""

from pathlib import Path
from typing import Any

import pytest

from repro.errors import ReproError
from repro.layout import Layout
from repro.running.checking import check_arrived, install
from repro.running.jobs import params_text
from repro.running.workplace import AlteredError, build, cache_folder, outputs, sha256

OUTS = ("runs/demo/model", "runs/demo/run.json")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    for name in ("irllrec/a.py", "repro/b.py", "data/train.npz", "data/test.npz"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return root


def job(root: Path) -> dict[str, Any]:
    code, inputs = ("irllrec/a.py", "repro/b.py"), ("data/train.npz",)
    return {
        "root": str(root),
        "code": {name: sha256(root / name) for name in code},
        "inputs": {name: sha256(root / name) for name in inputs},
        "texts": {"params.yaml": "engine: {}\n", ".repro/commit": "abc"},
    }


def test_a_worker_that_sees_the_checkout_gets_links_and_nothing_that_the_cell_does_not_read(
    root: Path, tmp_path: Path
) -> None:
    place = tmp_path / "place"
    build(place, job(root), None)
    assert (place / "data/train.npz").resolve() == root / "data/train.npz"
    assert (place / "irllrec/a.py").read_text() == "irllrec/a.py"
    assert not (place / "data/test.npz").exists()
    assert (place / ".repro/checkpoints").resolve() == root / ".repro/checkpoints"


def test_a_worker_that_sees_nothing_fetches_each_file_once(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    asked: list[str] = []
    wanted = job(root)
    content = {sha256(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    def fetch(hashes: Any) -> list[bytes]:
        asked.extend(hashes)
        return [content[one] for one in hashes]

    build(tmp_path / "one", wanted, fetch)
    assert len(asked) == 3
    build(tmp_path / "two", wanted, fetch)
    assert len(asked) == 3
    assert (tmp_path / "two/repro/b.py").read_text() == "repro/b.py"
    assert (tmp_path / "two/data/train.npz").resolve().is_relative_to(cache_folder().resolve())


@pytest.mark.parametrize("name", ["irllrec/a.py", "data/train.npz"])
def test_a_file_that_was_changed_since_it_was_meant_is_refused_by_name(
    root: Path, tmp_path: Path, name: str
) -> None:
    wanted = job(root)
    (root / name).write_text("something else")
    with pytest.raises(AlteredError, match=name):
        build(tmp_path / "place", wanted, None)


def test_a_damaged_file_of_the_cache_is_fetched_anew(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    content = {sha256(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    wanted = job(root)
    build(tmp_path / "one", wanted, lambda hashes: [content[one] for one in hashes])
    (tmp_path / "one/data/train.npz").resolve().write_text("half")
    build(tmp_path / "two", wanted, lambda hashes: [content[one] for one in hashes])
    assert (tmp_path / "two/data/train.npz").read_text() == "data/train.npz"


@pytest.fixture
def arrived(tmp_path: Path) -> Path:
    for name in ("runs/demo/model/seed-1", "runs/demo/model/seed-2", "runs/demo/run.json"):
        path = tmp_path / "arrived" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "arrived"


def test_what_arrived_whole_is_taken_and_put_in_its_place(arrived: Path, tmp_path: Path) -> None:
    files = outputs(arrived, OUTS)
    assert len(files) == 3
    check_arrived(arrived, OUTS, files, "cell", "node1")
    install(Layout(tmp_path / "checkout"), arrived, OUTS)
    assert outputs(tmp_path / "checkout", OUTS) == files


def test_a_file_that_changed_on_the_way_is_refused(arrived: Path) -> None:
    files = outputs(arrived, OUTS)
    (arrived / "runs/demo/model/seed-2").write_text("flipped")
    with pytest.raises(ReproError, match="cell: runs/demo/model/seed-2 from node1 is not what it was there"):
        check_arrived(arrived, OUTS, files, "cell", "node1")


def test_a_file_that_did_not_arrive_is_refused(arrived: Path) -> None:
    files = outputs(arrived, OUTS)
    (arrived / "runs/demo/model/seed-1").unlink()
    with pytest.raises(ReproError, match="seed-1 from node1 did not arrive"):
        check_arrived(arrived, OUTS, files, "cell", "node1")


def test_an_output_that_was_never_made_is_refused(arrived: Path) -> None:
    (arrived / "runs/demo/run.json").unlink()
    with pytest.raises(ReproError, match="cell: node1 sent no runs/demo/run.json"):
        check_arrived(arrived, OUTS, outputs(arrived, OUTS), "cell", "node1")


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "runs/demo/model/../../x", "irllrec/a.py", "runs/demo/model2"]
)
def test_a_file_outside_the_outputs_is_refused(arrived: Path, name: str) -> None:
    with pytest.raises(ReproError, match="none of its outputs"):
        check_arrived(arrived, OUTS, {**outputs(arrived, OUTS), name: "0"}, "cell", "node1")


def test_seeds_side_by_side_are_as_many_as_threads_and_never_more_than_asked_for(checkout: Layout) -> None:
    before = checkout.params.read_text()
    assert "  workers: 3" in params_text(checkout.params, 3)
    checkout.params.write_text(before.replace("workers: auto", "workers: 2"))
    assert "  workers: 2" in params_text(checkout.params, 3)
    assert "  workers: 1" in params_text(checkout.params, 1)
    assert "regularization: 1.0e-6" in params_text(checkout.params, 1)
