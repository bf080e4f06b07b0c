"""Training processes cannot read held-out data: Python itself refuses to open it there.

An audit hook cannot be taken out again, so once a process has forbidden the test split, no code that it
runs later, ours or another's, opens it by ``open``, ``os.open``, ``numpy.load``, ``pathlib`` or ``mmap``.
The hook does not see files opened by native code (pyarrow) or by a child process: it makes choosing on
test impossible to do by mistake, and is no lock against intent.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from irllrec.errors import DataError
from repro.layout import Layout

HELD_OUT_FILES = frozenset({"test.npz", "per_user.parquet", "top_items.npz", "metrics.json"})
"""The test split and what is computed from it, refused by name in whatever folder."""

_HELD_OUT_FOLDERS = (("data", "raw"), (".dvc", "cache"))
"""Below the checkout: raw data hold all splits, and DVC's cache holds copies of the files by hash."""

_READ_BY = frozenset({"open", "os.link", "os.rename", "os.symlink"})
"""Audit events whose first argument is a file that could then be read, if need be by another name."""

_forbidden_roots: set[str] = set()


def without_test(main: Callable[[list[str]], object]) -> Callable[[list[str]], object]:
    """Return ``main`` for a process that may not read held-out data, from before its first line on."""

    def guarded(argv: list[str]) -> object:
        forbid_test(Layout.find())
        return main(argv)

    return guarded


def forbid_test(layout: Layout) -> None:
    """Refuse held-out data of a checkout to this process, until it ends.

    Whatever opens, links or renames a file of :data:`HELD_OUT_FILES`, under its own name or through a
    symbolic link, gets a :class:`irllrec.errors.DataError`; so does whatever opens raw data or DVC's cache.
    """
    first = not _forbidden_roots
    _forbidden_roots.add(os.path.abspath(layout.root))
    if first:
        sys.addaudithook(_refuse_held_out)


def is_held_out(path: str) -> bool:
    """Return whether a file may not be read here; ``path`` is absolute and names one file."""
    return os.path.basename(path) in HELD_OUT_FILES or any(
        path.startswith(os.path.join(root, *folder, ""))
        for root in _forbidden_roots
        for folder in _HELD_OUT_FOLDERS
    )


def _refuse_held_out(event: str, arguments: tuple[Any, ...]) -> None:
    """Raise if an audited event would make held-out data readable; ignore every other event."""
    if event not in _READ_BY or isinstance(arguments[0], int) or arguments[0] is None:
        return
    named = os.path.abspath(os.fsdecode(arguments[0]))
    # DVC may keep data as links into its cache: there, only the name that was asked for tells the file.
    real = os.path.realpath(named)
    if is_held_out(named) or os.path.basename(real) in HELD_OUT_FILES:
        raise DataError(
            f"{Path(named)} is held-out data, and a training process may not read it: training and tuning "
            "choose by validation only; read test results in the stage evaluate or with `repro table`."
        )
