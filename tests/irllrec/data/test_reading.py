"""Matrices that are readable pickles and yet no interaction matrices."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from irllrec.data.reading import read_matrix
from irllrec.errors import DataError

SHARED = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "mirror" / "rlmrec"


def _write(path: Path, matrix: Any) -> Path:
    path.write_bytes(pickle.dumps(matrix))
    return path


def _coo(**changes: Any) -> scipy.sparse.coo_matrix:
    matrix = scipy.sparse.coo_matrix((np.ones(2), ([0, 1], [1, 2])), shape=(2, 3))
    for name, value in changes.items():
        matrix.__dict__[name] = value
    return matrix


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"data": np.array([1.0, np.nan])}, "not all finite"),
        ({"data": np.array([1.0, -1.0])}, "negative"),
        ({"data": np.ones(3)}, "differ in number"),
        ({"data": np.ones((2, 1))}, "one-dimensional"),
        ({"coords": (np.array([0, 5]), np.array([1, 2]))}, r"row outside 0\.\.1"),
        ({"coords": (np.array([0, -1]), np.array([1, 2]))}, r"row outside 0\.\.1"),
        ({"coords": (np.array([0, 1]), np.array([1, 3]))}, r"column outside 0\.\.2"),
        ({"coords": (np.array([0.0, 1.0]), np.array([1, 2]))}, "coordinates"),
        ({"_shape": (2, 3, 4)}, "two numbers"),
        ({"_shape": (2, 0)}, "out of range"),
        ({"_shape": (2, 2**40)}, "out of range"),
    ],
)
def test_an_impossible_matrix_is_refused(changes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    path = _write(tmp_path / "m.pkl", _coo(**changes))
    with pytest.raises(DataError, match=rf"m\.pkl is not a valid interaction matrix .*{reason}"):
        read_matrix(path)


def test_a_compressed_matrix_whose_offsets_do_not_fit_is_refused(tmp_path: Path) -> None:
    matrix = scipy.sparse.csr_matrix(np.eye(3))
    matrix.indptr = np.array([0, 2, 1, 3], dtype=np.int32)
    with pytest.raises(DataError, match="indptr"):
        read_matrix(_write(tmp_path / "m.pkl", matrix))


def test_something_that_is_no_matrix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds a dict, not a scipy"):
        read_matrix(_write(tmp_path / "m.pkl", {"a": 1}))


def test_repeated_cells_are_counted_once_and_zeros_are_no_interactions(tmp_path: Path) -> None:
    matrix = scipy.sparse.coo_matrix(
        (np.array([1.0, 1.0, 0.0, 3.0]), ([0, 0, 1, 1], [1, 1, 0, 2])), shape=(2, 3)
    )
    read = read_matrix(_write(tmp_path / "m.pkl", matrix))
    assert (read.users.tolist(), read.items.tolist(), read.duplicates_removed) == ([0, 1], [1, 2], 1)


@pytest.mark.real_data
@pytest.mark.skipif(not SHARED.is_dir(), reason="the folder shared/data/mirror is not beside the checkout")
@pytest.mark.parametrize(
    ("name", "shape", "counts"),
    [
        ("amazon", (11_000, 9_332), {"trn": 120_464, "val": 40_290, "tst": 40_106}),
        ("yelp", (11_091, 11_010), {"trn": 166_620, "val": 55_479, "tst": 55_436}),
    ],
)
def test_the_published_matrices_have_their_published_sizes(
    name: str, shape: tuple[int, int], counts: dict[str, int]
) -> None:
    for part, count in counts.items():
        matrix = read_matrix(SHARED / name / f"{part}_mat.pkl")
        assert (matrix.user_count, matrix.item_count, len(matrix.users)) == (*shape, count)
