"""Writes the measured parts of docs/performance.md and its plot from records of run_all and seeds.

    python -m benchmarks.page two-cores

Reads benchmarks/results/NAME.json and NAME-seeds.json; replaces what stands between the page's markers
``<!-- measured: PART -->`` and ``<!-- end -->``, and writes docs/performance.svg.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

from benchmarks.components import COMPONENTS
from benchmarks.run_all import markdown
from benchmarks.step import RESULTS, ROOT

PAGE, PLOT = ROOT / "docs" / "performance.md", ROOT / "docs" / "performance.svg"
SHOWN = ("lightgcn irllrec", "lightgcn irllrec fast", "lightgcn rlmrec-con", "lightgcn base")
Record = Mapping[str, Any]


def main(argv: Sequence[str] | None = None) -> None:
    """Fill the page and draw its plot."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__.splitlines()[0])
    parser.add_argument("name", help="of the records in benchmarks/results/")
    name = parser.parse_args(argv).name
    records = _read(RESULTS / f"{name}.json")
    parts = {
        "machine": _machine(records),
        "steps": markdown([record for record in records if record["row"] not in COMPONENTS]),
        "components": _components([record for record in records if record["row"] in COMPONENTS]),
    }
    seeds = RESULTS / f"{name}-seeds.json"
    if seeds.is_file():
        parts["seeds"] = _seeds(_read(seeds))
    text = PAGE.read_text(encoding="utf-8")
    for part, content in parts.items():
        text = filled(text, part, content)
    PAGE.write_text(text, encoding="utf-8")
    _draw(records)


def filled(text: str, part: str, content: str) -> str:
    """Return the page with other content between the markers of a part.

    Raises:
        SystemExit: If the page has no such part.
    """
    pattern = re.compile(rf"(<!-- measured: {part} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"{PAGE}: there is no <!-- measured: {part} --> … <!-- end -->: add it.")
    return pattern.sub(lambda found: found[1] + content + "\n" + found[2], text)


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _machine(records: Sequence[Record]) -> str:
    found = [record["machine"] for record in records if record.get("machine")]
    first, rates = found[0], [(one["gemm_gflops"], one["exp_giga_per_second"]) for one in found]
    gemm, exp = (sorted(values)[len(values) // 2] for values in zip(*rates, strict=True))
    commits = sorted({str(record["commit"])[:10] for record in records if record.get("commit")})
    return (
        f"{first['processor']}, {first['cores']} cores, {first['threads']} threads, torch "
        f"{next(r['versions']['torch'] for r in records if r.get('versions'))}. Matrix products "
        f"{gemm:.0f} GFLOP/s (least {min(g for g, _ in rates):.0f}, most {max(g for g, _ in rates):.0f}), "
        f"`torch.exp` {exp:.2f} · 10⁹/s, medians of {len(rates)} measurements beside the rows below. "
        f"Commit {', '.join(commits)}."
    )


def _components(records: Sequence[Record]) -> str:
    lines = ["| part | size | D | plain s | ours s | plain / ours | products alone s | `torch.exp` alone s |"]
    lines.append("|---" + "|---:" * 7 + "|")
    for record in records:
        if record.get("ours") is None or record.get("ratio") is None:
            continue
        machine, work = record["machine"], record["operations"]
        products = work["products"] / machine["gemm_gflops"] / 1e9
        exponentials = work["exponentials"] / machine["exp_giga_per_second"] / 1e9
        cells = [
            record["row"],
            f"{record['size']:g}",
            str(record["text"]) if record["row"] == "tower" else "–",
            f"{record['plain']['median_seconds']:.3g}",
            f"{record['ours']['median_seconds']:.3g}",
            f"{record['ratio']['median']:.1f}",
            f"{products:.2g}",
            f"{exponentials:.2g}" if exponentials else "–",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _seeds(record: Record) -> str:
    found = record["ratio"]
    return (
        f"{record['seeds']} seeds of {record['backbone']} × {record['objective']} at size {record['size']:g}, "
        f"D {record['text']}, {record['epochs']} epochs each, by {record['workers']} workers: "
        f"**{found['median']:.2f}** times as long as one seed ({found['least']:.2f}–{found['most']:.2f} over "
        f"{len(record['seconds']['one'])} turns), start of the workers included."
    )


def _draw(records: Sequence[Record]) -> None:
    """Draw seconds a step over nodes, both sides, logarithmic on both axes."""
    mpl.rcParams["svg.hashsalt"] = "irllrec-repro"
    figure, axes = plt.subplots(figsize=(8.4, 4.2), layout="constrained")
    deepest = max(record["text"] for record in records)
    for row, colour in zip(SHOWN, ("tab:blue", "tab:orange", "tab:green", "tab:red"), strict=False):
        mine = [r for r in records if r["row"] == row and r["text"] in (deepest, records[0]["text"])]
        mine = [r for r in mine if r["text"] == deepest] or mine
        for side, style in (("plain", "--"), ("ours", "-")):
            points = sorted(
                (r["users"] + r["items"], r[side]["median_seconds"]) for r in mine if r.get(side) is not None
            )
            if points and not (side == "plain" and row.endswith("fast")):
                axes.plot(*zip(*points, strict=True), style, marker="o", color=colour, label=f"{row}, {side}")
    axes.set(xscale="log", yscale="log", xlabel="users and items", ylabel="seconds a training step")
    axes.grid(visible=True, which="both", alpha=0.25)
    figure.legend(fontsize=8, loc="outside right upper", frameon=False)
    figure.savefig(PLOT, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
