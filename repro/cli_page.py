"""Makes docs/cli.md from the real help texts: ``python -m repro.cli_page > docs/cli.md``."""

from __future__ import annotations

import os
import subprocess
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

    sections = [_INTRODUCTION]
    for words in _commands(build_command(), []):
        title = " ".join(["repro", *words])
        sections.append(f"## {title}\n\n```\n{_help(words)}```\n")
    return "\n".join(sections)


def _commands(command: Any, words: list[str]) -> Iterator[list[str]]:
    yield words
    for name, part in getattr(command, "commands", {}).items():
        yield from _commands(part, [*words, name])


def _help(words: list[str]) -> str:
    program = f"import sys; from repro.cli import run; sys.exit(run({[*words, '--help']!r}))"
    environment = {**os.environ, "COLUMNS": _WIDTH, "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


if __name__ == "__main__":
    sys.stdout.write(page())
