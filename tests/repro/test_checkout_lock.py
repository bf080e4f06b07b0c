"""One writer at a time: two of ours, ours against plain DVC, plain DVC against ours; all real processes."""

import errno
import fcntl
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from repro.checkout_lock import holder, inherited, lock_path, stage_at_work, writing
from repro.errors import ReproError
from repro.layout import Layout
from repro.leftovers import clear_leftovers
from repro.lock_records import Record
from tests.repro.quick_pipeline import CELL, ended, quicken, stage_of, start

HOLD = (
    "import sys; from repro.checkout_lock import writing; from repro.layout import Layout\n"
    "with writing(Layout.find()):\n    print('held', flush=True); sys.stdin.read()\n"
)
SECOND = (
    "import sys; from repro.engine import bring_up_to_date; from repro.layout import Layout\n"
    "from repro.errors import ReproError\n"
    f"try: bring_up_to_date(Layout.find(), [{CELL!r}])\n"
    "except ReproError as error: print(error, file=sys.stderr); sys.exit(1)\n"
)
DVC = ("-m", "dvc", "repro", "--quiet")


@pytest.fixture
def pipeline(checkout: Layout) -> Layout:
    quick = quicken(checkout)
    (quick.root / "behaviour").write_text("linger")
    return quick


def _hold(checkout: Layout) -> "subprocess.Popen[str]":
    process = start(checkout, "-c", HOLD)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def _let_go(pipeline: Layout) -> None:
    (pipeline.root / "enough").touch()


def _repro(checkout: Layout, *words: str) -> "subprocess.CompletedProcess[str]":
    program = "import sys; from repro.cli import run; sys.exit(run(sys.argv[1:]))"
    process = start(checkout, "-c", program, *words)
    out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def test_of_two_of_ours_the_second_says_who_and_since_when_and_changes_nothing(pipeline: Layout) -> None:
    first = start(pipeline, "-c", SECOND)
    stage_of(pipeline, first)
    before = pipeline.params.read_bytes()
    refused = _repro(pipeline, "grid", "add", "--backbone", "sgl", "--objective", "base")
    assert refused.returncode == 1
    sentence = (
        rf"`-c` \(process {first.pid}\) is at work in {pipeline.root} since \d\d:\d\d \(for \d+ s\): wait for "
        rf"it to end \(--wait does\), or stop it with `kill (-INT )?{first.pid}`; nothing was changed\.\n"
    )
    assert re.fullmatch(sentence, refused.stderr)
    assert pipeline.params.read_bytes() == before
    read = _repro(pipeline, "table", "main", "--no-run")
    assert read.returncode == 1
    assert re.fullmatch(sentence, read.stderr), "DVC is busy, and the command that started it is named"
    waiting = start(
        pipeline, "-c", "import sys; from repro.cli import run; sys.exit(run(sys.argv[1:]))",
        "grid", "add", "--wait", "--backbone", "sgl", "--objective", "base",
    )  # fmt: skip
    assert waiting.stderr is not None
    assert "waiting for it to end" in waiting.stderr.readline()
    _let_go(pipeline)
    assert first.wait(180) == 0
    assert waiting.wait(180) == 0
    assert "demo-sgl-base" in pipeline.params.read_text()
    waiting.communicate()
    first.communicate()


def test_ours_is_refused_while_plain_dvc_is_at_work(pipeline: Layout) -> None:
    plain = start(pipeline, *DVC)
    stage_of(pipeline, plain)
    second = start(pipeline, "-c", SECOND)
    _, words = second.communicate(timeout=180)
    _let_go(pipeline)
    assert second.returncode == 1
    assert f"is at work in {pipeline.root} since" in words
    assert "`dvc repro --quiet`" in words
    assert len(words.strip().splitlines()) == 1
    _, trouble = plain.communicate(timeout=180)
    assert plain.returncode == 0, trouble


