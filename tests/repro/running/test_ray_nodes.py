"""A Ray cluster of two nodes, of which one is lost while it trains."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.repro.running.small_release import lane_at_work, make_release, run, start, write_cells

cluster_utils = pytest.importorskip(
    "ray.cluster_utils", reason="ray is not installed: pip install '.[ray]'", exc_type=ImportError
)

pytestmark = pytest.mark.slow

LONG = ", override: {training: {max_epochs: 2000, patience: 9000}}"


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Two nodes on this machine with one CPU each; the command talks to the first."""
    nodes = cluster_utils.Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    nodes.second = nodes.add_node(num_cpus=1)
    yield nodes
    nodes.shutdown()


def test_cells_of_a_lost_machine_are_run_on_the_others(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no room for a second worker then; the command goes on with one, and ends."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    release = make_release(tmp_path / "release")
    write_cells(release, {"mf": LONG, "lightgcn": LONG})
    driving = release / "repro/running/driving.py"
    text = driving.read_text()
    assert "SILENT_SECONDS = 120.0" in text
    driving.write_text(text.replace("SILENT_SECONDS = 120.0", "SILENT_SECONDS = 15.0"))

    words = ("--engine", "ray", "--address", cluster.address, "--jobs", "2", "--threads", "1", "--ship")
    process = start(release, "repro", "run", *words)
    lanes = [lane_at_work(release, f"demo-{name}-base")["pid"] for name in ("mf", "lightgcn")]
    nodes = {
        lane: [one.pid for one in psutil.Process(lane).parents() if "raylet" in one.name()] for lane in lanes
    }
    assert len({tuple(node) for node in nodes.values()}) == 2, "each node has one of the workers"
    cluster.remove_node(cluster.second, allow_graceful=False)
    out, err = process.communicate()

    assert (process.returncode, out) == (0, ""), err
    assert "no word for" in err
    assert "attempt 2 of 3" in err
    assert "3 of 3 cells are in DVC's cache and dvc.lock" in err
    _, out, _ = run(release, "dvc", "status")
    assert out.strip() == "Data and pipelines are up to date."
    assert not list((release / ".repro/running").glob("board-*"))
