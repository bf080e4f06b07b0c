"""What ``repro run`` refuses, and what it says it would do."""

import pytest

from repro.cli import run
from repro.errors import ReproError
from repro.layout import Layout
from repro.running import engines


@pytest.fixture
def here(checkout: Layout, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setenv("REPRO_ROOT", str(checkout.root))
    return checkout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--engine", "slurm"], "there is no engine 'slurm': choose local or ray."),
        (["--address", "auto"], "--address names a Ray cluster: add --engine ray, or leave it out."),
        (["demo-nothing"], "the grid has no cell 'demo-nothing': `repro grid show` lists them"),
        (["--format", "word"], "the format 'word' is unknown"),
    ],
)
def test_a_wrong_word_is_one_sentence(
    here: Layout, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert run(["run", *words]) == 1
    assert sentence in capsys.readouterr().err


def test_without_ray_the_command_that_installs_it_is_named(
    here: Layout, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    assert run(["run", "--engine", "ray"]) == 1
    assert "pip install -c constraints.txt -e '.[ray]'" in capsys.readouterr().err


def test_a_cluster_is_used_with_as_many_workers_as_somebody_names(
    here: Layout, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "require_ray", lambda: None)
    assert run(["run", "--engine", "ray", "--address", "head:6379"]) == 1
    assert "--address head:6379: say with --jobs how many cells" in capsys.readouterr().err


def test_a_cluster_that_is_too_small_is_refused_with_what_fits() -> None:
    class Cluster:
        @staticmethod
        def cluster_resources() -> dict[str, float]:
            return {"CPU": 6.0}

    with pytest.raises(
        ReproError, match="has 6 CPUs, and --jobs 4 with 2 threads each needs 8: choose --jobs 3"
    ):
        engines._require_room(Cluster, 4, engines.Share(2))


def test_the_code_of_a_worker_can_be_sent_to_where_this_package_is_not() -> None:
    """A process that cannot import repro takes and runs it."""
    ray = pytest.importorskip("ray", reason="ray is not installed")
    import importlib
    import subprocess
    import sys

    for name in engines._POSTED_BY_VALUE:
        ray.cloudpickle.register_pickle_by_value(importlib.import_module(name))
    try:
        from repro.running.worker import run_lane

        sent = ray.cloudpickle.dumps(run_lane)
    finally:
        for name in engines._POSTED_BY_VALUE:
            ray.cloudpickle.unregister_pickle_by_value(importlib.import_module(name))
    program = (
        "import pickle, sys\n"
        "sys.modules['repro'] = None\n"
        "class Board:\n"
        "    folder = '.'\n"
        "    def start_lane(self, lane, host): pass\n"
        "    def is_closed(self): return True\n"
        "print(pickle.loads(sys.stdin.buffer.read())(0, Board()))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], input=sent, capture_output=True, check=False)
    assert done.stdout.decode().strip() == "0", done.stderr.decode()
