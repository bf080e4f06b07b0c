"""Faults other than kills: a full disk, a folder that is read-only, a mirror that breaks off, a wrong clock."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.campaign import Campaign, Undisturbed
from tests.faults.commands import Disturbed
from tests.faults.comparing import differences, half_written, snapshot
from tests.faults.killing import of_one_sentence
from tests.faults.scratch import copy, run

ROOMS = (16, 128, 512)
"""KiB that are left on the full disk: too little at the start, in the middle, and near the end."""

_YEAR_SECONDS = 365 * 86400.0


@dataclass
class Other:
    """What came of one fault.

    Attributes:
        fault: Its name.
        command: What was run.
        said: What the command said of it.
        trouble: What was not as it should be; empty where all was.
        skipped: Why it could not be tried here.
    """

    fault: str
    command: str
    said: str = ""
    trouble: list[str] = field(default_factory=list)
    skipped: str = ""


def disturb(campaign: Campaign, commands: Sequence[Disturbed]) -> list[Other]:
    """Return what came of every fault on each of ``commands``."""
    found: list[Other] = []
    for command in commands:
        found += [_full_disk(campaign, command, room) for room in ROOMS]
        found.append(_read_only(campaign, command))
        found.append(_wrong_clock(campaign, command))
        if "{mirror}" in command.words:
            found += [_broken_mirror(campaign, command, drops) for drops in (2, 1000)]
    return found


def _full_disk(campaign: Campaign, command: Disturbed, room: int) -> Other:
    """Run on a small file system, give it room, and run again."""
    other = Other(f"disk full, {room} KiB left", command.name)
    undisturbed = campaign.undisturbed(command)
    place = campaign.folder / "full"
    with _mounted(place, other, "-t", "tmpfs", "-o", "size=1g", "tmpfs") as mounted:
        if mounted:
            root = place / "checkout"
            copy(undisturbed.start, root)
            used = int(subprocess.check_output(["df", "-k", "--output=used", str(place)]).split()[-1])
            _mount("-o", f"remount,size={used + room}k", str(place))
            _fails_then_ends_alike(
                campaign, command, root, other, lambda: _mount("-o", "remount,size=1g", str(place))
            )
    return other


def _read_only(campaign: Campaign, command: Disturbed) -> Other:
    other = Other("checkout read-only", command.name)
    undisturbed = campaign.undisturbed(command)
    root = campaign.folder / "read-only"
    copy(undisturbed.start, root)
    with _mounted(root, other, "--bind", str(root)) as mounted:
        if mounted:
            _mount("-o", "remount,bind,ro", str(root))
            _fails_then_ends_alike(
                campaign, command, root, other, lambda: _mount("-o", "remount,bind,rw", str(root))
            )
    _remove(root)
    return other


def _wrong_clock(campaign: Campaign, command: Disturbed) -> Other:
    """Run among files and records that are dated a year ahead, as after a clock that was set back."""
    other = Other("clock set back by a year", command.name)
    undisturbed = campaign.undisturbed(command)
    root = campaign.folder / "clock"
    copy(undisturbed.start, root)
    ahead = time.time() + _YEAR_SECONDS
    for path in root.rglob("*"):
        if path.suffix != ".pyc":
            os.utime(path, (ahead, ahead), follow_symlinks=False)
    lock = root / ".repro" / "checkout.lock"
    lock.parent.mkdir(exist_ok=True)
    since = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(ahead))
    lock.write_text(json.dumps({"command": "repro demo", "pid": 1, "host": "x", "user": "x", "since": since}))
    _ends_alike(campaign, command, root, other, undisturbed)
    _remove(root)
    return other


def _broken_mirror(campaign: Campaign, command: Disturbed, drops: int) -> Other:
    """Let the mirror break off in the middle of files: now and then, or until the command gives up."""
    other = Other(f"mirror breaks off {'twice' if drops == 2 else 'for ever'}", command.name)
    undisturbed = campaign.undisturbed(command)
    root = campaign.folder / "broken-mirror"
    copy(undisturbed.start, root)
    campaign.servers.drops = drops
    if drops == 2:
        _ends_alike(campaign, command, root, other, undisturbed)
    else:

        def mend() -> None:
            campaign.servers.drops = 0

        _fails_then_ends_alike(campaign, command, root, other, mend)
    campaign.servers.drops = 0
    _remove(root)
    return other


def _fails_then_ends_alike(
    campaign: Campaign, command: Disturbed, root: Path, other: Other, mend: Callable[[], None]
) -> None:
    undisturbed = campaign.undisturbed(command)
    done = run(root, *campaign.words(command))
    lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
    other.said = lines[-1] if lines else ""
    if done.returncode == 0:
        other.said = "the command needed no more than there was"
    elif done.returncode not in (1, 255) or not of_one_sentence(done.stderr):
        other.trouble.append(f"ended with {done.returncode}: {done.stderr[-1500:]}")
    other.trouble += half_written(root, [undisturbed.before, undisturbed.after])
    mend()
    if done.returncode == 0:
        other.trouble += differences(snapshot(root), undisturbed.after)
    else:
        _ends_alike(campaign, command, root, other, undisturbed)


def _ends_alike(
    campaign: Campaign, command: Disturbed, root: Path, other: Other, undisturbed: Undisturbed
) -> None:
    done = run(root, *campaign.words(command))
    if done.returncode != 0 or not of_one_sentence(done.stderr):
        other.trouble.append(f"the run after it ended with {done.returncode}: {done.stderr[-1500:]}")
    other.trouble += differences(snapshot(root), undisturbed.after)


@contextmanager
def _mounted(place: Path, other: Other, *words: str) -> Iterator[bool]:
    """Mount at ``place`` for the time being; where that is not allowed, say so and yield False."""
    place.mkdir(exist_ok=True)
    try:
        _mount(*words, str(place))
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        other.skipped = str(getattr(error, "stderr", "") or error).strip()
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=False)


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True, text=True)


def _remove(root: Path) -> None:
    subprocess.run(["rm", "-rf", str(root)], check=False)
