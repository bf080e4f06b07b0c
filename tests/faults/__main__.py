"""``python -m tests.faults``: the whole harness as one command."""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

from tests.faults.campaign import Campaign, Trial, append, read, spread
from tests.faults.commands import ALL, make_starts
from tests.faults.disturbances import disturb
from tests.faults.page import write_page
from tests.faults.servers import Servers


def main() -> int:
    """Run the campaign and the other faults; exit with 1 where anything was lost or differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="at least so many, one to three a trial")
    parser.add_argument("--seed", type=int, default=1, help="of moments, kinds and processes")
    parser.add_argument("--jobs", type=int, default=2, help="trials side by side")
    parser.add_argument("--only", action="append", help="a command by its name; may be repeated")
    parser.add_argument("--folder", type=Path, help="for scratch checkouts, kept; default: a temporary one")
    parser.add_argument("--record", type=Path, help="file of trials: added to, and gone on with")
    parser.add_argument("--no-others", action="store_true", help="kills only, no full disk and the like")
    parser.add_argument("--write", type=Path, help="page whose table is written, docs/reliability.md")
    asked = parser.parse_args()
    commands = tuple(command for command in ALL if not asked.only or command.name in asked.only)
    if not commands:
        parser.error(f"--only takes {', '.join(command.name for command in ALL)}")
    if asked.folder:
        asked.folder.mkdir(parents=True, exist_ok=True)
        if any(asked.folder.iterdir()):
            parser.error(
                f"--folder {asked.folder} is not empty: name a new one; --record keeps what was tried"
            )
    place = nullcontext(str(asked.folder)) if asked.folder else tempfile.TemporaryDirectory()
    with place as name, Servers(Path(name) / "mirror") as servers:
        starts = make_starts(Path(name), servers, {command.start for command in commands})
        campaign = Campaign(Path(name), starts, servers, asked.seed)
        earlier = read(asked.record) if asked.record else []
        done = {
            name: sum(trial.command == name for trial in earlier) for name in {t.command for t in earlier}
        }
        tasks = [task for task in spread(commands, asked.kills) if task[1] >= done.get(task[0].name, 0)]

        def tell(trial: Trial) -> None:
            if asked.record:
                append(asked.record, trial)
            bad = "; ".join([*trial.losses, *trial.differences])
            print(f"{trial.command}: {trial.kills} kills ({', '.join(trial.hits)}) {bad}", file=sys.stderr)

        trials = earlier + campaign.run(
            tasks, asked.kills - sum(trial.kills for trial in earlier), asked.jobs, tell
        )
        others = [] if asked.no_others else disturb(campaign, commands)
    if asked.write:
        write_page(asked.write, trials, others)
    bad = [trial for trial in trials if trial.losses or trial.differences]
    bad_others = [other for other in others if other.trouble]
    kills = sum(trial.kills for trial in trials)
    print(
        f"{kills} kills in {len(trials)} trials: {len(bad)} with losses or differences; {len(others)} other faults:"
    )
    print(f"{len(bad_others)} with trouble.")
    return 1 if bad or bad_others else 0


if __name__ == "__main__":
    sys.exit(main())
