"""Published profiles and vectors: honest, incomplete, misfitting and hostile pickles."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from irllrec.data.profiles import read_profile_vectors, read_profiles
from irllrec.errors import DataError, UnsafePickleError

PROFILES = {
    0: {"profile": "likes maps", "reasoning": "two atlases", "user_id": "A1"},
    1: {"profile": " lit crime, Krimis über Köln \n", "reasoning": None, "seen": ["a", ["b"], 3]},
    2: {"profile": "cooks"},
}


def _write(path: Path, value: Any, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(6))
def test_profiles_of_every_protocol_are_read_and_their_other_fields_left(
    protocol: int, tmp_path: Path
) -> None:
    path = _write(tmp_path / "usr_prf.pkl", PROFILES, protocol)
    assert read_profiles(path, "user", 3) == {0: "likes maps", 1: "lit crime, Krimis über Köln", 2: "cooks"}


def test_profiles_come_in_the_order_of_the_nodes(tmp_path: Path) -> None:
    path = _write(tmp_path / "p.pkl", {2: {"profile": "c"}, np.int64(0): {"profile": "a"}})
    assert list(read_profiles(path, "item", 3).items()) == [(0, "a"), (2, "c")]


@pytest.mark.parametrize(
    "entry", [{"profile": ""}, {"profile": " \n"}, {"profile": None}, {"reasoning": "x"}, {}, None]
)
def test_a_node_without_a_profile_is_left_out(entry: Any, tmp_path: Path) -> None:
    path = _write(tmp_path / "p.pkl", {0: {"profile": "a"}, 1: entry})
    assert read_profiles(path, "user", 3) == {0: "a"}


def test_half_a_surrogate_pair_becomes_a_character_that_a_file_can_hold(tmp_path: Path) -> None:
    path = _write(tmp_path / "p.pkl", {0: {"profile": "a\ud800b"}})
    assert read_profiles(path, "user", 1) == {0: "a?b"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([{"profile": "a"}], "p.pkl holds a list, not a dict with an entry for each user"),
        ({3: {"profile": "a"}}, "one of them of user 3, but the matrices have users 0 to 2"),
        ({-1: {"profile": "a"}}, "one of them of user -1,"),
        ({10**5000: {"profile": "a"}}, "one of them of user beyond any"),
        ({"0": {"profile": "a"}}, "has an entry '0', not the number of a user"),
        ({0.5: {"profile": "a"}}, "has an entry '0.5', not the number of a user"),
        ({0: "a"}, "p.pkl: user 0 is a str, not a dict with the key 'profile'"),
        ({1: {"profile": ["a"]}}, "p.pkl: user 1: its profile is a list, not a string"),
        ({1: {"profile": float("nan")}}, "user 1: its profile is a float"),
        ({0: {"profile": " "}, 1: None}, "has no profile for any of the 3 users"),
        ({}, "has no profile for any of the 3 users"),
    ],
)
def test_what_is_no_profile_of_a_node_is_named(content: Any, words: str, tmp_path: Path) -> None:
    path = _write(tmp_path / "p.pkl", content)
    with pytest.raises(DataError) as caught:
        read_profiles(path, "user", 3)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_profiles_that_would_execute_something_are_refused(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    path = tmp_path / "p.pkl"
    path.write_bytes(b"(I0\n(S'profile'\ncposix\nsystem\n(Vtouch " + str(canary).encode() + b"\ntRdd.")
    with pytest.raises(UnsafePickleError, match=r"posix\.system"):
        read_profiles(path, "user", 1)
    assert not canary.exists()
    pickle.loads(path.read_bytes())
    assert canary.exists(), "the pickle is not as hostile as it should be"


@pytest.mark.parametrize("kind", ["<f4", "<f8", ">f8"])
@pytest.mark.parametrize("protocol", range(6))
def test_vectors_of_every_protocol_and_width_become_float32(kind: str, protocol: int, tmp_path: Path) -> None:
    vectors = np.array([[0.1, -2.5], [3.25, 1e-3], [0.0, 7.0]])
    for array in (vectors.astype(kind), np.asfortranarray(vectors.astype(kind))):
        read = read_profile_vectors(_write(tmp_path / "v.pkl", array, protocol), "user", 3, 2)
        assert (read.dtype, read.flags.c_contiguous, read.flags.writeable) == (np.float32, True, True)
        np.testing.assert_array_equal(read, vectors.astype(np.float32))


@pytest.mark.parametrize("module", [b"numpy.core.multiarray", b"numpy._core.multiarray"])
def test_vectors_of_old_and_new_numpy_are_read(module: bytes, tmp_path: Path) -> None:
    """Protocol 2 writes names as lines, so that one version's name can be put for the other's."""
    content = pickle.dumps(np.eye(2), protocol=2)
    path = tmp_path / "v.pkl"
    path.write_bytes(content.replace(b"numpy._core.multiarray", module))
    np.testing.assert_array_equal(read_profile_vectors(path, "item", 2, 2), np.eye(2))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (np.ones((4, 2)), "shape 4 x 2, but the matrices have 3 users with vectors of 2 numbers"),
        (np.ones((3, 5)), "shape 3 x 5, but"),
        (np.ones(3), "shape 3, but"),
        (np.float64(1.0), "v.pkl holds no array"),
        (np.ones((3, 2), dtype=np.int64), "v.pkl holds numbers of type int64"),
        ([[1.0, 2.0]] * 3, "v.pkl holds no array"),
        (np.array([[0, 0], [0, np.nan], [0, 0]], dtype=float), "the vector of user 1 is not finite"),
        (np.array([[0, 0], [0, 0], [1e300, 0]]), "the vector of user 2 is not finite"),
    ],
)
def test_what_is_no_vector_for_each_node_is_named(content: Any, words: str, tmp_path: Path) -> None:
    path = _write(tmp_path / "v.pkl", content)
    with pytest.raises(DataError) as caught:
        read_profile_vectors(path, "user", 3, 2)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_empty_or_cut_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.pkl"
    with pytest.raises(DataError, match="is missing"):
        read_profiles(path, "user", 3)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="is empty"):
        read_profiles(path, "user", 3)
    whole = pickle.dumps(PROFILES)
    for length in range(1, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match="truncated or malformed"):
            read_profiles(path, "user", 3)
    assert os.listdir(tmp_path) == ["p.pkl"]
