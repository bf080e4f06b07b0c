"""Building the kernels: from nothing, once, side by side, and what happens where it cannot be done."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from irllrec.native.building import SWITCH, kernels

ASK = "from irllrec.native.building import kernels; k = kernels(); print(k.name, '|', k.reason)"
TRAIN = (
    "import torch; from irllrec.losses.contrastive import info_nce, unit_rows;"
    "a = unit_rows(torch.arange(12.).reshape(4, 3).sin()); print(info_nce(a, a, a, 0.2).item())"
)


def _ask(cache: Path, code: str = ASK, **environment: str) -> str:
    given = {**os.environ, "XDG_CACHE_HOME": str(cache), "HOME": str(cache), SWITCH: "", **environment}
    done = subprocess.run(
        [sys.executable, "-c", code], env=given, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stderr == ""
    return done.stdout.strip()


def _files(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.rglob("*") if path.is_file())


@pytest.fixture
def _compiler() -> None:
    if kernels().library is None:
        pytest.skip(f"no kernels here: {kernels().reason}")


@pytest.mark.usefixtures("_compiler")
def test_they_are_built_once_and_found_again(tmp_path: Path) -> None:
    assert _ask(tmp_path).startswith("native | built by ")
    (built,) = _files(tmp_path)
    stamp = next(tmp_path.rglob(built)).stat().st_mtime_ns
    assert _ask(tmp_path).startswith("native | ")
    assert _files(tmp_path) == [built]
    assert next(tmp_path.rglob(built)).stat().st_mtime_ns == stamp


@pytest.mark.usefixtures("_compiler")
def test_processes_that_build_at_the_same_time_all_get_them(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: _ask(tmp_path), range(4)))
    assert all(line.startswith("native | ") for line in found)
    assert len(_files(tmp_path)) == 1


def test_without_a_compiler_the_reason_says_what_to_install(tmp_path: Path) -> None:
    assert _ask(tmp_path, PATH=str(tmp_path)) == (
        "portable | no C compiler was found: install gcc or clang for faster training"
    )


def test_a_compiler_that_fails_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    broken = tmp_path / "bin" / "cc"
    broken.parent.mkdir()
    broken.write_text('#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "cc: no such flag" >&2\nexit 1\n')
    broken.chmod(0o755)
    found = _ask(tmp_path / "cache", PATH=f"{broken.parent}:{os.environ['PATH']}")
    assert found == f"portable | {broken} could not build the kernels (cc: no such flag)"
    assert _files(tmp_path / "cache") == []


def test_a_cache_that_cannot_be_written_leaves_them_off(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert _ask(blocked, PATH=os.environ["PATH"]).startswith("portable | ")


def test_the_switch_leaves_them_off_and_the_loss_stays(tmp_path: Path) -> None:
    assert _ask(tmp_path, **{SWITCH: "portable"}) == f"portable | {SWITCH} is set to portable"
    values = [float(_ask(tmp_path, TRAIN, **{SWITCH: chosen})) for chosen in ("portable", "auto")]
    assert values[0] == pytest.approx(values[1], rel=1e-6)
