"""The board: a folder from which lanes take cells, and where they put what became of them.

A cell that is waiting is a file; taking it is renaming that file, which only one lane can do. So lanes may
be processes of this machine, or reach the board through an actor of a cluster. Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from repro.running.workplace import put

ATTEMPTS = 3
"""How often a cell is begun whose workers die."""

Record = dict[str, Any]


class Board:
    """Cells that wait, are taken, or are finished; one file each.

    Args:
        folder: Where it lies; made if it is not there.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        for name in ("waiting", "taken", "lanes", "results", "arrived"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    # What the command does.

    def offer(self, order: int, job: Mapping[str, Any]) -> None:
        """Let a lane take the cell ``job``; smaller ``order`` first."""
        _write(self.folder / "waiting" / f"{order:05d}.json", job)

    def share(self, files: Mapping[str, str]) -> None:
        """Let lanes that see no file of this machine fetch files: the path of each by its sha256."""
        _write(self.folder / "files.json", files)

    def close(self) -> None:
        """Let lanes end; a cell in work is interrupted."""
        (self.folder / "closed").touch()

    def lanes(self) -> dict[int, Record]:
        """Return what each lane said last."""
        return {int(path.stem): record for path, record in _records(self.folder / "lanes")}

    def results(self) -> list[Record]:
        """Return what is finished and not yet removed, the longest finished first."""
        return [record for _, record in _records(self.folder / "results")]

    def remove(self, key: str) -> None:
        """Forget the result of a cell."""
        (self.folder / "results" / f"{key}.json").unlink()

    def arrived(self, key: str) -> Path:
        """Return the folder of the files that came with a cell's result."""
        return self.folder / "arrived" / key

    def give_up_silent(self, seconds: float, since: float) -> None:
        """Let the cells of lanes wait again that have said nothing for so long: their machines are gone.

        A lane whose worker was only killed comes back by itself; one whose machine is off the network may find no
        other place.

        Args:
            seconds: How long a lane may say nothing.
            since: From when on the caller could have heard lanes, in seconds of :func:`time.time`.
        """
        for taken in sorted((self.folder / "taken").glob("*.json")):
            lane = self.folder / "lanes" / f"{taken.name.partition('-')[0]}.json"
            with contextlib.suppress(FileNotFoundError):
                silent = time.time() - max(since, lane.stat().st_mtime)
                if silent > seconds:
                    host = json.loads(lane.read_text(encoding="utf-8"))["host"]
                    self._again(taken, host, f"no word for {silent:.0f} seconds from its worker")
                    lane.unlink()

    # What lanes do.

    def start_lane(self, lane: int, host: str) -> None:
        """Begin, or begin again after the lane's process died: what it had taken waits again."""
        self.died(lane, host, "its worker was killed")
        self.tell(lane, {"host": host, "pid": os.getpid()})

    def is_closed(self) -> bool:
        """Return whether lanes are to end."""
        return (self.folder / "closed").exists()

    def take(self, lane: int, host: str) -> Record | None:
        """Return the next cell, None where none waits; one whose worker died here goes elsewhere first."""
        hosts = {record.get("host") for record in self.lanes().values()}
        waiting = list(_records(self.folder / "waiting"))
        fresh = [path for path, job in waiting if host not in job["died_on"]]
        stuck = [path for path, job in waiting if host in job["died_on"] and hosts <= set(job["died_on"])]
        for path in (*fresh, *stuck):
            taken = self.folder / "taken" / f"{lane:03d}-{path.name}"
            with contextlib.suppress(FileNotFoundError):
                path.rename(taken)
                job: Record = json.loads(taken.read_text(encoding="utf-8"))
                return job
        return None

    def tell(self, lane: int, record: Mapping[str, Any]) -> None:
        """Say what the lane does."""
        _write(self.folder / "lanes" / f"{lane:03d}.json", record)

    def fetch(self, hashes: Sequence[str]) -> list[bytes]:
        """Return the bytes of shared files by their sha256."""
        files = json.loads((self.folder / "files.json").read_text(encoding="utf-8"))
        return [Path(files[one]).read_bytes() for one in hashes]

    def finish(self, lane: int, result: Mapping[str, Any], files: Mapping[str, bytes] | None = None) -> None:
        """Put down the result of the cell that the lane took, with the files that come with it."""
        folder = self.arrived(result["key"])
        for name, content in (files or {}).items():
            path = folder / name
            if ".." in path.relative_to(folder).parts:
                raise ValueError(f"{name} leads out of the folder of the cell")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        _write(self.folder / "results" / f"{result['key']}.json", result)
        for path in (self.folder / "taken").glob(f"{lane:03d}-*.json"):
            path.unlink(missing_ok=True)

    def died(self, lane: int, host: str, reason: str) -> None:
        """Let the cell that the lane took wait again, since its process died."""
        for path in sorted((self.folder / "taken").glob(f"{lane:03d}-*.json")):
            self._again(path, host, reason)

    def _again(self, taken: Path, host: str, reason: str) -> None:
        job = json.loads(taken.read_text(encoding="utf-8"))
        job["attempt"] += 1
        job["died_on"] = [*job["died_on"], host]
        job["deaths"] = [*job["deaths"], f"{reason} on {host}"]
        if job["attempt"] > ATTEMPTS:
            told = {"key": job["key"], "ok": False, "code": 1, "sentence": None, "deaths": job["deaths"]}
            _write(self.folder / "results" / f"{job['key']}.json", told)
        else:
            _write(self.folder / "waiting" / taken.name.partition("-")[2], job)
        taken.unlink(missing_ok=True)


def _records(folder: Path) -> Iterator[tuple[Path, Record]]:
    """Yield the readable files of a folder by name; others may take them away meanwhile."""
    for path in sorted(folder.glob("*.json")):
        with contextlib.suppress(FileNotFoundError):
            yield path, json.loads(path.read_text(encoding="utf-8"))


def _write(path: Path, record: Mapping[str, Any]) -> None:
    put(path, json.dumps(record).encode("utf-8"))
