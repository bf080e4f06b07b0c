"""An unpacked release: a copy of the sources that has no git, with other numbers in its params.yaml."""

import shutil
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def copy_release(folder: Path, changes: Mapping[str, str]) -> None:
    """Copy what the pipeline needs to ``folder``.

    Args:
        folder: An empty folder.
        changes: Texts of params.yaml, each of which must be there, and what takes their place.
    """
    for name in ("irllrec", "repro"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "data" / "published", folder / "data" / "published")
    (folder / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc" / "config", folder / ".dvc" / "config")
    for name in ("dvc.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, folder / name)
    text = (ROOT / "params.yaml").read_text()
    for full, small in changes.items():
        assert full in text
        text = text.replace(full, small)
    (folder / "params.yaml").write_text(text)
