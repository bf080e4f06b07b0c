"""Makes docs/cli.md from the real help texts: ``python -m repro.cli_page > docs/cli.md``."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any

_WIDTH = "88"
_INTRODUCTION = """\
# The command line

Made from the help texts by `python -m repro.cli_page > docs/cli.md`; a test keeps it current.

Answers go to stdout, logs and progress to stderr. Exit codes: 0 done, 1 a mistake that one line on
stderr names with its fix, 2 a bug of ours (its details lie in `.repro/logs`), 130 stopped by Ctrl-C.
`-q` and `-v` may stand anywhere.
"""


def page() -> str:
    """Return the page: one section for each command, with what ``--help`` prints."""
    from repro.cli import build_command

    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = _WIDTH
    try:
        sections = [_INTRODUCTION]
        for words in _commands(build_command(), []):
            title = " ".join(["repro", *words])
            sections.append(f"## {title}\n\n```\n{_help(words)}```\n")
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before
    return "\n".join(sections)


def _commands(command: Any, words: list[str]) -> Iterator[list[str]]:
    yield words
    for name, part in getattr(command, "commands", {}).items():
        yield from _commands(part, [*words, name])


def _help(words: list[str]) -> str:
    from repro.cli import run

    answer = io.StringIO()
    with contextlib.redirect_stdout(answer):
        code = run([*words, "--help"])
    assert code == 0, words
    return answer.getvalue()


if __name__ == "__main__":
    sys.stdout.write(page())
