"""What a failure is to the user: a full disk in whatever words, and never a bug of ours."""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from repro.failures import OUR_BUG, USER_ERROR, explain


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of 64 KiB with nothing in it."""
    place = tmp_path / "full"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_is_told_as_one_whoever_met_it(full: Path, tmp_path: Path) -> None:
    import sqlite3

    import numpy as np
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    def by_safetensors() -> None:
        save_file({"weights": torch.zeros(100_000)}, full / "model.safetensors")

    def by_numpy() -> None:
        np.save(full / "rows.npy", np.zeros(100_000))

    def by_sqlite() -> None:
        store = sqlite3.connect(full / "store.sqlite")
        store.execute("CREATE TABLE replies (text)")
        store.execute("INSERT INTO replies VALUES (?)", ["x" * 500_000])
        store.commit()

    for write in (by_safetensors, by_numpy, by_sqlite):
        with pytest.raises((SafetensorError, OSError, sqlite3.Error)) as raised:
            write()
        failure = explain(raised.value, tmp_path / "state")
        assert failure.code == USER_ERROR, write.__name__
        assert failure.sentence.startswith("The disk is full while writing "), write.__name__
        for left in full.iterdir():
            left.unlink()
    assert not (tmp_path / "state").exists()


def test_a_file_that_did_not_fit_is_named(tmp_path: Path) -> None:
    error = OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), "runs/model.safetensors")
    assert "writing runs/model.safetensors: free some space" in explain(error, tmp_path).sentence


def test_what_nobody_foresaw_is_a_bug_with_a_log(tmp_path: Path) -> None:
    failure = explain(ZeroDivisionError("division by zero"), tmp_path)
    assert failure.code == OUR_BUG
    (log,) = (tmp_path / "logs").iterdir()
    assert str(log) in failure.sentence
    assert "ZeroDivisionError" in log.read_text()
