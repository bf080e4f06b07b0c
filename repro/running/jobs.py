"""What a lane is told of a cell: the commands of its stages, and every file that they read, by its hash."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.layout import Layout
from repro.provenance import commit
from repro.running.workplace import CODE, sha256

if TYPE_CHECKING:
    from repro.running.pipeline import StageView

_PASSED_ON = ("IRLLREC_", "CUBLAS_WORKSPACE_CONFIG")
"""Beginnings of the names of environment variables that decide how numbers are made."""

_SOURCES = (".py", ".sh", ".c", ".h", ".txt", ".toml", ".typed", ".html", ".css", ".js", ".tex")


@dataclass(frozen=True)
class Share:
    """What each worker gets.

    Attributes:
        threads: Threads, which is also how many seeds of a cell are trained side by side.
        gpus: Names of this machine's GPUs, of which lanes take one each in turn; None leaves the choice to
            Ray or to the stage.
        ship: Send files also where a worker sees this folder.
    """

    threads: int
    gpus: tuple[str, ...] | None = None
    ship: bool = False


@dataclass
class Sender:
    """Writes the jobs of one command; files are hashed once.

    Attributes:
        layout: The checkout.
        share: What each worker gets.
        run: The name of this command's run, told from any other's.
        commit: The commit of the checkout.
    """

    layout: Layout
    share: Share
    run: str = field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}")
    _hashes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._code = self._hashed(code_files(self.layout.root))
        self._texts = {"params.yaml": params_text(self.layout.params, self.share.threads)}
        self.commit = commit(self.layout.root)
        if self.commit is not None:
            self._texts[".repro/commit"] = self.commit

    def job(self, key: str, stages: Sequence[StageView], probe: Path) -> dict[str, Any]:
        """Return the job of a cell.

        Args:
            key: The cell.
            stages: Its stages that are to run, in order.
            probe: A file that holds the name of the run; who can read it sees this checkout.
        """
        outs = [out for stage in stages for out in stage.outs]
        read = {dep for stage in stages for dep in stage.deps if dep not in outs}
        files = [file for dep in sorted(read) for file in files_below(self.layout.root, dep)]
        inputs = [file for file in files if file.partition("/")[0] not in CODE]
        return {
            "key": key,
            "run": self.run,
            "root": str(self.layout.root),
            "probe": str(probe),
            "ship": self.share.ship,
            "stages": [{"name": stage.name, "cmd": stage.command} for stage in stages],
            "code": self._code,
            "inputs": self._hashed([*inputs, "dvc.yaml"]),
            "texts": self._texts,
            "outs": outs,
            "threads": self.share.threads,
            "gpus": self.share.gpus,
            "environment": passed_on(os.environ),
            "attempt": 1,
            "died_on": [],
            "deaths": [],
        }

    def files(self) -> dict[str, str]:
        """Return where each file that a job names lies, by its hash."""
        return {digest: str(self.layout.root / name) for name, digest in self._hashes.items()}

    def _hashed(self, names: Sequence[str]) -> dict[str, str]:
        for name in names:
            if name not in self._hashes:
                self._hashes[name] = sha256(self.layout.root / name)
        return {name: self._hashes[name] for name in names}


def code_files(root: Path) -> list[str]:
    """Return the source files of the packages, by their path in the checkout."""
    return [
        path.relative_to(root).as_posix()
        for package in CODE
        for path in sorted((root / package).rglob("*"))
        if path.suffix in _SOURCES and path.is_file()
    ]


def files_below(root: Path, name: str) -> list[str]:
    """Return ``name``, or the files in that folder."""
    path = root / name
    if not path.is_dir():
        return [name]
    return [file.relative_to(root).as_posix() for file in sorted(path.rglob("*")) if file.is_file()]


def params_text(path: Path, threads: int) -> str:
    """Return params.yaml with as many seeds side by side as a worker has threads; no result depends on it."""
    from repro.params_file import dump_yaml, read_yaml

    content = read_yaml(path)
    asked = content["engine"]["workers"]
    content["engine"]["workers"] = threads if asked == "auto" else min(threads, asked)
    return dump_yaml(content)


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what of this process's environment decides how numbers are made."""
    found = {name: value for name, value in environment.items() if name.startswith(_PASSED_ON)}
    return found | {"REPRO_VERBOSITY": ""}
