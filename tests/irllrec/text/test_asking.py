"""The asking loop against servers on this machine: what is asked again, given up, kept and reported."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from irllrec.errors import TextError
from irllrec.text.asked import question_key
from irllrec.text.asking import ask
from irllrec.text.chats import ChatRequest
from irllrec.text.client import OllamaHost
from irllrec.text.lanes import AskingLimits, check_hosts
from irllrec.text.questions import Outcome, Progress, Question
from irllrec.text.replies import parse_reply, schema_of
from irllrec.text.store import ReplyStore
from irllrec.text.troubles import HostsUnreachableError, ModelMissingError
from tests.ollama_server import MODEL, Faults, OllamaServer, hash_messages, write_answer

DIGEST = "a" * 64
SCHEMA = schema_of("plain")
OPTIONS = {"temperature": 0, "seed": 100, "num_ctx": 4096, "num_predict": 200}
QUICK = AskingLimits(
    concurrency=2,
    first_pause_seconds=0.01,
    longest_pause_seconds=0.05,
    give_up_seconds=0.6,
    check_seconds=30.0,
)


def questions(count: int, options: dict[str, Any] = OPTIONS) -> list[Question]:
    made = []
    for number in range(count):
        text = f"Reader {number} likes sourdough bread, galleons and mutinies."
        input_sha256 = hash_messages([("user", text)])
        made.append(
            Question(
                key=question_key(
                    digest=DIGEST,
                    template_sha256="t" * 64,
                    schema=SCHEMA,
                    options=options,
                    input_sha256=input_sha256,
                ),
                request=ChatRequest(MODEL, (("user", text),), SCHEMA, options),
                style="plain",
                template="user-plain-books",
                template_sha256="t" * 64,
                input_sha256=input_sha256,
            )
        )
    return made


def run(
    asked: Sequence[Question],
    servers: Sequence[OllamaServer],
    store: ReplyStore,
    *,
    limits: AskingLimits = QUICK,
    reply_seconds: float = 5.0,
    **settings: Any,
) -> Outcome:
    async def act() -> Outcome:
        hosts = [
            OllamaHost(server.url, connect_seconds=1.0, reply_seconds=reply_seconds) for server in servers
        ]
        try:
            return await ask(asked, hosts, store, parse=parse_reply, digest=DIGEST, limits=limits, **settings)
        finally:
            for host in hosts:
                await host.close()

    return asyncio.run(act())


@pytest.fixture
def server() -> Iterator[OllamaServer]:
    with OllamaServer(base_seed=100) as server:
        yield server


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ReplyStore]:
    with ReplyStore(tmp_path / "replies.sqlite") as store:
        yield store


def test_every_question_is_answered_by_its_own_reply_and_the_record_is_complete(
    server: OllamaServer, store: ReplyStore
) -> None:
    asked = questions(20)
    outcome = run(asked, [server], store)
    assert (outcome.answered, outcome.already_answered, outcome.quarantined) == (20, 0, {})
    for question in asked:
        stored = store.reply(question.key)
        assert stored is not None
        expected = write_answer(question.request.messages[0][1], SCHEMA)
        assert json.loads(stored.content) == expected
        assert stored.parsed["profile"] == expected["profile"]
        assert list(stored.parsed["intents"]) == expected["intents"]
    assert (stored.attempt, stored.done_reason, stored.host) == (1, "stop", server.url)
    assert (stored.model, stored.digest, stored.server_version) == (MODEL, DIGEST, "0.12.6")
    assert stored.options == OPTIONS
    assert (stored.template, stored.style) == ("user-plain-books", "plain")
    assert stored.asked_at.endswith("+00:00")
    assert outcome.reply_tokens == sum(store.reply(q.key).reply_tokens for q in asked)


def test_what_is_in_the_store_is_not_asked_again_and_needs_no_host(
    server: OllamaServer, store: ReplyStore
) -> None:
    run(questions(5), [server], store)
    outcome = run(questions(8), [server], store)
    assert (outcome.answered, outcome.already_answered) == (3, 5)
    assert server.counts["asked"] == 8
    server.stop()
    assert run(questions(8), [server], store).already_answered == 8


def test_equal_questions_are_asked_once(server: OllamaServer, store: ReplyStore) -> None:
    assert run([*questions(3), *questions(3)], [server], store).answered == 3
    assert server.counts["asked"] == 3


def test_hosts_share_the_work_and_none_exceeds_its_concurrency(store: ReplyStore) -> None:
    most: Counter[str] = Counter()

    def watch(progress: Progress) -> None:
        for host in progress.hosts:
            most[host.url] = max(most[host.url], host.in_flight)

    with OllamaServer(latency=(0.01, 0.02)) as one, OllamaServer(latency=(0.01, 0.02)) as two:
        run(questions(30), [one, two], store, limits=replace(QUICK, concurrency=3), report=watch)
        assert one.counts["asked"] + two.counts["asked"] == 30
        assert min(one.counts["asked"], two.counts["asked"]) > 5
        assert most == {one.url: 3, two.url: 3}


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("schema", "schema"),
        ("empty", "not-json"),
        ("length", "cut-off"),
        ("not-json", "not-json"),
        ("half-json", "not-json"),
    ],
)
def test_a_bad_reply_is_kept_and_asked_again_with_another_seed(
    server: OllamaServer, store: ReplyStore, fault: str, kind: str
) -> None:
    server.script = [fault]
    (question,) = questions(1)
    outcome = run([question], [server], store)
    assert (outcome.answered, outcome.failed_attempts) == (1, {kind: 1})
    (failure,) = store.failures(question.key)
    assert (failure.kind, failure.attempt, failure.options["seed"]) == (kind, 1, 100)
    good = store.reply(question.key)
    assert good is not None
    assert (good.attempt, good.options["seed"]) == (2, 101)
    assert failure.content != good.content
    assert [body["options"]["seed"] for name, body in server.requests if name == "chat"] == [100, 101]


def test_a_further_attempt_is_not_greedy_since_that_would_repeat_the_reply(
    server: OllamaServer, store: ReplyStore
) -> None:
    server.script = ["schema"]
    (question,) = questions(1)
    run([question], [server], store)
    assert [body["options"]["temperature"] for _, body in server.requests] == [0, 0.3]
    good = store.reply(question.key)
    assert good is not None
    assert good.options["temperature"] == 0.3


def test_a_hopeless_question_is_quarantined_with_its_text_and_only_asked_again_on_request(
    store: ReplyStore,
) -> None:
    (question,) = questions(1)
    with OllamaServer(faults=Faults(hopeless=1.0), base_seed=100) as server:
        outcome = run([question], [server], store)
        assert outcome.answered == 0
        assert sum(outcome.quarantined.values()) == 1
        assert [failure.attempt for failure in store.failures(question.key)] == [1, 2, 3]
        assert store.quarantined()[question.key].sentence == store.failures(question.key)[2].sentence
        run([question], [server], store)
        assert server.counts["asked"] == 3
        run([question], [server], store, retry=True)
        assert [failure.options["seed"] for failure in store.failures(question.key)] == list(range(100, 106))
        server.faults = Faults()
        outcome = run([question], [server], store, retry=True)
        assert (outcome.answered, outcome.quarantined) == (1, {})
    assert store.quarantined() == {}


def test_attempts_of_an_earlier_run_count(server: OllamaServer, store: ReplyStore) -> None:
    """Two bad replies before the stop and one after it make three, the most there may be."""
    (question,) = questions(1)
    server.script = ["schema", "schema", "hang"]

    async def act() -> None:
        async with OllamaHost(server.url) as host:
            task = asyncio.create_task(
                ask([question], [host], store, parse=parse_reply, digest=DIGEST, limits=QUICK)
            )
            while server.counts["asked"] < 3:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(act())
    server.script = ["schema"]
    assert run([question], [server], store).quarantined == {"schema": 1}
    assert [failure.attempt for failure in store.failures(question.key)] == [1, 2, 3]


def test_a_prompt_that_fills_the_context_is_no_summary(server: OllamaServer, store: ReplyStore) -> None:
    """The prompt takes 57 // 4 + 1 = 15 tokens, and the reply some 40 more than the rest of 50."""
    (question,) = questions(1, {**OPTIONS, "num_ctx": 50})
    outcome = run([question], [server], store)
    assert outcome.quarantined == {"context-full": 1}
    assert outcome.failed_attempts == {"context-full": 3}
    assert "raise num_ctx" in store.quarantined()[question.key].sentence
    assert store.failures(question.key)[0].content != ""


