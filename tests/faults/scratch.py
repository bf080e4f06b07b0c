"""Scratch copies of this checkout with a very small configuration, and how commands run in them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SMALL = {
    r"demo: \{users: 1200.*\}": "demo: {users: 60, items: 40, interactions: 700, intents: 3, seed: 7}",
    r"seeds: \[2023.*\]": "seeds: [2023, 2024]",
    r"training: \{batch_size: 1024.*\}": "training: {batch_size: 128, max_epochs: 6}",
    r"workers: auto": "workers: 2",
    r"checkpoint_seconds: 10\b": "checkpoint_seconds: 0",
    r"intents: 128": "intents: 8",
    r"bootstrap_samples: 5000": "bootstrap_samples: 100",
    r"randomisation_samples: 5000": "randomisation_samples: 100",
    r"dimension: 64": "dimension: 8",
}
KEPT_CELLS = ("demo-lightgcn-base", "demo-lightgcn-irllrec")
LEFT_OUT = ("results", "dvc.lock")
_REPRO = "from repro.cli import main; main()"


def environment(root: Path) -> dict[str, str]:
    """Return the environment of a command in the checkout ``root``: its code, its files, one thread."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("REPRO_", "PYTEST_"))}
    return kept | {
        "PYTHONPATH": str(root),
        "REPRO_ROOT": str(root),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "DVC_NO_ANALYTICS": "1",
    }


def words_of(command: tuple[str, ...]) -> list[str]:
    """Return the program of a command that begins with ``repro`` or ``dvc``."""
    program = ["-c", _REPRO] if command[0] == "repro" else ["-m", "dvc"]
    return [sys.executable, *program, *command[1:]]


def run(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command undisturbed to its end."""
    return subprocess.run(
        words_of(command),
        cwd=root,
        env=environment(root),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def need(root: Path, *command: str) -> None:
    """Run a command that must succeed.

    Raises:
        RuntimeError: With what it said, if it does not.
    """
    done = run(root, *command)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} in {root}: {done.stderr}{done.stdout}")


def make_checkout(root: Path) -> None:
    """Make a checkout of what was committed last, very small, with a commit of its own."""
    _git(ROOT, "clone", "--quiet", "--shared", str(ROOT), str(root))
    for name in LEFT_OUT:
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    text = (root / "params.yaml").read_text(encoding="utf-8")
    for pattern, small in SMALL.items():
        text, count = re.subn(pattern, small, text)
        assert count, pattern
    cells = [line for line in text.splitlines() if not re.match(r"  demo-[\w-]+: ", line)]
    cells += [line for line in text.splitlines() if line.startswith(tuple(f"  {key}:" for key in KEPT_CELLS))]
    (root / "params.yaml").write_text("\n".join(cells) + "\n", encoding="utf-8")
    _git(root, "add", "--all")
    author = ("-c", "user.name=faults", "-c", "user.email=faults@example.org")
    _git(root, *author, "commit", "--quiet", "--message", "scratch")


def copy(source: Path, target: Path) -> None:
    """Copy a checkout with the times of its files, which DVC and Python go by."""
    subprocess.run(["cp", "-a", "--reflink=auto", str(source), str(target)], check=True)


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout
