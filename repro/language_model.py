"""A data set's text and a language model: what is asked, of which hosts, and where replies are kept."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from irllrec.errors import TextError
from repro.errors import ReproError
from repro.text_params import ASKING, Chat, OllamaEngine, Text

if TYPE_CHECKING:
    from irllrec.data.interactions import Interactions
    from irllrec.data.prepared import PreparedText
    from irllrec.text.asked import StoredReply
    from irllrec.text.client import OllamaHost
    from irllrec.text.lanes import AskingLimits
    from irllrec.text.prompts import Prompt
    from irllrec.text.questions import Outcome, Progress, Question
    from irllrec.text.store import ReplyStore

LOCAL_HOST = "http://127.0.0.1:11434"
UNSPECIFIED = "0.0.0.0"
"""What a server listens on may stand in OLLAMA_HOST; a client cannot connect to it everywhere."""

Report = Callable[["Progress"], None]


@dataclass(frozen=True)
class Asking:
    """The prompts of one entry under ``text``, and the question that each becomes for one model.

    Attributes:
        prompts: Users first, in node order; nodes without text have none.
        questions: One a prompt; equal prompts share a key.
        digest: Digest of the model.
    """

    prompts: Sequence[Prompt]
    questions: Sequence[Question]
    digest: str


def host_addresses(engine: OllamaEngine) -> tuple[str, ...]:
    """Return the hosts to ask: those of params.yaml, else OLLAMA_HOST, else this machine."""
    named = os.environ.get("OLLAMA_HOST", "").strip()
    if engine.hosts:
        return engine.hosts
    return (named.replace(UNSPECIFIED, "127.0.0.1"),) if named else (LOCAL_HOST,)


def limits_of(engine: OllamaEngine, most_attempts: int = 3) -> AskingLimits:
    """Return how hard hosts are worked and how long they are waited for."""
    from irllrec.text.lanes import AskingLimits

    return AskingLimits(
        concurrency=engine.requests_per_host,
        most_attempts=most_attempts,
        give_up_seconds=max(engine.give_up_seconds, 1e-3),
    )


@asynccontextmanager
async def open_hosts(engine: OllamaEngine) -> AsyncIterator[list[OllamaHost]]:
    """Yield the hosts to ask; their connections are closed at the end."""
    from irllrec.text.client import OllamaHost

    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(OllamaHost(url, reply_seconds=engine.timeout_seconds))
            for url in host_addresses(engine)
        ]


def chat_of(name: str, text: Text) -> Chat:
    """Return what the entry ``name`` asks a model with.

    Raises:
        ReproError: If it names no model.
    """
    if text.chat is None:
        raise no_model(name, text)
    return text.chat


def no_model(name: str, text: Text) -> ReproError:
    """Return the refusal of an entry that asks no language model."""
    return ReproError(
        f"params.yaml: text.{name} has the summarizer {text.summarizer!r}, which asks no language model: set "
        f"it to {' or '.join(ASKING)} and add `chat: {{model: NAME}}` (docs/ollama.md)."
    )


def prompts_of(text: Text, chat: Chat, rows: Sequence[PreparedText], train: Interactions) -> list[Prompt]:
    """Return what is asked about each node of a data set.

    Raises:
        TextError: If no node has text, or the budget of tokens is too small for a prompt.
    """
    from irllrec.text.prompts import build_distil_prompts, build_prompts

    room = chat.num_ctx - chat.num_predict
    if text.summarizer == "distilled":
        prompts = build_distil_prompts(rows, domain=chat.domain, most_tokens=room)
        missing = "no published profile, which distilled intents are made from"
    else:
        prompts = build_prompts(rows, train, domain=chat.domain, style=chat.style, most_tokens=room)
        missing = "no text that training may see"
    if not prompts:
        raise TextError(
            f"The data set {text.dataset} has {missing}: import texts with `repro data import --user-text/"
            "--item-text`, or run only the variant base."
        )
    return prompts


def asking_of(text: Text, chat: Chat, prompts: Sequence[Prompt], digest: str) -> Asking:
    """Return the questions that the prompts are for a model of this digest."""
    from irllrec.text.asked import question_key
    from irllrec.text.chats import ChatRequest
    from irllrec.text.questions import Question
    from irllrec.text.replies import Style, schema_of

    style: Style = "distil" if text.summarizer == "distilled" else chat.style
    schema = schema_of(style)
    options = {
        "temperature": chat.temperature,
        "seed": chat.seed,
        "num_ctx": chat.num_ctx,
        "num_predict": chat.num_predict,
        **({} if chat.think is None else {"think": chat.think}),
    }
    questions = [
        Question(
            key=question_key(
                digest=digest,
                template_sha256=prompt.template_sha256,
                schema=schema,
                options=options,
                input_sha256=prompt.input_sha256,
            ),
            request=ChatRequest(chat.model, prompt.messages, schema, options),
            style=style,
            template=prompt.template,
            template_sha256=prompt.template_sha256,
            input_sha256=prompt.input_sha256,
        )
        for prompt in prompts
    ]
    return Asking(prompts, questions, digest)


def find_digest(
    engine: OllamaEngine, text: Text, chat: Chat, prompts: Sequence[Prompt], store: ReplyStore | None
) -> str:
    """Return the digest of the model that the hosts have.

    Where no host answers but the store holds a reply or a failure for every question of one model of this
    name, it is that model: what is finished needs no server.

    Raises:
        HostsUnreachableError: If no host answers and something is still to be asked.
        ModelMissingError: If a host lacks the model.
        TextError: If two hosts have different models under this name.
    """
    from irllrec.text.lanes import check_hosts
    from irllrec.text.troubles import HostsUnreachableError

    async def look() -> str:
        async with open_hosts(engine) as hosts:
            return await check_hosts(hosts, chat.model)

    try:
        return asyncio.run(look())
    except HostsUnreachableError:
        settled = set() if store is None else store.answered() | set(store.quarantined())
        for digest in [] if store is None else store.digests(chat.model):
            if {question.key for question in asking_of(text, chat, prompts, digest).questions} <= settled:
                return digest
        raise


def put_questions(
    engine: OllamaEngine,
    chat: Chat,
    asking: Asking,
    store: ReplyStore,
    *,
    retry: bool = False,
    report: Report | None = None,
) -> Outcome:
    """Ask what has no reply yet; replies are kept one by one, so that an interruption loses none.

    Raises:
        TextError: As :func:`irllrec.text.asking.ask`.
    """
    from irllrec.text.asking import ask
    from irllrec.text.replies import parse_reply

    async def run() -> Outcome:
        async with open_hosts(engine) as hosts:
            return await ask(
                asking.questions,
                hosts,
                store,
                parse=parse_reply,
                digest=asking.digest,
                limits=limits_of(engine, chat.most_attempts),
                retry=retry,
                report=report,
            )

    return asyncio.run(run())


def replies_of(asking: Asking, store: ReplyStore) -> dict[Any, StoredReply]:
    """Return the good reply about each (role, node) that has one."""
    found: Mapping[str, StoredReply | None] = {
        question.key: store.reply(question.key) for question in asking.questions
    }
    pairs = zip(asking.prompts, asking.questions, strict=True)
    return {
        (prompt.role, prompt.node): reply
        for prompt, question in pairs
        if (reply := found[question.key]) is not None
    }
