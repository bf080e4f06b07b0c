"""The tables of docs/reliability.md, between two markers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from irllrec.data.storage import write_text
from tests.faults.campaign import Trial
from tests.faults.commands import ALL
from tests.faults.comparing import MAY_DIFFER
from tests.faults.disturbances import Other

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
OTHERS_HEAD = "| fault | command | what it said | afterwards |"


def write_page(path: Path, trials: Sequence[Trial], others: Sequence[Other]) -> None:
    """Put the figures into the page; where no other faults were tried, the page keeps what it says of them.

    Raises:
        ValueError: If the page has not the two markers.
    """
    text = path.read_text(encoding="utf-8")
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path}: {BEGIN} or {END} is missing")
    earlier = [part for part in rest.split("\n\n") if part.startswith(OTHERS_HEAD)]
    faults = others_table(others) or "\n\n".join(earlier)
    parts = [kills_table(trials), hits_sentence(trials), faults, reasons_table()]
    write_text(path, "\n\n".join([head + BEGIN, *filter(None, parts), END + tail]))


def kills_table(trials: Sequence[Trial]) -> str:
    """Return kills, steps done by hand, losses and differences of each command."""
    rows = [
        "| command | kills | all of it | the command alone | a process below | by hand | losses | differences |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    total = [0] * 7
    for command in ALL:
        of = [trial for trial in trials if trial.command == command.name]
        kinds = Counter(kind for trial in of for kind in trial.kinds)
        figures = [sum(trial.kills for trial in of), kinds["group"], kinds["leader"], kinds["below"]]
        counted = ("by_hand", "losses", "differences")
        figures += [sum(bool(getattr(trial, found)) for trial in of) for found in counted]
        total = [one + more for one, more in zip(total, figures, strict=True)]
        rows.append(f"| `{command.name}` | {' | '.join(map(str, figures))} |")
    rows.append(f"| **all** | {' | '.join(f'**{figure}**' for figure in total)} |")
    return "\n".join(rows)


def hits_sentence(trials: Sequence[Trial]) -> str:
    """Return what was at work when the kills came."""
    hits = Counter(hit for trial in trials for hit in trial.hits)
    twice = sum(trial.kills > 1 for trial in trials)
    places = ", ".join(f"{hit} {count}" for hit, count in hits.most_common())
    return f"At work when the kill came: {places}. In {twice} trials the re-run was killed too."


def others_table(others: Sequence[Other]) -> str:
    """Return what came of the other faults; empty where none was tried."""
    if not others:
        return ""
    rows = [OTHERS_HEAD, "|---|---|---|---|"]
    for other in others:
        outcome = "same bytes" if not other.trouble else "; ".join(other.trouble)[:300]
        outcome = f"skipped: {other.skipped}" if other.skipped else outcome
        said = " ".join(other.said.replace("|", "\\|").split())
        rows.append(f"| {other.fault} | `{other.command}` | {_without_folders(said)} | {outcome} |")
    return "\n".join(rows)


def reasons_table() -> str:
    """Return the list of what may differ, with the reasons."""
    rows = ["| may differ | why |", "|---|---|"]
    rows += [f"| `{pattern.replace('|', ' or ')}` | {reason} |" for pattern, reason in MAY_DIFFER.items()]
    return "\n".join(rows)


def _without_folders(said: str) -> str:
    words = [f"…/{word.rsplit('/', 1)[-1]}" if word.count("/") > 2 else word for word in said.split(" ")]
    return " ".join(words)[:300]
