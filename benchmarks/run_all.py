"""Measures every row of the performance table, each in a process of its own.

    python -m benchmarks.run_all --sizes 0.25 1 4 --text 384 1536 --name two-cores

Writes benchmarks/results/NAME.json and NAME.md, the table for docs/performance.md. ``--only-memory`` measures
our peaks of the rows that are there again, which other work on the machine does not disturb.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.components import COMPONENTS
from benchmarks.step import RESULTS, ROOT
from repro import provenance

ROWS = {
    "lightgcn irllrec": ("--backbone=lightgcn", "--objective=irllrec"),
    "lightgcn irllrec as released": ("--backbone=lightgcn", "--objective=irllrec", "--fidelity=code"),
    "lightgcn irllrec fast": ("--backbone=lightgcn", "--objective=irllrec", "--precision=fast"),
    "lightgcn rlmrec-con fast": ("--backbone=lightgcn", "--objective=rlmrec-con", "--precision=fast"),
    "lightgcn rlmrec-con": ("--backbone=lightgcn", "--objective=rlmrec-con"),
    "lightgcn base": ("--backbone=lightgcn", "--objective=base"),
    "dccf irllrec": ("--backbone=dccf", "--objective=irllrec"),
    "bigcf irllrec": ("--backbone=bigcf", "--objective=irllrec"),
    "sgl irllrec": ("--backbone=sgl", "--objective=irllrec"),
    "simgcl irllrec": ("--backbone=simgcl", "--objective=irllrec"),
    **{name: (f"--what={name}",) for name in COMPONENTS},
    "evaluation": ("--what=evaluation",),
    "sampling": ("--what=sampling",),
}
WITHOUT_TEXT = ("lightgcn base", "evaluation", "sampling", *(name for name in COMPONENTS if name != "tower"))
HEAD = "| what | size | D | plain s | ours s | plain / ours | plain GiB | ours GiB |"


def main(argv: Sequence[str] | None = None) -> None:
    """Measure the chosen rows at the chosen sizes; the files grow with every row."""
    options = _parser().parse_args(argv)
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{options.name}.json"
    records: list[dict[str, Any]] = []
    if (options.add or options.only_memory) and path.is_file():
        records = json.loads(path.read_text(encoding="utf-8"))
    if options.only_memory:
        for record in records:
            if record["row"] in options.rows and record["size"] in options.sizes:
                _measure_memory(record)
                _write(records, RESULTS / options.name)
        print(markdown(records))
        return
    for size in options.sizes:
        for row in options.rows:
            # What reads no text is measured once a size.
            for text in options.text[:1] if row in WITHOUT_TEXT else options.text:
                print(f"{row}, size {size:g}, text {text}", file=sys.stderr, flush=True)
                records = [
                    one for one in records if (one["row"], one["size"], one["text"]) != (row, size, text)
                ]
                records.append(_measure(row, size, text, options))
                _write(records, RESULTS / options.name)
    print(markdown(records))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run_all", description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=float, nargs="+", default=[1.0])
    parser.add_argument("--text", type=int, nargs="+", default=[1536], help="sizes of a text vector")
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS), metavar="ROW")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--only-memory", action="store_true", help="our peaks of rows that are there, again")
    parser.add_argument("--add", action="store_true", help="keep the other rows of the files")
    parser.add_argument("--name", default="latest", help="of the two files; git ignores latest*")
    return parser


def _measure(row: str, size: float, text: int, options: argparse.Namespace) -> dict[str, Any]:
    """Return the row's record; one that failed says so in its note."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "record.json"
        command = [sys.executable, "-m", "benchmarks.step", *ROWS[row], f"--size={size}", f"--text={text}"]
        command += [f"--repeats={options.repeats}", f"--json={path}"]
        command += ["--no-memory"] if options.no_memory else []
        command += [] if options.threads is None else [f"--threads={options.threads}"]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
        if done.returncode == 0:
            return {"row": row, **json.loads(path.read_text(encoding="utf-8"))}
    note = f"ended with code {done.returncode}"
    return {"row": row, "size": size, "text": text, "plain": None, "ours": None, "ratio": None, "note": note}


def _measure_memory(record: dict[str, Any]) -> None:
    """Replace our peak in a record that has one, and note the commit it is of."""
    if record["ours"] is None or "peak_bytes" not in record["ours"]:
        return
    command = [sys.executable, "-m", "benchmarks.step", *ROWS[record["row"]], "--memory-of=ours"]
    command += [f"--size={record['size']}", f"--text={record['text']}"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    record["ours"] |= json.loads(done.stdout.splitlines()[-1])
    record["memory_commit"] = provenance.commit(ROOT)


def _write(records: list[dict[str, Any]], start: Path) -> None:
    start.with_name(f"{start.name}.json").write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
    start.with_name(f"{start.name}.md").write_text(markdown(records) + "\n", encoding="utf-8")


def markdown(records: Sequence[dict[str, Any]]) -> str:
    """Return the table: medians, the turns' ratios with least and most, peak memory."""
    columns = HEAD.count("|") - 1
    lines = [HEAD, "|---" + "|---:" * (columns - 1) + "|"]
    for record in records:
        found, note = record["ratio"], record.get("note")
        text = "–" if record["row"] in WITHOUT_TEXT else str(record["text"])
        middle = f"{found['median']:.1f} ({found['least']:.1f}–{found['most']:.1f})" if found else note or "–"
        sides = (record["plain"], record["ours"])
        cells = [record["row"], f"{record['size']:g}", text, *map(_seconds, sides), middle]
        lines.append("| " + " | ".join([*cells, *map(_gibibytes, sides)]) + " |")
    return "\n".join(lines)


def _seconds(side: dict[str, Any] | None) -> str:
    """Return three significant digits."""
    return "–" if side is None else f"{side['median_seconds']:#.3g}".rstrip(".")


def _gibibytes(side: dict[str, Any] | None) -> str:
    return "–" if side is None or "peak_bytes" not in side else f"{side['peak_bytes'] / 2**30:.2f}"


if __name__ == "__main__":
    main()