def test_a_prompt_the_server_refuses_as_too_long_is_the_questions_fault(
    server: OllamaServer, store: ReplyStore
) -> None:
    asked = questions(8, {**OPTIONS, "num_ctx": 10})
    assert run(asked, [server], store).quarantined == {"context-full": 8}


@pytest.mark.parametrize("fault", ["busy", "error", "drop", "half", "garbage"])
def test_a_hosts_fault_costs_the_question_no_attempt(
    server: OllamaServer, store: ReplyStore, fault: str
) -> None:
    server.script = ["", fault]
    outcome = run(questions(6), [server], store)
    assert (outcome.answered, outcome.failed_attempts) == (6, {})
    assert sum(outcome.troubles.values()) == 1
    assert all(store.reply(question.key).attempt == 1 for question in questions(6))


def test_retry_after_is_honoured(store: ReplyStore) -> None:
    with OllamaServer(faults=Faults(retry_after="1")) as server:
        server.script = ["busy"]
        start = time.monotonic()
        run(questions(1), [server], store)
        assert 1.0 <= time.monotonic() - start < 3.0


def test_a_poisonous_prompt_is_quarantined_after_its_time_outs_and_the_others_go_on(
    store: ReplyStore,
) -> None:
    class Poisoned(OllamaServer):
        def draw(self, question: str) -> tuple[str, float]:
            fault, wait = super().draw(question)
            return ("hang" if question == hash_messages(asked[3].request.messages) else fault), wait

    asked = questions(12)
    with Poisoned() as server:
        outcome = run(asked, [server], store, reply_seconds=0.15)
    assert (outcome.answered, outcome.quarantined) == (11, {"time-out": 1})
    assert outcome.troubles == {"time-out": 3}
    assert store.quarantined()[asked[3].key].kind == "time-out"


