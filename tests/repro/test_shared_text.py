"""Text vectors as shared files: the same numbers, mapped, made once, whole or absent."""

from __future__ import annotations

import multiprocessing
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from irllrec.errors import IrllrecError
from irllrec.text.controls import Control, controlled
from irllrec.text.embeddings import TextVectors, save_text_vectors
from irllrec.text.reduction import reduce_vectors
from irllrec.types import NodeText
from repro.shared_text import KINDS, share_text

USERS, ITEMS = 12, 8


def _written(folder: Path) -> tuple[Path, TextVectors]:
    """Return the file of some vectors, and the vectors."""
    generator = np.random.default_rng(1)
    sizes = {"user_profile": (USERS, 9), "item_profile": (ITEMS, 9)}
    sizes |= {"user_intent": (USERS, 7), "item_intent": (ITEMS, 7)}
    arrays = {name: generator.standard_normal(size).astype(np.float32) for name, size in sizes.items()}
    vectors = TextVectors(**arrays)
    path = folder / "vectors.npz"
    save_text_vectors(path, vectors, {"embedder": "lsa"})
    return path, vectors


def _nodes(vectors: TextVectors) -> dict[str, Any]:
    return {
        kind: np.concatenate([getattr(vectors, f"user_{kind}"), getattr(vectors, f"item_{kind}")])
        for kind in KINDS
    }


def _assert_same(text: NodeText, vectors: TextVectors) -> None:
    for kind, expected in _nodes(vectors).items():
        tensor: torch.Tensor = getattr(text, kind)
        assert tensor.dtype == torch.float32
        assert tensor.shape == expected.shape
        assert tensor.numpy().tobytes() == expected.tobytes()


def _mapped(address: int) -> str:
    """Return the file that this process has mapped at an address, empty where it is plain memory."""
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        fields = line.split(maxsplit=5)
        low, high = (int(bound, 16) for bound in fields[0].split("-"))
        if low <= address < high:
            return fields[5] if len(fields) == 6 else ""
    return ""


def test_shared_vectors_are_those_of_the_file(tmp_path: Path) -> None:
    path, vectors = _written(tmp_path)
    shared = share_text(path, None, tmp_path / "run" / "text")
    assert (shared.user_count, shared.reduction) == (USERS, {})
    _assert_same(shared.open(None, 2023, "cpu"), vectors)


def test_reduced_vectors_are_shared_with_what_was_kept(tmp_path: Path) -> None:
    path, vectors = _written(tmp_path)
    reduced, kept = reduce_vectors(vectors, 8)
    for _ in range(2):
        shared = share_text(path, 8, tmp_path / "text")
        _assert_same(shared.open(None, 2023, "cpu"), reduced)
        assert shared.reduction["profile"] == {
            "dimension": 8,
            "of": 9,
            "variance_kept": kept["profile"].variance_kept,
        }
        assert shared.reduction["intent"] == {"dimension": 7, "of": 7, "variance_kept": 1.0}


def test_who_comes_second_reads_the_shared_files_only(tmp_path: Path) -> None:
    path, vectors = _written(tmp_path)
    share_text(path, None, tmp_path / "text")
    path.unlink()
    _assert_same(share_text(path, None, tmp_path / "text").open(None, 2023, "cpu"), vectors)
    with pytest.raises(IrllrecError, match="vectors.npz is missing"):
        share_text(path, None, tmp_path / "elsewhere")


@pytest.mark.parametrize("control", ["random", "shuffled"])
@pytest.mark.parametrize("dimension", [None, 4])
def test_a_control_run_gets_what_it_would_get_from_vectors_in_memory(
    control: Control, dimension: int | None, tmp_path: Path
) -> None:
    path, vectors = _written(tmp_path)
    if dimension is not None:
        vectors, _ = reduce_vectors(vectors, dimension)
    shared = share_text(path, dimension, tmp_path / "text")
    for seed in (1, 2):
        _assert_same(shared.open(control, seed, "cpu"), controlled(vectors, control, seed))
    _assert_same(shared.open(None, 1, "cpu"), vectors)


def test_the_tensors_are_the_mapped_files_themselves(tmp_path: Path) -> None:
    if not Path("/proc/self/maps").exists():
        pytest.skip("this system does not tell what a process has mapped")
    path, _ = _written(tmp_path)
    text = share_text(path, None, tmp_path / "text").open(None, 2023, "cpu")
    for kind in KINDS:
        assert _mapped(getattr(text, kind).data_ptr()) == str(tmp_path / "text" / f"{kind}.npy")


def test_writing_to_a_tensor_reaches_neither_the_file_nor_others(tmp_path: Path) -> None:
    path, vectors = _written(tmp_path)
    shared = share_text(path, None, tmp_path / "text")
    shared.open(None, 2023, "cpu").profile.zero_()
    _assert_same(shared.open(None, 2024, "cpu"), vectors)


def test_nothing_is_left_of_a_write_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last file of the folder cannot be written; the next call makes the folder whole."""
    path, vectors = _written(tmp_path)
    folder = tmp_path / "run" / "text"

    def refuse(target: Path, value: Any) -> None:
        raise OSError(28, "No space left on device", str(target))

    with monkeypatch.context() as patch:
        patch.setattr("irllrec.data.storage.write_json", refuse)
        with pytest.raises(OSError, match="No space left"):
            share_text(path, None, folder)
    assert list(folder.parent.iterdir()) == []
    _assert_same(share_text(path, None, folder).open(None, 2023, "cpu"), vectors)


@pytest.mark.parametrize("name", ["facts.json", "profile.npy", "intent.npy"])
def test_a_folder_whose_removal_was_cut_short_is_written_anew(name: str, tmp_path: Path) -> None:
    path, vectors = _written(tmp_path)
    share_text(path, None, tmp_path / "text")
    (tmp_path / "text" / name).unlink()
    _assert_same(share_text(path, None, tmp_path / "text").open(None, 2023, "cpu"), vectors)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["text", "vectors.npz"]


def test_the_files_of_a_quicker_process_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process puts its folder in place at the very last moment."""
    path, vectors = _written(tmp_path)
    share_text(path, None, tmp_path / "quicker")
    rename = Path.rename

    def overtaken(source: Path, target: Path) -> Path:
        shutil.copytree(tmp_path / "quicker", target)
        return rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", overtaken)
        shared = share_text(path, None, tmp_path / "text")
    _assert_same(shared.open(None, 2023, "cpu"), vectors)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["quicker", "text", "vectors.npz"]


def test_a_folder_that_cannot_be_put_in_place_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = _written(tmp_path)

    def refuse(source: Path, target: Path) -> Path:
        raise OSError(13, "Permission denied", str(target))

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="Permission denied"):
        share_text(path, None, tmp_path / "text")
    assert [file.name for file in tmp_path.iterdir()] == ["vectors.npz"]


@pytest.mark.slow
def test_processes_that_come_at_once_share_one_folder(tmp_path: Path) -> None:
    path, vectors = _written(tmp_path)
    reduced, _ = reduce_vectors(vectors, 4)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for attempt in range(20):
            folder = tmp_path / f"run-{attempt}" / "text"
            for shared in pool.starmap(share_text, [(path, 4, folder)] * 2, chunksize=1):
                _assert_same(shared.open(None, 2023, "cpu"), reduced)
            assert [file.name for file in folder.parent.iterdir()] == ["text"]
