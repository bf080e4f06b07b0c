"""``python -m tests.hostile.campaign --minutes 20``: fuzzes every reader, each in a process of its own.

With ``atheris`` (the extra ``fuzz``) what is changed is guided by which lines of this project it reaches; without
it, changes are blind. Inputs that went wrong stay below ``--out``, and the command exits with 1.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Run the campaign and print one line a reader."""
    options = _options(arguments)
    from tests.hostile.readers import all_readers

    names = options.reader or list(all_readers())
    unknown = [name for name in names if name not in all_readers()]
    if unknown:
        print(f"there is no reader {unknown[0]!r}: choose {', '.join(all_readers())}.", file=sys.stderr)
        return 1
    engine = options.engine or ("atheris" if importlib.util.find_spec("atheris") else "blind")
    out = options.out or Path(tempfile.mkdtemp(prefix="hostile-campaign-"))
    seconds = options.minutes * 60 / len(names)
    print(f"{len(names)} readers, {seconds:.0f} s each, engine {engine}, results in {out}", flush=True)
    print("| reader | executions | seconds | slowest (s) | peak (MB) | crashes |\n|---|--:|--:|--:|--:|--:|")
    found = [_fuzz(name, out, seconds, engine, options.seed) for name in names]
    crashes = sum(len(record["crashes"]) for record in found)
    executions = sum(record["executions"] for record in found)
    minutes = sum(record["seconds"] for record in found) / 60
    print(f"| all | {executions:,} | {minutes * 60:,.0f} | | | {crashes} |")
    for record in found:
        for wrong, place in record["crashes"].items():
            print(f"{record['name']}: {wrong}: {place}")
    return 1 if crashes else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile.campaign", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="for all readers together")
    parser.add_argument("--reader", action="append", help="only this one; may be repeated")
    parser.add_argument("--engine", choices=["atheris", "blind"])
    parser.add_argument("--seed", type=int, default=1, help="of the blind engine")
    parser.add_argument("--out", type=Path, help="folder for figures and for what went wrong")
    return parser.parse_args(arguments)


def _fuzz(name: str, out: Path, seconds: float, engine: str, seed: int) -> dict[str, Any]:
    """Fuzz one reader until its time is over; a process that dies is a crash, and another goes on."""
    record: dict[str, Any] = {"name": name, "executions": 0, "seconds": 0.0, "crashes": {}}
    slowest, peak, started, attempt = 0.0, 0, time.monotonic(), 0
    while (left := seconds - (time.monotonic() - started)) > 0.5:
        folder = out / name.replace(" ", "-") / str(attempt)
        folder.mkdir(parents=True)
        words = ["-m", "tests.hostile.worker", name, str(folder), f"{left:.1f}", engine, str(seed + attempt)]
        with (folder / "log").open("wb") as log:
            code = _end_of([sys.executable, *words], left + 90, log)
        part = _figures(folder)
        record["executions"] += part.get("executions", 0)
        slowest = max(slowest, part.get("slowest_seconds", 0.0))
        peak = max(peak, part.get("peak_bytes", 0))
        for wrong, place in part.get("crashes", {}).items():
            record["crashes"].setdefault(wrong, str(folder / f"crash-{place}"))
        if code:
            record["crashes"].setdefault(f"the process ended with {code}", str(folder / "current"))
        attempt += 1
    record["seconds"] = time.monotonic() - started
    print(
        f"| {name} | {record['executions']:,} | {record['seconds']:.0f} | {slowest:.2f} | {peak / 1e6:,.0f} | "
        f"{len(record['crashes'])} |",
        flush=True,
    )
    return record


def _end_of(words: list[str], seconds: float, log: Any) -> int | str:
    try:
        return subprocess.run(
            words, cwd=ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL, timeout=seconds, check=False
        ).returncode
    except subprocess.TimeoutExpired:
        return "no answer"


def _figures(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / "figures.json").read_text())
    except (OSError, ValueError):
        return {}
    return found


if __name__ == "__main__":
    sys.exit(main())
