"""The first words of a report: what was judged, on what, what came out, and what to hold against it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from repro.report.evidence import Evidence
from repro.report.model import Judged
from repro.statistics.claims import VERDICTS

_WITHOUT_MODEL = {"extractive", "titles"}


def title(evidence: Evidence) -> str:
    """Return the title of the page."""
    return f"IRLLRec, reproduced: {', '.join(evidence.datasets)}"


def lead(evidence: Evidence, claims: Sequence[Judged]) -> tuple[str, ...]:
    """Return the first paragraphs; the counts of verdicts come first."""
    told = (_counts(claims), _basis(evidence), _age(evidence), _text(evidence))
    return tuple(text for text in told if text)


def _counts(claims: Sequence[Judged]) -> str:
    """Return how many claims came out which way, data set by data set."""
    if not claims:
        return "No claim was judged."
    outcomes: dict[str, Counter[str]] = {}
    for claim in claims:
        for verdict in claim.verdicts:
            outcomes.setdefault(verdict.place.partition("/")[0], Counter())[verdict.verdict] += 1
    told = [
        f"on {dataset}, of {counts.total()} claims {', '.join(f'{counts[v]} {v}' for v in VERDICTS if counts[v])}"
        for dataset, counts in outcomes.items()
    ]
    sentence = "; ".join(told)
    return (
        f"{sentence[0].upper()}{sentence[1:]}. Every verdict is computed from stored per-user results by the rule of "
        "claims.yaml; none was written by hand."
    )


def _basis(evidence: Evidence) -> str:
    """Return how many cells, seeds and users stand behind the page."""
    parts = []
    for name in evidence.datasets:
        cells = evidence.of(name)
        if not cells:
            parts.append(f"{name}: no evaluated cell")
            continue
        seeds = sorted({len(cell.seeds) for cell in cells})
        told = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
        users = max(len(cell.users) for cell in cells)
        parts.append(
            f"{name}: {len(cells)} cell{'s' * (len(cells) != 1)}, {told} seed{'s' * (seeds != [1])} each, "
            f"{users:,} test users"
        )
    done, total = len(evidence.cells), len(evidence.cells) + len(evidence.absent) + len(evidence.gaps)
    missing = (
        ""
        if done == total
        else f" {done} of the grid's {total} cells are evaluated; the rest is named below."
    )
    return f"{'; '.join(parts)}.{missing}"


def _age(evidence: Evidence) -> str:
    if not evidence.stale:
        return ""
    return (
        f"Out of date: the results of {', '.join(evidence.stale)} are older than the code or the settings. They are "
        f"shown as they lie here; `{evidence.command}` makes them anew."
    )


def _text(evidence: Evidence) -> str:
    """Return the warning that is due where no language model read the text, or the data are made up."""
    told = []
    made_up = [name for name in evidence.datasets if name in evidence.params.generated]
    if made_up:
        told.append(
            f"{', '.join(made_up)}: a generated data set with planted intents; it shows that the pipeline works, not "
            "that the method does."
        )
    summarizers = {cell.run["text"].get("summarizer") for cell in evidence.cells if cell.run.get("text")}
    plain = sorted(str(name) for name in summarizers & _WITHOUT_MODEL)
    if plain:
        told.append(
            f"Text here was summarized without a language model ({', '.join(plain)}), which is not what the paper does."
        )
    return " ".join(told)
