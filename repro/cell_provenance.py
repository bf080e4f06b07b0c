"""Where the results of each cell are from: commit, settings, text, hashes."""

from __future__ import annotations

from collections.abc import Sequence

from repro.analysis import facts_of
from repro.provenance import sha256_of_file
from repro.results import CellResult
from repro.tables.model import Block, Entry, Group, Line, Record, Table

_COLUMNS = ("cell", "seeds", "settings", "fidelity", "text", "device", "commit", "params", "data", "results")
_DIGITS = 10


def provenance_table_of(cells: Sequence[CellResult]) -> Table:
    """Return one row a cell: how it was trained, from which commit, and the hashes of what went in and out."""
    records = [_record(cell) for cell in cells]
    lines = tuple(Line(tuple(Entry(text) for text in _shown(record))) for record in records)
    versions = _versions(cells)
    told = ", ".join(f"{name} {version}" for name, version in versions[0].items()) if versions else ""
    return Table(
        title="Where the results are from",
        columns=_COLUMNS,
        label_count=1,
        blocks=(Block("", (Group("", lines),)),),
        notes=(
            f"Hashes are sha256, the first {_DIGITS} digits; the CSV has them whole. params: the settings of the "
            "cell; data: its training inputs; results: per_user.parquet, from which every figure here is computed.",
            *([f"Versions: {told}."] if len(versions) == 1 else []),
            *(
                [f"The cells were made under {len(versions)} sets of versions; the CSV has them."]
                * (len(versions) > 1)
            ),
        ),
        records=tuple(records),
    )


def _record(cell: CellResult) -> Record:
    run, facts = cell.run, facts_of(cell.run)
    text = run.get("text")
    return {
        "cell": cell.name,
        "seeds": " ".join(str(seed) for seed in cell.seeds),
        "users": len(cell.users),
        "settings": facts["settings"],
        "fidelity": facts["fidelity"],
        "precision": facts["precision"],
        "summarizer": facts["summarizer"],
        "embedder": facts["embedder"],
        "text": f"{facts['summarizer']} + {facts['embedder']}" if text else "–",
        "device": str(run.get("device", "–")),
        "commit": str(run.get("commit") or "–"),
        "params_sha256": str(run.get("params_sha256") or "–"),
        "data_sha256": str(run.get("data_sha256") or "–"),
        "results_sha256": sha256_of_file(cell.folder / "per_user.parquet"),
        "versions": " ".join(f"{name}=={one}" for name, one in (run.get("versions") or {}).items()),
    }


def _shown(record: Record) -> list[str]:
    names = ("cell", "seeds", "settings", "fidelity", "text", "device", "commit")
    hashes = ("params_sha256", "data_sha256", "results_sha256")
    commit, _, state = str(record["commit"]).partition("+")
    shown = {name: str(record[name]) for name in names} | {
        "seeds": str(len(str(record["seeds"]).split())),
        "commit": commit[:_DIGITS] + (f"+{state}" if state else ""),
    }
    return [*shown.values(), *(str(record[name])[:_DIGITS] for name in hashes)]


def _versions(cells: Sequence[CellResult]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for cell in cells:
        versions = dict(cell.run.get("versions") or {})
        if versions and versions not in found:
            found.append(versions)
    return found