def test_a_stage_of_plain_dvc_is_refused_while_ours_is_at_work(pipeline: Layout) -> None:
    first = _hold(pipeline)
    plain = start(pipeline, *DVC)
    _, words = plain.communicate(timeout=180)
    assert plain.returncode != 0
    assert f"(process {first.pid}) is at work in {pipeline.root} since" in words
    assert "Traceback" not in words
    assert not (pipeline.root / "prepared").exists()
    first.communicate("")


def test_between_two_stages_of_plain_dvc_its_own_record_refuses(checkout: Layout) -> None:
    quicken(checkout)
    idle = "import sys, time; sys.argv[0] = 'dvc'; time.sleep(60)"
    plain = start(checkout, "-c", idle, "dvc", "repro")
    folder = checkout.root / ".dvc" / "tmp"
    folder.mkdir()
    record = {"write": {"trained": {"pid": plain.pid, "cmd": "dvc repro"}}, "read": {}}
    (folder / "rwlock").write_text(json.dumps(record))
    with (
        pytest.raises(
            ReproError, match=rf"`dvc repro` \(process {plain.pid}\) is at work .*, now on trained"
        ),
        writing(checkout),
    ):
        pass
    assert holder(checkout) is None
    plain.kill()
    plain.communicate()
    with writing(checkout):
        assert not (folder / "rwlock").exists()


@pytest.mark.parametrize("content", ["", '{"write": {"trai', '{"write": 3}', "[]"])
def test_the_half_record_of_a_killed_dvc_is_cleared_away(checkout: Layout, content: str) -> None:
    quicken(checkout)
    record = checkout.root / ".dvc" / "tmp" / "rwlock"
    record.parent.mkdir()
    record.write_text(content)
    with writing(checkout):
        assert not record.exists()


def test_a_number_that_another_program_has_now_is_no_pipeline(checkout: Layout) -> None:
    quicken(checkout)
    record = checkout.root / ".dvc" / "tmp" / "rwlock"
    record.parent.mkdir()
    record.write_text(
        json.dumps({"write": {"trained": {"pid": os.getpid(), "cmd": "dvc repro"}}, "read": {}})
    )
    with writing(checkout):
        assert not record.exists()


def test_a_killed_holder_leaves_no_lock(checkout: Layout) -> None:
    first = _hold(checkout)
    found = holder(checkout)
    assert found is not None
    assert found.pid == first.pid
    first.kill()
    first.communicate()
    assert holder(checkout) is None
    with writing(checkout):
        found = holder(checkout)
        assert found is not None
        assert found.pid == os.getpid()
    assert lock_path(checkout).read_text() == ""


def test_when_the_command_is_killed_its_pipeline_ends_and_the_next_one_goes_on(pipeline: Layout) -> None:
    first = start(pipeline, "-c", SECOND)
    stage = stage_of(pipeline, first)
    os.kill(first.pid, signal.SIGKILL)  # the command alone: DVC and its stage have a group of their own
    first.communicate()
    assert ended(stage)
    _let_go(pipeline)
    again = start(pipeline, "-c", SECOND)
    _, words = again.communicate(timeout=180)
    assert again.returncode == 0, words
    assert (pipeline.root / "evaluated").read_text() == "evaluate"


def test_dvc_that_is_killed_while_it_writes_dvc_lock_leaves_the_old_one(checkout: Layout) -> None:
    """DVC is stopped in the middle of writing by an object that ends the process when it is written."""
    program = (
        "import os, sys\n"
        "from dvc.utils.serialize import modify_yaml, _yaml\n"
        "from repro.attended_dvc import write_whole_files\n"
        "write_whole_files()\n"
        "def dump(data, stream):\n"
        "    stream.write('stages:\\n  half'); stream.flush()\n"
        "    if len(sys.argv) > 1: os.kill(os.getpid(), 9)\n"
        "    stream.write(': {}\\n')\n"
        "_yaml._dump = dump\n"
        "with modify_yaml('dvc.lock') as content: content['stages'] = {'half': {}}\n"
    )
    lock = checkout.root / "dvc.lock"
    lock.write_text("stages: {}\n")
    killed = start(checkout, "-c", program, "kill")
    _, words = killed.communicate(timeout=180)
    assert killed.returncode == -signal.SIGKILL, words
    assert lock.read_text() == "stages: {}\n"
    whole = start(checkout, "-c", program)
    assert whole.wait(180) == 0
    whole.communicate()
    assert lock.read_text() == "stages:\n  half: {}\n"
    with writing(checkout):
        assert not list(checkout.root.glob(".dvc.lock.*"))


