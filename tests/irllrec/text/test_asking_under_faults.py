"""Thousands of questions over hosts that fail in every way, with the asking process killed again and again."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from irllrec.text.replies import schema_of
from tests.ollama_server import hash_messages, write_answer

ROOT = Path(__file__).resolve().parents[3]
BASE_SEED = 2023
KILLS = 20

PROGRAM = """
import asyncio, json, sys
from pathlib import Path
from irllrec.text.asked import question_key
from irllrec.text.asking import ask
from irllrec.text.chats import ChatRequest
from irllrec.text.client import OllamaHost
from irllrec.text.lanes import AskingLimits, check_hosts
from irllrec.text.questions import Question
from irllrec.text.replies import parse_reply, schema_of
from irllrec.text.store import ReplyStore

plan = json.loads(Path(sys.argv[1]).read_text())
schema = schema_of("plain")
options = {"temperature": 0, "seed": plan["seed"], "num_ctx": 4096, "num_predict": 300}
before = {}

def watch(progress):
    for host in progress.hosts:
        if before.get(host.url) != host.state:
            before[host.url] = host.state
            with open(plan["states"], "a") as file:
                file.write(json.dumps([host.url, host.state]) + "\\n")

async def main():
    hosts = [OllamaHost(url, connect_seconds=2, reply_seconds=plan["reply_seconds"], streamed=number == 1)
             for number, url in enumerate(plan["urls"])]
    digest = await check_hosts(hosts, "tiny")
    questions = []
    for text in plan["texts"]:
        parts = dict(template_sha256="t", input_sha256=text)
        key = question_key(digest=digest, schema=schema, options=options, **parts)
        request = ChatRequest("tiny", (("user", text),), schema, options)
        questions.append(Question(key=key, request=request, style="plain", template="t", **parts))
    with ReplyStore(Path(plan["store"])) as store:
        outcome = await ask(
            questions, hosts, store, parse=parse_reply, digest=digest, report=watch,
            limits=AskingLimits(**plan["limits"]),
        )
    for host in hosts:
        await host.close()
    print(json.dumps(vars(outcome)))

asyncio.run(main())
"""


def texts(count: int) -> list[str]:
    likes = ("sourdough", "galleons", "mutinies", "gardens", "riddles", "orbits", "fossils", "lanterns")
    return [
        f"Reader number {number} likes {likes[number % 8]} and {likes[number // 8 % 8]} and a good ending."
        for number in range(count)
    ]


@contextlib.contextmanager
def hosts(log: Path, *, count: int, faults: str, latency: str) -> Iterator[list[str]]:
    command = [sys.executable, "tests/ollama_server.py", *["--port", "0"] * count, "--log", str(log)]
    command += ["--faults", faults, "--latency", latency, "--base-seed", str(BASE_SEED), "--seed", "5"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield [process.stdout.readline().strip() for _ in range(count)]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def plan_of(
    urls: list[str], asked: list[str], store: Path, states: Path, *, reply_seconds: float, **limits: float
) -> dict[str, Any]:
    """Return what the program reads: four requests at once, and further limits of asking."""
    return {
        "urls": urls,
        "texts": asked,
        "store": str(store),
        "states": str(states),
        "seed": BASE_SEED,
        "reply_seconds": reply_seconds,
        "limits": {"concurrency": 4, **limits},
    }


def start(plan: dict[str, Any]) -> subprocess.Popen[str]:
    path = Path(plan["store"]).parent / "plan.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(plan))
    command = [sys.executable, "-c", PROGRAM, str(path)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def events(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def stored(store: Path, copy: Path) -> dict[str, dict[str, Any]]:
    """Return what a copy of the store's files holds, by text; the store itself is left as the kill left it."""
    copy.mkdir()
    for path in store.parent.glob(f"{store.name}*"):
        shutil.copy(path, copy / path.name)
    connection = sqlite3.connect(copy / store.name)
    try:
        names = ("input_sha256", "content", "parsed", "attempt", "options", "seconds", "host")
        rows = connection.execute(f"SELECT {', '.join(names)} FROM replies").fetchall()
    except sqlite3.OperationalError:
        rows = []  # killed before the tables were made
    finally:
        connection.close()
    return {row[0]: dict(zip(names, row, strict=True)) for row in rows}


