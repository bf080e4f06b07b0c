"""What the headers of npz files tell, and what of it is not believed. Whole arrays are in tests/hostile."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from irllrec.data.untrusted import npz_shapes, read_npz
from irllrec.errors import DataError
from tests.hostile import files

SEEN_IN_CONTENT_ONLY = {"characters that are none", "halves of pairs as ids"}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_shapes_are_those_of_the_arrays(save: Callable[..., None], tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    save(
        path,
        vectors=np.zeros((7, 3)),
        turned=np.asfortranarray(np.zeros((2, 5))),
        none=np.zeros((0, 4)),
        one=np.int64(1),
    )

    shapes = npz_shapes(path)

    assert shapes == {"vectors": (7, 3), "turned": (2, 5), "none": (0, 4), "one": ()}
    assert shapes == {name: array.shape for name, array in read_npz(path).items()}
    assert npz_shapes(path, ["turned"]) == {"turned": (2, 5)}
    with pytest.raises(DataError, match="lacks the array 'users'"):
        npz_shapes(path, ["vectors", "users"])


def test_a_header_that_lies_is_refused_without_reading_what_it_heads(tmp_path: Path) -> None:
    path, told = tmp_path / "arrays.npz", {}
    for label, content in files.arrays().items():
        path.write_bytes(content)
        try:
            told[label] = str(npz_shapes(path))
        except DataError as error:
            told[label] = str(error)

    refused = {label for label, words in told.items() if "arrays.npz is not a readable npz file" in words}
    assert refused == set(told) - SEEN_IN_CONTENT_ONLY
