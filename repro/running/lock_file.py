"""dvc.lock as text, so that one stage is entered without parsing and writing all the others.

DVC parses and writes the whole file for every stage: with 40 cells that is two seconds of a processor each
time, which the cells would have had.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from dvc.stage import PipelineStage

_HEAD = "schema: '2.0'\nstages:\n"
_NAME = re.compile(r"  ([A-Za-z0-9_][A-Za-z0-9_@.+-]*):\n")
_BELOW = "    "


@dataclass(frozen=True)
class LockFile:
    """The entries of a dvc.lock.

    Attributes:
        entries: The lines of each stage by its name, in the order of the file.
    """

    entries: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the entries of a file that DVC wrote; None for any other, with comments for example."""
        if not text:
            return cls({})
        if not text.startswith(_HEAD):
            return None
        lines: dict[str, list[str]] = {}
        name = None
        for line in text[len(_HEAD) :].splitlines(keepends=True):
            begins = _NAME.fullmatch(line)
            if begins and begins[1] not in lines:
                name = begins[1]
                lines[name] = [line]
            elif name is not None and line.startswith(_BELOW) and line.endswith("\n"):
                lines[name].append(line)
            else:
                return None
        return cls({name: "".join(of_stage) for name, of_stage in lines.items()})

    def with_stages(self, stages: Iterable[PipelineStage]) -> Self | None:
        """Return the file with these stages as they are now: in their old places, new ones at the end.

        None if DVC writes one of them in a way that is not known here.
        """
        from dvc.stage.serialize import to_lockfile
        from dvc.utils.serialize import dumps_yaml

        entries = dict(self.entries)
        for stage in stages:
            written = self.parse("schema: '2.0'\n" + dumps_yaml({"stages": to_lockfile(stage)}))
            if written is None or list(written.entries) != [stage.name]:
                return None
            entries |= written.entries
        return type(self)(entries)

    def in_order(self, names: Sequence[str]) -> Self:
        """Return the file with its entries in the order of ``names``, which are all of them."""
        return type(self)({name: self.entries[name] for name in names})

    def text(self) -> str:
        """Return the content of the file."""
        return _HEAD + "".join(self.entries.values())
