"""Kill commands at random moments, run them again, and count what was lost or came out otherwise."""

from __future__ import annotations

import json
import random
import shutil
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.faults.commands import Disturbed
from tests.faults.comparing import Snapshot, differences, half_written, snapshot
from tests.faults.killing import KINDS, kill_at, of_one_sentence
from tests.faults.scratch import copy, run
from tests.faults.servers import Servers

DONE = "exists already: "
"""What fetch and import say where the kill came after all was done; the bytes tell whether it was."""

OWN_RECORD = "Unable to read RWLock-file '.dvc/tmp/rwlock'"
"""What plain DVC says of the half record that plain DVC left; `repro doctor` names the file to remove."""

KILLS = (1, 2, 3)
"""How often a command is killed, drawn for each trial, before it is left to end."""


@dataclass(frozen=True)
class Trial:
    """One checkout that was disturbed by one or two kills.

    Attributes:
        command: Its name.
        kills: How many there were: none where the command ended before the moment.
        kinds: Of each kill.
        hits: What was at work at each kill.
        moments: Of each kill, in parts of the undisturbed duration.
        losses: What was half-written, orphaned, told with a traceback, or could not be run again.
        differences: What differs from an undisturbed run after the re-run.
        by_hand: What had to be done by hand before the re-run could begin.
    """

    command: str
    kills: int
    kinds: list[str] = field(default_factory=list)
    hits: list[str] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    by_hand: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Undisturbed:
    """A command's undisturbed run: what it started from, what it ended with, and how long it took."""

    start: Path
    before: Snapshot
    after: Snapshot
    seconds: float


class Campaign:
    """Trials of several commands, side by side in scratch folders."""

    def __init__(self, folder: Path, starts: dict[str, Path], servers: Servers, seed: int) -> None:
        """Prepare a campaign.

        Args:
            folder: For the scratch checkouts.
            starts: The checkouts that commands start from.
            servers: Running.
            seed: Of all draws.
        """
        self.folder, self.starts, self.servers, self.seed = folder, starts, servers, seed
        self._undisturbed: dict[str, Undisturbed] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def words(self, command: Disturbed) -> tuple[str, ...]:
        """Return the command with the address of the mirror filled in."""
        return tuple(word.replace("{mirror}", self.servers.url) for word in command.words)

    def undisturbed(self, command: Disturbed) -> Undisturbed:
        """Return the undisturbed run of a command, made once.

        Raises:
            RuntimeError: If it fails.
        """
        with self._guard:
            lock = self._locks.setdefault(command.name, threading.Lock())
        with lock:
            if command.name not in self._undisturbed:
                start = self.starts[command.start]
                root = self.folder / f"undisturbed-{command.name.replace(' ', '-')}"
                copy(start, root)
                ended = kill_at(root, self.words(command), 3600, "group", 0)
                if ended.code != 0:
                    raise RuntimeError(f"{command.name} fails undisturbed: {ended.said}")
                self._undisturbed[command.name] = Undisturbed(
                    start, snapshot(start), snapshot(root), ended.seconds
                )
            return self._undisturbed[command.name]

    def trial(self, command: Disturbed, number: int) -> Trial:
        """Disturb a command once; the draws depend on the seed, the command and the number alone."""
        undisturbed = self.undisturbed(command)
        draw = random.Random(f"{self.seed}/{command.name}/{number}")
        root = self.folder / f"trial-{command.name.replace(' ', '-')}-{number}"
        copy(undisturbed.start, root)
        trial = Trial(command.name, 0)
        kills = draw.choice(KILLS)
        count = 0
        for _ in range(kills):
            share, kind = draw.random(), draw.choice(KINDS)
            killed = kill_at(
                root, self.words(command), share * undisturbed.seconds, kind, draw.randrange(1 << 16)
            )
            if not killed.in_time:
                break
            count += 1
            trial.kinds.append(kind)
            trial.hits.append(killed.hit)
            trial.moments.append(round(share, 3))
            trial.losses.extend(f"orphan: {name}" for name in killed.orphans)
            if not of_one_sentence(killed.said):
                trial.losses.append(f"not one sentence: {killed.said[-1500:]}")
            trial.losses.extend(half_written(root, [undisturbed.before, undisturbed.after]))
        again = run(root, *self.words(command))
        if command.words[0] == "dvc" and OWN_RECORD in again.stderr:
            (root / ".dvc" / "tmp" / "rwlock").unlink()
            trial.by_hand.append("rm .dvc/tmp/rwlock")
            again = run(root, *self.words(command))
        if not (again.returncode == 0 or DONE in again.stderr) or not of_one_sentence(again.stderr):
            trial.losses.append(f"the re-run ended with {again.returncode}: {again.stderr[-1500:]}")
        trial.differences.extend(differences(snapshot(root), undisturbed.after))
        if trial.losses or trial.differences:
            kept = self.folder / "kept"
            kept.mkdir(exist_ok=True)
            shutil.rmtree(kept / root.name, ignore_errors=True)
            root.rename(kept / root.name)
        else:
            shutil.rmtree(root)
        return Trial(**{**asdict(trial), "kills": count})

    def run(
        self, trials: Iterable[tuple[Disturbed, int]], kills: int, jobs: int, tell: Callable[[Trial], None]
    ) -> list[Trial]:
        """Make trials side by side until there were as many ``kills``, telling of each as it ends."""
        made: list[Trial] = []

        def one(task: tuple[Disturbed, int]) -> None:
            if sum(trial.kills for trial in made) >= kills:
                return
            trial = self.trial(*task)
            with self._guard:
                made.append(trial)
                tell(trial)

        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(one, trials))
        return made


def spread(commands: tuple[Disturbed, ...], kills: int) -> list[tuple[Disturbed, int]]:
    """Return which command is disturbed in each of ``kills`` trials: all in turn."""
    return [(commands[number % len(commands)], number // len(commands)) for number in range(kills)]


def append(path: Path, trial: Trial) -> None:
    """Add a trial to the record of a campaign, one line each."""
    with path.open("a", encoding="utf-8") as handle:
        handle.write(json.dumps(asdict(trial), ensure_ascii=False) + "\n")


def read(path: Path) -> list[Trial]:
    """Return the trials of a record; none where there is no file."""
    if not path.is_file():
        return []
    return [Trial(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