def kill_soon_after_it_asks(plan: dict[str, Any], log: Path, seconds: float) -> bool:
    """Start the client, kill it some time after its first question; return whether it was still running."""
    size = log.stat().st_size if log.exists() else 0
    process = start(plan)
    end = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < end:
        if log.exists() and b'"asked"' in log.read_bytes()[size:]:
            break
        time.sleep(0.02)
    time.sleep(seconds)
    running = process.poll() is None
    process.kill()
    process.communicate()
    return running


@pytest.mark.slow
def test_two_thousand_questions_survive_every_fault_and_twenty_kills(tmp_path: Path) -> None:
    """Latencies are those of real hosts, 0.2 to 5 s, forty times as fast."""
    asked = texts(2000)
    log, store = tmp_path / "log.jsonl", tmp_path / "store" / "replies.sqlite"
    faults = "busy=0.03,error=0.03,drop=0.03,half=0.03,garbage=0.02,hang=0.004,bad_replies=0.12,outages=3:0.7"
    draw = random.Random(11)
    answered_at: list[tuple[int, set[str]]] = []
    with hosts(log, count=3, faults=faults, latency="0.005:0.125") as urls:
        plan = plan_of(
            urls,
            asked,
            store,
            tmp_path / "states",
            reply_seconds=1.5,
            first_pause_seconds=0.02,
            longest_pause_seconds=0.3,
            give_up_seconds=30.0,
        )
        for number in range(KILLS):
            assert kill_soon_after_it_asks(plan, log, draw.uniform(0.02, 1.0))
            answered_at.append((len(events(log)), set(stored(store, tmp_path / f"copy{number}"))))
        said, complaints = start(plan).communicate(timeout=120)
    assert complaints == ""
    outcome = json.loads(said)

    found = stored(store, tmp_path / "last")
    assert outcome["quarantined"] == {}
    assert outcome["answered"] + outcome["already_answered"] == 2000
    assert set(found) == set(asked)
    for text, row in found.items():
        expected = write_answer(text, schema_of("plain"))
        assert json.loads(row["content"]) == expected
        assert json.loads(row["parsed"])["profile"] == expected["profile"]
        assert json.loads(row["options"])["seed"] == BASE_SEED + row["attempt"] - 1

    happened = events(log)
    text_of = {hash_messages([("user", text)]): text for text in asked}
    for place, answered in answered_at:
        later = {text_of[event["question"]] for event in happened[place:] if event["event"] == "asked"}
        assert later & answered == set()
    sizes = [len(answered) for _, answered in answered_at]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 200
    assert len(set(sizes)) > KILLS / 2

    seen = Counter(event["fault"] for event in happened if event["event"] == "asked")
    assert set(seen) == {"", "busy", "error", "drop", "half", "garbage", "hang"}
    assert {event["bad"] for event in happened if event["event"] == "replied"} > {"", "schema", "length"}
    assert {row["attempt"] for row in found.values()} == {1, 2, 3}
    states = [json.loads(line) for line in (tmp_path / "states").read_text().splitlines()]
    assert {url for url, state in states if state == "closed"} == set(urls)
    # Which host is on trial before the next kill is a matter of moments.
    assert {state for _, state in states} == {"open", "trial", "closed"}
    print(f"asked {sum(seen.values())}, {dict(seen)}; stored at the kills: {sizes}; {outcome}")


@pytest.mark.slow
def test_hosts_as_slow_as_real_ones_are_kept_busy_side_by_side(tmp_path: Path) -> None:
    """60 replies of 0.2 to 5 s over three hosts of four requests each: twelve at a time.

    A reply takes 0.2 + 4.8 x**3 s for x uniform in [0, 1), so 1.4 s on average: 84 s one after another
    and 7 s side by side, to which the last replies add at most 5 s.
    """
    asked = texts(60)
    log, store = tmp_path / "log.jsonl", tmp_path / "replies.sqlite"
    with hosts(log, count=3, faults="busy=0.03,drop=0.03", latency="0.2:5") as urls:
        plan = plan_of(urls, asked, store, tmp_path / "states", reply_seconds=30.0, first_pause_seconds=0.1)
        said, complaints = start(plan).communicate(timeout=60)
    assert complaints == ""
    outcome = json.loads(said)
    found = stored(store, tmp_path / "copy")
    assert set(found) == set(asked)
    assert {row["host"] for row in found.values()} == set(urls)
    seconds = [row["seconds"] for row in found.values()]
    assert min(seconds) >= 0.2
    assert max(seconds) > 2.0
    assert outcome["seconds"] < sum(seconds) / 3
