"""The stage prepare and a full disk, in processes of their own as users meet them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from irllrec.data.raw import hash_file
from irllrec.data.storage import read_json
from repro.errors import ReproError
from repro.grid import add_dataset
from repro.importing import ImportRequest, import_dataset
from repro.layout import Layout
from repro.stages.prepare import main, prepare_dataset

ROOT = Path(__file__).resolve().parents[2]
CLICKS = "user_id,item_id\n" + "".join(
    f"{user},{(user * 7 + step) % 20}\n" for user in range(30) for step in range(10)
)


@pytest.fixture
def shop(checkout: Layout, tmp_path: Path) -> Layout:
    clicks = tmp_path / "clicks.csv"
    clicks.write_text(CLICKS)
    add_dataset(checkout, "shop", import_dataset(checkout, ImportRequest("shop", clicks)).entry)
    return checkout


def test_the_stage_writes_every_file_and_its_hashes(shop: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRO_ROOT", str(shop.root))
    main(["shop"])
    folder = shop.prepared("shop")
    assert {path.name for path in folder.iterdir()} == {
        "train.npz", "valid.npz", "test.npz", "users.parquet", "items.parquet", "text.parquet",
        "manifest.json", "card.json", "card.md",
    }  # fmt: skip
    manifest = read_json(folder / "manifest.json")
    assert manifest["split"] == {"how": "ratio", "ratio": [3, 1, 1], "seed": 2023}
    assert manifest["split_counts"] == {"train": 180, "valid": 60, "test": 60}
    assert all(hash_file(folder / name) == wanted for name, wanted in manifest["files"].items())


def test_the_stage_gives_the_same_bytes_twice(shop: Layout) -> None:
    prepare_dataset(shop, "shop")
    first = {path.name: path.read_bytes() for path in shop.prepared("shop").iterdir()}
    prepare_dataset(shop, "shop")
    assert first == {path.name: path.read_bytes() for path in shop.prepared("shop").iterdir()}


def test_an_unknown_data_set_is_refused_with_the_known_ones(checkout: Layout) -> None:
    with pytest.raises(ReproError, match=r"no data set 'nope' under `datasets`, it has demo"):
        prepare_dataset(checkout, "nope")


def test_the_stage_needs_no_torch() -> None:
    program = "import sys, repro.stages.prepare; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


FULL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
from repro.cli import run
sys.exit(run({words}))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_disk_that_takes_no_more_gives_one_sentence_and_leaves_nothing(
    checkout: Layout, tmp_path: Path
) -> None:
    """The system's limit on file size stops the writing as a full disk does, in the middle of a file."""
    clicks = tmp_path / "clicks.csv"
    clicks.write_text(CLICKS)
    program = FULL_DISK.format(limit=1000, words=["data", "import", "shop", "--interactions", str(clicks)])
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "REPRO_ROOT": str(checkout.root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("\n") == 1
    assert "the disk is full" in done.stderr
    assert list(checkout.raw("shop").parent.iterdir()) == []
    assert "shop" not in checkout.params.read_text()