def test_when_plain_dvc_is_killed_its_stage_ends(pipeline: Layout) -> None:
    plain = start(pipeline, *DVC)
    stage = stage_of(pipeline, plain)
    os.kill(plain.pid, signal.SIGKILL)
    plain.communicate()
    assert ended(stage)


def test_a_copied_checkout_is_free(checkout: Layout, tmp_path_factory: pytest.TempPathFactory) -> None:
    with writing(checkout):
        copy = Layout(tmp_path_factory.mktemp("copy") / "checkout")
        shutil.copytree(checkout.root, copy.root)
        assert lock_path(copy).read_text() != ""
        with writing(copy):
            pass


def test_a_lock_may_be_nested_and_children_under_it_need_none(
    checkout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    with writing(checkout):
        with writing(checkout):
            pass
        assert holder(checkout) is not None
        with pytest.raises(ReproError, match="is at work"), stage_at_work(checkout):
            pass
        for name, value in inherited(checkout).items():
            monkeypatch.setenv(name, value)
        with stage_at_work(checkout):
            pass
    monkeypatch.delenv("REPRO_LOCK_HELD")
    refused = pytest.raises(ReproError, match="is at work")
    with stage_at_work(checkout), stage_at_work(checkout), refused, writing(checkout):
        pass


def test_a_file_system_without_locks_goes_by_the_record(
    checkout: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No such file system can be mounted here, so the answer of one stands in for it."""

    def unsupported(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    first = _hold(checkout)
    monkeypatch.setattr(fcntl, "flock", unsupported)
    with pytest.raises(ReproError, match="this file system keeps no locks"), writing(checkout):
        pass
    first.kill()
    first.communicate()
    with writing(checkout):
        assert "see to it that only one command at a time writes" in capsys.readouterr().err


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount a folder read-only")
def test_a_read_only_checkout_is_told_with_what_to_do(checkout: Layout) -> None:
    program = "import sys; from repro.cli import run; sys.exit(run(['grid', 'use', 'default']))"
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && cd "$0" && "$1" -c "$2"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, str(checkout.root), sys.executable, program],
        check=False,
        capture_output=True,
        text=True,
    )
    if "mount" in done.stderr:
        pytest.skip(f"no folder may be mounted here: {done.stderr}")
    assert done.returncode == 1
    assert done.stderr == (
        f"{lock_path(checkout)} cannot be written (Read-only file system), and this command writes in the "
        "checkout: mend the permissions, work in a copy, or add --no-run where the command has it.\n"
    )


@pytest.mark.parametrize(
    ("since", "told"),
    [
        (timedelta(minutes=12), r" since .*\d\d:\d\d \(for 12 min\)"),
        (timedelta(days=2), r" since \d{4}-\d\d-\d\d \d\d:\d\d \(for 48.0 h\)"),
        (timedelta(days=-2), r" since \d{4}-\d\d-\d\d \d\d:\d\d"),
    ],
)
def test_the_time_is_told_as_people_say_it_and_not_from_a_clock_set_back(since: timedelta, told: str) -> None:
    began = (datetime.now(UTC) - since).isoformat(timespec="seconds")
    record = Record("repro sweep", 4242, "elsewhere", "nobody", began)
    sentence = record.sentence(Path("/there"))
    who = r"`repro sweep` \(process 4242 of nobody on elsewhere\) is at work in /there"
    assert re.fullmatch(who + told, sentence)
    assert not record.is_dead()
    assert record.how_to_stop() == ""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="only Linux tells what a process ignores")
@pytest.mark.parametrize(("ignored", "word"), [(True, ""), (False, "-INT ")])
def test_a_process_that_ignores_ctrl_c_is_stopped_in_another_way(ignored: bool, word: str) -> None:
    """A script that starts something with ``&`` makes it ignore Ctrl-C."""
    program = (
        f"import signal, sys; signal.signal(signal.SIGINT, signal.{'SIG_IGN' if ignored else 'SIG_DFL'})\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", program]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        record = Record("repro sweep", process.pid, platform.node(), "nobody", datetime.now(UTC).isoformat())
        assert record.how_to_stop() == f" with `kill {word}{process.pid}`"
        process.communicate()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"pid": 3}', '{"command":1,"pid":"x","host":"","user":"","since":""}']
)
def test_half_a_record_is_another_process(text: str) -> None:
    assert Record.parse(text) is None
    assert Record.unknown().sentence(Path("/x")) == "Another process is at work in /x"


def test_a_process_that_is_gone_is_known_to_be(checkout: Layout) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    now = datetime.now(UTC).isoformat()
    assert Record("x", gone.pid, platform.node(), "", now).is_dead()
    assert not Record("x", os.getpid(), platform.node(), "", now).is_dead()
    assert not Record("x", gone.pid, "elsewhere", "", now).is_dead()


def test_what_killed_commands_left_is_removed_and_data_moved_aside_come_back(checkout: Layout) -> None:
    raw = checkout.root / "data" / "raw"
    aside, half = raw / ".shop.abcd1234.old", raw / ".shop.abcd1234.tmp"
    for folder in (aside, half, raw / ".other.partial"):
        folder.mkdir(parents=True)
        (folder / "interactions.parquet").write_text(folder.name)
    results = checkout.results / "demo"
    results.mkdir(parents=True)
    fresh, stale = results / ".main.md.abcd1234.tmp", results / ".main.md.abcd1235.tmp"
    for path in (fresh, stale, checkout.root / ".params.yaml.abcd1234.tmp"):
        path.write_text("half")
    os.utime(stale, (0, 0))
    running = checkout.state / "running"
    for name in (
        "board-host-1-ab/lanes/000.json",
        "cells/demo-pop-base/params.yaml",
        "locks/demo-pop-base.lock",
    ):
        (running / name).parent.mkdir(parents=True)
        (running / name).write_text("")
    clear_leftovers(checkout)
    assert (raw / "shop" / "interactions.parquet").read_text() == aside.name
    assert sorted(path.name for path in raw.iterdir()) == [".other.partial", "shop"]
    assert [path.name for path in results.iterdir()] == [fresh.name]
    assert not list(checkout.root.glob(".params*"))
    assert [str(path.relative_to(running)) for path in running.rglob("*") if path.is_file()] == [
        "locks/demo-pop-base.lock"
    ]


def test_reading_is_not_refused_while_another_writes(pipeline: Layout) -> None:
    first = _hold(pipeline)
    shown = _repro(pipeline, "grid", "show", "--format", "csv")
    assert shown.returncode == 0
    assert CELL in shown.stdout
    first.communicate("")


def test_one_that_only_looks_who_holds_the_lock_is_waited_for(checkout: Layout) -> None:
    """A look takes the lock for a moment and writes no record; so does a holder that begins or ends."""
    with writing(checkout):
        pass
    look = (
        "import fcntl, os, sys, time; d = os.open(sys.argv[1], os.O_RDONLY); fcntl.flock(d, fcntl.LOCK_SH); "
        "print('looking', flush=True); time.sleep(1.5)"
    )
    other = start(checkout, "-c", look, str(lock_path(checkout)))
    assert other.stdout is not None
    assert other.stdout.readline().strip() == "looking"
    with writing(checkout):
        assert other.poll() is not None
    other.communicate()


def test_the_record_of_a_holder_has_no_password(checkout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["repro", "data", "fetch", "movie", "--from", "http://me:correct-horse-7@mirror/irllrec"]
    monkeypatch.setattr(sys, "argv", words)
    with writing(checkout):
        written = lock_path(checkout).read_text()
    assert "data fetch movie" in written
    assert "***@mirror" in written
    assert "correct-horse-7" not in written