def test_a_prompt_that_breaks_the_server_every_time_is_quarantined_too(store: ReplyStore) -> None:
    class Poisoned(OllamaServer):
        def draw(self, question: str) -> tuple[str, float]:
            return ("error" if question == hash_messages(asked[3].request.messages) else ""), 0.0

    asked = questions(12)
    with Poisoned() as server:
        outcome = run(asked, [server], store, limits=replace(QUICK, most_troubles=4))
    assert (outcome.answered, outcome.quarantined) == (11, {"server-error": 1})


def test_a_hosts_faults_do_not_add_up_with_bad_replies(server: OllamaServer, store: ReplyStore) -> None:
    """Two dropped replies and two bad ones are four failures, but only two of three attempts."""
    server.script = ["drop", "schema", "drop", "schema"]
    (question,) = questions(1)
    assert run([question], [server], store).answered == 1
    assert [failure.attempt for failure in store.failures(question.key)] == [1, 1, 2, 2]


def test_refusals_in_a_row_stop_the_run_and_quarantine_nothing(
    server: OllamaServer, store: ReplyStore
) -> None:
    server.script = ["refuse"] * 9
    with pytest.raises(TextError, match="5 questions in a row were refused.*status 400"):
        run(questions(9), [server], store)
    assert store.quarantined() == {}


def test_refusals_between_replies_are_those_questions_own_fault(
    server: OllamaServer, store: ReplyStore
) -> None:
    server.script = ["refuse", "refuse", "refuse", "", "refuse", "refuse", "refuse", ""]
    outcome = run(questions(9), [server], store, limits=replace(QUICK, concurrency=1))
    assert (outcome.answered, outcome.failed_attempts) == (9, {"refused": 6})


def test_a_question_at_work_is_waited_for_however_long_the_host_was_down_before(store: ReplyStore) -> None:
    with OllamaServer(latency=(0.8, 0.9)) as server:
        server.script = ["busy"]
        limits = replace(QUICK, troubles_to_open=1, give_up_seconds=0.3)
        assert run(questions(1), [server], store, limits=limits).answered == 1


