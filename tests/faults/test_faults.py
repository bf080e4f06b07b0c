"""A small campaign over the quick commands, and the harness's own eyes: what is broken must be seen."""

import json
from pathlib import Path

import pytest

from tests.faults.campaign import Campaign, Trial, append, read, spread
from tests.faults.commands import ALL, make_starts
from tests.faults.comparing import differences, half_written, may_differ, snapshot
from tests.faults.disturbances import Other
from tests.faults.page import BEGIN, END, write_page
from tests.faults.servers import Servers

QUICK = tuple(command for command in ALL if command.start == "empty")


@pytest.mark.slow
def test_ten_kills_lose_nothing_and_change_nothing(tmp_path: Path) -> None:
    with Servers(tmp_path / "mirror") as servers:
        starts = make_starts(tmp_path, servers, {"empty"})
        campaign = Campaign(tmp_path, starts, servers, seed=7)
        trials = campaign.run(spread(QUICK, 10), 10, 2, lambda trial: None)
    assert [(trial.command, trial.losses, trial.differences) for trial in trials] == [
        (trial.command, [], []) for trial in trials
    ]
    assert sum(trial.kills for trial in trials) >= 8


def _files(root: Path, **contents: str) -> Path:
    for name, content in contents.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def test_a_missing_a_changed_and_a_further_file_are_differences(tmp_path: Path) -> None:
    wanted = snapshot(_files(tmp_path / "a", results__main="1", runs__x="2", data__y="3"))
    found = snapshot(_files(tmp_path / "b", results__main="1", runs__x="other", more="4"))
    assert differences(found, wanted) == [
        "data/y is missing",
        "runs/x has other bytes",
        "more is left over",
    ]
    assert differences(wanted, wanted) == []


def test_half_a_file_is_seen_and_a_known_a_readable_or_a_temporary_one_is_not(tmp_path: Path) -> None:
    before = snapshot(_files(tmp_path / "before", **{"results__main.md": "whole"}))
    root = tmp_path / "after"
    _files(root, **{"results__main.md": "who", "results__x.json": "{", "dvc.lock": "stages: {a: {}}"})
    _files(root, **{"results__.main.md.abcd1234.tmp": "w", "runs__seed-1.safetensors": "short"})
    (root / ".dvc" / "cache" / "files" / "md5" / "ab").mkdir(parents=True)
    (root / ".dvc" / "cache" / "files" / "md5" / "ab" / ("c" * 30)).write_text("not its hash")
    names = sorted(line.split(" is half-written")[0] for line in half_written(root, [before]))
    assert names == [
        f".dvc/cache/files/md5/ab/{'c' * 30}",
        "results/main.md",
        "results/x.json",
        "runs/seed-1.safetensors",
    ]
    (root / "results" / "main.md").write_text("whole")
    assert "results/main.md" not in " ".join(half_written(root, [before]))


def test_what_may_differ_is_a_short_list_and_holds_no_result() -> None:
    for name in (
        "dvc.lock",
        "params.yaml",
        "results/demo/main.csv",
        "results/report.html",
        "runs/demo/lightgcn/base/run.json",
        "runs/demo/lightgcn/base/per_user.parquet",
        "data/raw/movie/manifest.json",
        "bundle-demo.zip",
        ".dvc/cache/files/md5/ab/cd",
    ):
        assert not may_differ(name)
    assert may_differ(".repro/timings/demo-lightgcn-base.json")


def test_trials_are_spread_evenly_and_numbered_for_each_command() -> None:
    tasks = spread(ALL, 200)
    assert len(tasks) == 200
    for command in ALL:
        numbers = [number for one, number in tasks if one is command]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) >= 200 // len(ALL)


def test_a_record_is_read_as_it_was_written_and_the_page_holds_its_figures(tmp_path: Path) -> None:
    trials = [
        Trial("dvc repro", 2, ["group", "leader"], ["stage train", "DVC"], [0.1, 0.9], by_hand=["rm x"]),
        Trial("repro bundle", 1, ["below"], ["DVC"], [0.5], ["x is half-written"], []),
    ]
    for trial in trials:
        append(tmp_path / "record", trial)
    assert read(tmp_path / "record") == trials
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nfigures of long ago\n{END}\nafter\n")
    write_page(page, trials, [Other("disk full", "dvc repro", "The disk is full: a|b.")])
    text = page.read_text()
    assert "| `dvc repro` | 2 | 1 | 1 | 0 | 1 | 0 | 0 |" in text
    assert "| **all** | **3** | **1** | **1** | **1** | **1** | **1** | **0** |" in text
    assert "At work when the kill came: DVC 2, stage train 1. In 1 trials the re-run was killed too." in text
    assert "The disk is full: a\\|b." in text
    assert "long ago" not in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    write_page(page, trials[:1], [])  # kills only: what the page says of the other faults stays
    without_others = page.read_text()
    assert "| **all** | **2** |" in without_others
    assert "The disk is full: a\\|b." in without_others
    page.write_text("no markers")
    with pytest.raises(ValueError, match="is missing"):
        write_page(page, trials, [])
    assert json.loads((tmp_path / "record").read_text().splitlines()[0])["kills"] == 2
