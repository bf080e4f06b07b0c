"""Asking a language model thousands of questions, so that each ends answered or set aside with a reason.

A reply is stored before it counts. A reply that is no good is the question's fault: it is kept, the
question is asked again with another seed, and after a few attempts it is quarantined. A host that fails
is not: the question goes back to the queue and the host is left alone for a while.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from irllrec.errors import TextError
from irllrec.text.asked import Asked, FailureCounts, StoredFailure, StoredReply, utc_now
from irllrec.text.chats import ChatReply, ChatRequest, cut_off
from irllrec.text.client import OllamaHost
from irllrec.text.dispatch import Dispatch
from irllrec.text.lanes import AskingLimits, digest_of_all, survey
from irllrec.text.questions import Outcome, Progress, Question
from irllrec.text.store import ReplyStore
from irllrec.text.troubles import HostTroubleError, RequestRefusedError

if TYPE_CHECKING:
    from irllrec.text.replies import Reply, Style

TIME_OUT = "time-out"
TROUBLES_OF_QUESTIONS = frozenset({"dropped", "server-error", "malformed"})
"""Troubles in the midst of a reply, which the question may have caused; a refused connection or a busy
host never is."""

MOST_REFUSALS_IN_A_ROW = 5
RATE_WINDOW_SECONDS = 60.0

Parse = Callable[[str, "Style"], "Reply"]


async def ask(
    questions: Sequence[Question],
    hosts: Sequence[OllamaHost],
    store: ReplyStore,
    *,
    parse: Parse,
    digest: str,
    limits: AskingLimits | None = None,
    retry: bool = False,
    report: Callable[[Progress], None] | None = None,
) -> Outcome:
    """Ask every question that has no reply yet and return what came of it.

    Hosts are only spoken to where there is something to ask. Cancelling loses nothing that was stored.

    Args:
        questions: All for one model; in the order they are begun.
        hosts: The machines to ask; those that are down join when they come up.
        store: Where replies and failures are kept.
        parse: Turns the text of a reply into what it says, or raises a ``TextError``; the error's
            ``kind``, if it has one, is recorded.
        digest: Digest of the model that the keys were made for.
        limits: How hard hosts are worked and how long they are waited for.
        retry: Whether quarantined questions are asked again, with new seeds.
        report: Called after every event and about once a second.

    Raises:
        HostsUnreachableError: If no host answers, or none has replied for ``give_up_seconds``.
        ModelMissingError: If a host lacks the model.
        TextError: If a host has another model, the options lack a number, the hosts refuse several
            questions in a row, or the store cannot be written.
    """
    run = _Run(questions, store, parse=parse, digest=digest, limits=limits or AskingLimits(), report=report)
    if retry:
        store.release(run.questions)
    pending = run.pending()
    if pending:
        model = pending[0].request.model
        found = await survey(hosts, model)
        present = digest_of_all(found, model)
        if present != digest:
            raise TextError(
                f"{found[0].host.url} has the model {model} with the digest {present} but the questions were "
                f"made for {digest}: run `ollama pull {model}` or make the questions again."
            )
        run.dispatch = Dispatch(found, model=model, digest=digest, limits=run.limits, changed=run.tell)
        await run.dispatch.run(pending, run.perform, run.after_trouble)
    return run.outcome()


class _Run:
    """The counts of one run, and what is done with each reply."""

    def __init__(
        self,
        questions: Sequence[Question],
        store: ReplyStore,
        *,
        parse: Parse,
        digest: str,
        limits: AskingLimits,
        report: Callable[[Progress], None] | None,
    ) -> None:
        self.questions = {question.key: question for question in questions}
        self.limits = limits
        self.dispatch: Dispatch[Question] | None = None
        self._store = store
        self._parse = parse
        self._digest = digest
        self._report = report
        self._start = time.monotonic()
        self._counts: dict[str, FailureCounts] = {}
        self._failed: Counter[str] = Counter()
        self._troubles: Counter[str] = Counter()
        self._quarantined: Counter[str] = Counter()
        self._replied_at: deque[float] = deque()
        self._already = self._answered = self._refusals = 0
        self._prompt_tokens = self._reply_tokens = 0

    def pending(self) -> list[Question]:
        """Return the questions to ask, after checking them."""
        answered = self._store.answered()
        quarantined = self._store.quarantined()
        self._counts = self._store.failure_counts()
        self._already = sum(1 for key in self.questions if key in answered)
        self._quarantined.update(quarantined[key].kind for key in self.questions if key in quarantined)
        pending = [
            question
            for key, question in self.questions.items()
            if key not in answered and key not in quarantined
        ]
        for question in pending:
            for name in ("seed", "num_ctx"):
                if not isinstance(question.request.options.get(name), int):
                    raise TextError(
                        f"The options of a question lack the whole number {name}: set it, the server's own "
                        "default is neither recorded nor checked."
                    )
            if question.request.model != pending[0].request.model:
                raise TextError(
                    f"The questions name the models {pending[0].request.model} and {question.request.model}: "
                    "ask one model at a time."
                )
        return pending

    async def perform(self, host: OllamaHost, question: Question) -> bool:
        """Ask once; return whether the question is settled."""
        request = self._request(question)
        start = time.monotonic()
        try:
            reply = await host.chat(request)
        except RequestRefusedError as error:
            kind = "context-full" if error.too_long else "refused"
            asked = self._asked(question, request, host, seconds=time.monotonic() - start)
            settled = self._fail(asked, kind, str(error))
            self._count_refusal(error)
            return settled
        self._refusals = 0
        self._prompt_tokens += reply.prompt_tokens or 0
        self._reply_tokens += reply.reply_tokens or 0
        asked = self._asked(question, request, host, reply=reply)
        problem = cut_off(reply, request.options)
        if problem is not None:
            return self._fail(asked, *problem)
        try:
            parsed = asdict(self._parse(reply.content, question.style))
        except TextError as error:
            return self._fail(asked, str(getattr(error, "kind", "unreadable")), str(error))
        self._store.add_reply(StoredReply(**asked, parsed=parsed))
        self._answered += 1
        self._replied_at.append(time.monotonic())
        return True

    def after_trouble(self, host: OllamaHost, question: Question, error: HostTroubleError) -> bool:
        """Count what a host's failure tells about the question; return whether it is given up."""
        self._troubles[error.kind] += 1
        if error.kind != TIME_OUT and error.kind not in TROUBLES_OF_QUESTIONS:
            return False
        standing = self._counts.setdefault(question.key, FailureCounts()).standing
        if error.kind == TIME_OUT:
            give_up = standing[TIME_OUT] + 1 >= self.limits.most_timeouts
        else:
            give_up = sum(standing[kind] for kind in TROUBLES_OF_QUESTIONS) + 1 >= self.limits.most_troubles
        asked = self._asked(question, self._request(question), host, seconds=0.0)
        self._record(asked, error.kind, str(error), give_up=give_up)
        return give_up

    def tell(self) -> None:
        """Report where the run stands."""
        if self._report is None:
            return
        now = time.monotonic()
        while self._replied_at and self._replied_at[0] < now - RATE_WINDOW_SECONDS:
            self._replied_at.popleft()
        rate = len(self._replied_at) / max(1e-9, min(RATE_WINDOW_SECONDS, now - self._start))
        done = self._already + self._answered
        quarantined = sum(self._quarantined.values())
        left = len(self.questions) - done - quarantined
        hosts = self.dispatch.statuses if self.dispatch is not None else ()
        self._report(
            Progress(
                total=len(self.questions),
                done=done,
                failed_attempts=dict(self._failed),
                troubles=dict(self._troubles),
                quarantined=quarantined,
                in_flight=sum(host.in_flight for host in hosts),
                replies_per_second=rate,
                seconds_left=left / rate if rate > 0 else None,
                hosts=hosts,
            )
        )

    def outcome(self) -> Outcome:
        """Return what came of the run."""
        self.tell()
        return Outcome(
            answered=self._answered,
            already_answered=self._already,
            failed_attempts=dict(self._failed),
            troubles=dict(self._troubles),
            quarantined=dict(self._quarantined),
            seconds=time.monotonic() - self._start,
            prompt_tokens=self._prompt_tokens,
            reply_tokens=self._reply_tokens,
        )

    def _attempt(self, key: str) -> int:
        ever = self._counts.get(key, FailureCounts()).ever
        return 1 + sum(count for kind, count in ever.items() if _is_bad_reply(kind))

    def _request(self, question: Question) -> ChatRequest:
        attempt = self._attempt(question.key)
        options = dict(question.request.options)
        options["seed"] += attempt - 1
        if attempt > 1 and options.get("temperature") == 0:
            options["temperature"] = self.limits.retry_temperature
        request = question.request
        return ChatRequest(request.model, request.messages, request.schema, options)

    def _asked(
        self,
        question: Question,
        request: ChatRequest,
        host: OllamaHost,
        *,
        reply: ChatReply | None = None,
        seconds: float = 0.0,
    ) -> dict[str, Any]:
        asked = Asked(
            key=question.key,
            attempt=self._attempt(question.key),
            done_reason=reply.done_reason if reply else None,
            prompt_tokens=reply.prompt_tokens if reply else None,
            reply_tokens=reply.reply_tokens if reply else None,
            seconds=reply.seconds if reply else seconds,
            host=host.url,
            server_version=reply.server_version if reply else "",
            model=request.model,
            digest=self._digest,
            asked_at=utc_now(),
            style=question.style,
            template=question.template,
            template_sha256=question.template_sha256,
            input_sha256=question.input_sha256,
            options=request.options,
            content=reply.content if reply else "",
        )
        return vars(asked)

    def _fail(self, asked: Mapping[str, Any], kind: str, sentence: str) -> bool:
        self._failed[kind] += 1
        standing = self._counts.setdefault(asked["key"], FailureCounts()).standing
        bad = 1 + sum(count for earlier, count in standing.items() if _is_bad_reply(earlier))
        give_up = bad >= self.limits.most_attempts
        self._record(asked, kind, sentence, give_up=give_up)
        return give_up

    def _record(self, asked: Mapping[str, Any], kind: str, sentence: str, *, give_up: bool) -> None:
        self._store.add_failure(StoredFailure(**asked, kind=kind, sentence=sentence), give_up=give_up)
        counts = self._counts[asked["key"]]
        counts.ever[kind] += 1
        counts.standing[kind] += 1
        if give_up:
            self._quarantined[kind] += 1

    def _count_refusal(self, error: RequestRefusedError) -> None:
        self._refusals += 0 if error.too_long else 1
        if self._refusals >= MOST_REFUSALS_IN_A_ROW:
            raise TextError(
                f"{self._refusals} questions in a row were refused, so we stop here. The last: {error}"
            )


def _is_bad_reply(kind: str) -> bool:
    return kind != TIME_OUT and kind not in TROUBLES_OF_QUESTIONS