def test_a_host_that_dies_and_returns_opens_and_closes_its_circuit_while_the_other_goes_on(
    store: ReplyStore,
) -> None:
    states: list[str] = []
    done: list[int] = []
    with OllamaServer(latency=(0.02, 0.03)) as steady, OllamaServer(latency=(0.02, 0.03)) as shaky:

        def watch(progress: Progress) -> None:
            host = next(host for host in progress.hosts if host.url == shaky.url)
            if not states or states[-1] != host.state:
                states.append(host.state)
                done.append(progress.done)
            if progress.done == 20 and shaky._server is not None and len(states) == 1:
                shaky.stop()
            if progress.done == 60 and shaky._server is None:
                shaky.start()

        outcome = run(questions(150), [steady, shaky], store, report=watch)
    assert outcome.answered == 150
    assert states[0] == "closed"
    assert states[1] == "open"
    assert states[-1] == "closed"
    assert "trial" in states
    assert done[1] < 60 <= done[-1] < 150


def test_a_host_that_is_down_at_the_start_joins_later(store: ReplyStore) -> None:
    with OllamaServer(latency=(0.02, 0.03)) as early, OllamaServer(latency=(0.02, 0.03)) as late:
        late.stop()

        def watch(progress: Progress) -> None:
            if progress.done == 10 and late._server is None:
                late.start()

        assert run(questions(80), [early, late], store, report=watch).answered == 80
        assert late.counts["asked"] > 5


def test_a_host_that_returns_with_another_model_is_not_asked(store: ReplyStore) -> None:
    seen: list[str] = []
    with OllamaServer(latency=(0.02, 0.03)) as steady, OllamaServer(latency=(0.02, 0.03)) as shaky:

        def watch(progress: Progress) -> None:
            if progress.done == 10 and shaky._server is not None and "b" not in shaky.models[MODEL]:
                shaky.stop()
                shaky.counts.clear()
                shaky.models[MODEL] = "b" * 64
                shaky.start()
            seen.extend(host.last_trouble for host in progress.hosts if host.url == shaky.url)

        limits = replace(QUICK, check_seconds=0.05)
        assert run(questions(80), [steady, shaky], store, limits=limits, report=watch).answered == 80
        assert shaky.counts["asked"] < 15
    assert "now has the model tiny:latest with the digest bbb" in seen[-1]
    assert "ollama pull" in seen[-1]


def test_no_host_for_too_long_stops_with_one_sentence_and_keeps_what_is_done(store: ReplyStore) -> None:
    with OllamaServer(latency=(0.01, 0.02)) as server:

        def watch(progress: Progress) -> None:
            if progress.done == 5:
                server.stop()

        with pytest.raises(
            HostsUnreachableError, match=r"No Ollama host has replied for .* s: .*ollama serve"
        ):
            run(questions(30), [server], store, report=watch)
        kept = len(store.answered())
        assert 5 <= kept < 30
        server.start()
        assert run(questions(30), [server], store).answered == 30 - kept


def test_a_host_that_answers_probes_but_never_a_question_stops_the_run_as_well(store: ReplyStore) -> None:
    with (
        OllamaServer(faults=Faults(error=1.0)) as server,
        pytest.raises(HostsUnreachableError, match="status 500"),
    ):
        run(questions(100), [server], store)
    assert store.quarantined() == {}


def test_no_host_at_the_start_says_how_to_start_one_or_do_without(store: ReplyStore) -> None:
    with OllamaServer() as server:
        pass
    with pytest.raises(
        HostsUnreachableError, match=r"ollama serve.*ollama pull tiny:latest.*pinned.*extractive"
    ):
        run(questions(3), [server], store)


def test_hosts_without_the_model_or_with_another_are_named_before_anything_is_asked(
    store: ReplyStore,
) -> None:
    with OllamaServer() as one, OllamaServer() as two:
        two.models = {}
        with pytest.raises(
            ModelMissingError, match=f"{two.url} does not have the model tiny:latest.*ollama pull"
        ):
            run(questions(3), [one, two], store)
        two.models = {MODEL: "b" * 64}
        with pytest.raises(
            TextError, match=f"{one.url} has .* digest aaa.* and {two.url} with bbb.*ollama pull"
        ):
            run(questions(3), [one, two], store)
        one.models = {MODEL: "b" * 64}
        with pytest.raises(TextError, match="with the digest bbb.* made for aaa"):
            run(questions(3), [one, two], store)
        assert one.counts["asked"] == two.counts["asked"] == 0


