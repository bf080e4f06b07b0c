"""DVC's view of cells that were run elsewhere: what their stages read, and how results enter cache and lock.

Uses DVC's own classes, as ``dvc commit`` does: a stage that was run elsewhere is saved, committed and written
to dvc.lock by the code that ``dvc repro`` runs, so that both leave the same bytes.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from irllrec.data.storage import atomic_path, write_text
from repro.errors import ReproError
from repro.layout import Layout
from repro.running.lock_file import LockFile
from repro.running.workplace import sha256
from repro.stage_lock import locked_stages

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import PipelineStage

Inputs = Mapping[str, Any]
"""What a stage read: the hash of every dependency, the values of every parameter."""


class ChangedInputsError(Exception):
    """What a cell's stages read is not what it was when they were sent; the text names it."""


@dataclass(frozen=True)
class StageView:
    """A stage as DVC resolves it: its name, shell command, dependencies and outputs."""

    name: str
    command: str
    deps: tuple[str, ...]
    outs: tuple[str, ...]


class Pipeline:
    """The pipeline of a checkout, read once; what changes in dvc.yaml meanwhile is refused.

    Args:
        layout: The checkout; no other DVC command may be at work there.
        known: The stages that dvc.lock held when the command began, in order.
    """

    def __init__(self, layout: Layout, known: Sequence[str]) -> None:
        from dvc.repo import Repo

        self.layout = layout
        self._lock = layout.root / "dvc.lock"
        self._parameters_of: tuple[Any, ...] = ()
        self._parameters: dict[tuple[Any, ...], Any] = {}
        self._repo: Repo = Repo(str(layout.root))
        with self._locked():
            self._stages: dict[str, PipelineStage] = {
                stage.name: stage for stage in self._repo.index.stages if getattr(stage, "name", None)
            }
            self._order = self._execution_order()
        self._written = sha256(layout.pipeline)
        self._known = list(known)

    def close(self) -> None:
        """Let go of DVC's databases."""
        self._repo.close()

    def view(self, name: str) -> StageView:
        """Return a stage."""
        stage = self._stages[name]
        command = stage.cmd if isinstance(stage.cmd, str) else " && ".join(stage.cmd or ())
        deps = [dep.def_path for dep in stage.deps if not getattr(dep, "params", None)]
        return StageView(name, command, tuple(deps), tuple(out.def_path for out in stage.outs))

    def inputs(self, names: Sequence[str]) -> Inputs:
        """Return what stages read now, beside what they make for each other."""
        made = {out.def_path for name in names for out in self._stages[name].outs}
        found: dict[str, Any] = {}
        with self._locked():
            for name in names:
                stage = self._stages[name]
                for dep in stage.deps:
                    if dep.def_path in made:
                        continue
                    dep.save()
                    found[f"{name}: {dep.def_path}"] = dep.hash_info.to_dict()
        return found

    def restore(self, name: str) -> bool:
        """Take a stage's outputs out of DVC's cache if it ran before on the same inputs; return whether it did.

        The stage is in cache and lock then, as after ``dvc repro``, which looks there as well.
        """
        from dvc.dependency.base import DependencyDoesNotExistError
        from dvc.stage.cache import RunCacheNotFoundError

        stage = self._stages[name]
        with self._locked(), _quiet():
            try:
                if stage.changed_stage() or not stage.deps_cached():
                    stage.save_deps()
                    for out in stage.outs:
                        out.hash_info = type(out.hash_info)()  # what the lock says of them is of other inputs
                self._repo.stage_cache.restore(stage, dry=True)
            except (RunCacheNotFoundError, DependencyDoesNotExistError):
                return False
            stage.remove_outs()
            self._repo.stage_cache.restore(stage)
            stage.save()
            stage.commit()
            self._dump([stage])
        return True

    def clear(self, names: Sequence[str]) -> None:
        """Remove the outputs of stages, as DVC does before it runs them."""
        with self._locked():
            for name in names:
                self._stages[name].remove_outs()

    def require(self, names: Sequence[str], expected: Inputs) -> None:
        """Check that stages read now what they read when they were sent.

        Raises:
            ChangedInputsError: If not; it names what changed.
        """
        if sha256(self.layout.pipeline) != self._written:
            raise ChangedInputsError(self.layout.pipeline.name)
        now = self.inputs(names)
        for what, value in expected.items():
            if now.get(what) != value:
                raise ChangedInputsError(what.partition(": ")[2])

    def commit(self, names: Sequence[str]) -> None:
        """Enter stages, whose outputs lie in the checkout now, into DVC's cache; the lock is written later."""
        with self._locked(), _quiet():
            for name in names:
                stage = self._stages[name]
                stage.save()
                stage.commit()

    def write_lock(self, names: Sequence[str]) -> None:
        """Write what :meth:`commit` entered to dvc.lock, all at once."""
        if names:
            with self._locked(), _quiet():
                self._dump([self._stages[name] for name in names])

    def sort_lock(self) -> None:
        """Bring the entries that are new since the start into the order in which DVC would have made them."""
        names = locked_stages(self.layout)
        old = [name for name in self._known if name in names]
        rank = {name: number for number, name in enumerate(self._order)}
        new = sorted(
            (name for name in names if name not in set(old)), key=lambda name: rank.get(name, len(rank))
        )
        if names == [*old, *new]:
            return
        with self._locked():
            found = LockFile.parse(self._lock.read_text(encoding="utf-8"))
            if found is not None:
                write_text(self._lock, found.in_order([*old, *new]).text())
            else:
                self._sort_through_dvc([*old, *new])

    def _sort_through_dvc(self, names: Sequence[str]) -> None:
        from dvc.utils.serialize import modify_yaml

        with self._replaced_at_once() as path, modify_yaml(path) as content:
            stages = content["stages"]
            for name in names:
                entry = stages.pop(name)
                stages[name] = entry

    def _dump(self, stages: Sequence[PipelineStage]) -> None:
        """Write stages to dvc.lock, at once: a kill leaves a whole file."""
        from dvc.dvcfile import Lockfile

        before = LockFile.parse(self._lock.read_text(encoding="utf-8") if self._lock.is_file() else "")
        after = before and before.with_stages(stages)
        if after is not None:
            write_text(self._lock, after.text())
            return
        with self._replaced_at_once() as path:
            Lockfile(self._repo, path).dump_stages(list(stages))

    @contextmanager
    def _replaced_at_once(self) -> Iterator[str]:
        """Yield the path of a copy of dvc.lock that takes its place in the end."""
        with atomic_path(self._lock) as temporary:
            if self._lock.is_file():
                temporary.write_bytes(self._lock.read_bytes())
            else:
                temporary.write_text("schema: '2.0'\n", encoding="utf-8")
            yield str(temporary)

    def _execution_order(self) -> list[str]:
        from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro

        graph = get_active_graph(self._repo.index.graph)
        planned = plan_repro(graph, collect_stages(self._repo, [self.layout.pipeline.name]))
        return [stage.name for stage in planned if getattr(stage, "name", None)]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        from dvc.lock import LockError

        try:
            with self._repo.lock, self._parameters_read_once():
                yield
        except LockError:
            raise ReproError(
                f"Another DVC command is at work in {self.layout.root}: wait for it to end, or stop it."
            ) from None

    @contextmanager
    def _parameters_read_once(self) -> Iterator[None]:
        """Let DVC take a stage's parameters from memory while their file is the same.

        It parses the file and walks through all of it for every stage anew, some 600 times for 40 cells, on the
        processor that the cells are trained on.
        """
        from dvc.dependency import param

        plain = param.read_param_file

        def read(fs: Any, path: str, keys: Sequence[str] | None = None, *given: Any, **named: Any) -> Any:
            status = os.stat(path)
            same = (str(path), status.st_mtime_ns, status.st_size, status.st_ino)
            if same != self._parameters_of:
                self._parameters_of, self._parameters = same, {}
            asked = (tuple(keys or ()), given, tuple(sorted(named.items())))
            if asked not in self._parameters:
                self._parameters[asked] = plain(fs, path, keys, *given, **named)
            return copy.deepcopy(self._parameters[asked])

        param.read_param_file = read
        try:
            yield
        finally:
            param.read_param_file = plain


@contextmanager
def _quiet() -> Iterator[None]:
    """Let DVC say nothing of its own: no line a stage, no bar."""
    import logging

    from dvc.logger import set_loggers_level

    with set_loggers_level(logging.ERROR):
        yield