def test_check_hosts_returns_the_digest_that_all_reachable_hosts_share() -> None:
    async def act(*servers: OllamaServer) -> str:
        hosts = [OllamaHost(server.url) for server in servers]
        try:
            return await check_hosts(hosts, "tiny")
        finally:
            for host in hosts:
                await host.close()

    with OllamaServer() as one, OllamaServer() as two:
        assert asyncio.run(act(one, two)) == DIGEST
        two.stop()
        assert asyncio.run(act(one, two)) == DIGEST


def test_a_model_deleted_in_between_is_not_the_questions_fault(store: ReplyStore) -> None:
    deleted: list[int] = []
    with OllamaServer(latency=(0.01, 0.02)) as server:

        def watch(progress: Progress) -> None:
            if progress.done == 5 and not deleted:
                deleted.append(5)
                server.models = {}
            if deleted and progress.hosts[0].state == "open":
                server.models = {MODEL: DIGEST}

        outcome = run(questions(20), [server], store, report=watch)
    assert (outcome.answered, outcome.failed_attempts, outcome.quarantined) == (20, {}, {})


@pytest.mark.parametrize("name", ["seed", "num_ctx"])
def test_options_without_seed_or_context_are_refused(
    server: OllamaServer, store: ReplyStore, name: str
) -> None:
    options = {key: value for key, value in OPTIONS.items() if key != name}
    with pytest.raises(TextError, match=f"lack the whole number {name}"):
        run(questions(1, options), [server], store)


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(TextError, match="limit concurrency is 0"):
        AskingLimits(concurrency=0)


def test_the_report_counts_up_to_the_end(server: OllamaServer, store: ReplyStore) -> None:
    server.latency = (0.005, 0.01)
    server.script = ["schema", "error"]
    seen: list[Progress] = []
    run(questions(20), [server], store, report=seen.append)
    last = seen[-1]
    assert (last.total, last.done, last.in_flight, last.quarantined) == (20, 20, 0, 0)
    assert (last.failed_attempts, last.troubles) == ({"schema": 1}, {"server-error": 1})
    assert last.seconds_left == 0
    assert last.replies_per_second > 1
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    half = next(p for p in seen if p.done == 10)
    assert half.seconds_left == pytest.approx(10 / half.replies_per_second)
    assert "status 500" in last.hosts[0].last_trouble


def test_a_store_that_cannot_be_written_stops_the_run_with_its_sentence(
    server: OllamaServer, store: ReplyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> bool:
        raise TextError("The disk is full.")

    monkeypatch.setattr(store, "add_reply", full)
    with pytest.raises(TextError, match=r"The disk is full\."):
        run(questions(5), [server], store)


def test_ctrl_c_ends_the_process_quickly_and_keeps_the_finished_replies(tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite"
    with OllamaServer(latency=(0.02, 0.03)) as server:
        program = f"""if True:
            import asyncio, signal, sys
            from pathlib import Path
            # A shell that starts things in the background lets them ignore Ctrl-C.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            sys.path.insert(0, {os.getcwd()!r})
            from irllrec.text.store import ReplyStore
            from tests.irllrec.text.test_asking import questions, run
            class Server: url = {server.url!r}
            with ReplyStore(Path({str(path)!r})) as store:
                try:
                    run(questions(5000), [Server], store)
                except KeyboardInterrupt:
                    print("stopped", len(store.answered()))
        """
        process = subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        _wait(lambda: server.counts["replied"] >= 10)
        process.send_signal(signal.SIGINT)
        said, complaints = process.communicate(timeout=10)
    assert complaints == b""
    assert process.returncode == 0
    word, count = said.split()
    assert word == b"stopped"
    with ReplyStore(path) as store:
        assert len(store.answered()) == int(count) >= 8


def _wait(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.01)
