"""Hosts with their circuit breakers: when each may be asked, and whether all speak for one model.

A lane is *closed* while its host replies. After several troubles in a row it *opens*: nothing is sent
but a probe from time to time. A probe that finds the same model puts it on *trial*: one question is let
through, and only a reply to it closes the lane again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

from irllrec.errors import TextError
from irllrec.text.client import OllamaHost
from irllrec.text.troubles import HostsUnreachableError, HostTroubleError, ModelMissingError

LaneState = Literal["closed", "open", "trial"]

WITHOUT_SERVER = "choose what needs no server (`pinned` or `extractive` summaries, `lsa` vectors)"


@dataclass(frozen=True, kw_only=True)
class AskingLimits:
    """How hard hosts are worked and how long they are waited for.

    Attributes:
        concurrency: Requests in flight at each host.
        most_attempts: Bad replies after which a question is given up.
        most_timeouts: Time-outs after which a question is given up.
        most_troubles: Other failures of a host in the midst of a question after which the question is
            held to be their cause and given up.
        retry_temperature: Temperature of further attempts where the first had 0: greedy decoding gives
            the same reply with every seed.
        troubles_to_open: Troubles in a row that open a host's circuit.
        first_pause_seconds: Pause of a host after its first trouble; it doubles with each further one.
        longest_pause_seconds: Longest such pause.
        longest_retry_after_seconds: Longest pause that a host may ask for itself.
        check_seconds: How often a host that works is asked whether its model is still the same.
        give_up_seconds: How long no host may reply before the run stops.
    """

    concurrency: int = 2
    most_attempts: int = 3
    most_timeouts: int = 3
    most_troubles: int = 10
    retry_temperature: float = 0.3
    troubles_to_open: int = 3
    first_pause_seconds: float = 1.0
    longest_pause_seconds: float = 60.0
    longest_retry_after_seconds: float = 600.0
    check_seconds: float = 60.0
    give_up_seconds: float = 900.0

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if not value > 0:
                raise TextError(f"The limit {entry.name} is {value}: it must be larger than 0.")


@dataclass(frozen=True)
class HostStatus:
    """What a progress display shows of a host; ``last_trouble`` is empty while there was none."""

    url: str
    state: LaneState
    in_flight: int
    reply_count: int
    last_trouble: str


class Lane:
    """One host and its circuit breaker."""

    def __init__(self, host: OllamaHost, limits: AskingLimits) -> None:
        """Start with a closed lane."""
        self.host = host
        self.state: LaneState = "closed"
        self.in_flight = 0
        self.reply_count = 0
        self.last_trouble = ""
        self.down_since: float | None = None
        self.opened = asyncio.Event()
        self._limits = limits
        self._troubles = 0
        self._pauses = 0
        self._quiet_until = 0.0
        self._has_other_model = False
        self._gate = asyncio.Event()
        self._gate.set()
        self._jitter = random.Random(host.url)

    @property
    def status(self) -> HostStatus:
        """The lane as a progress display shows it."""
        return HostStatus(self.host.url, self.state, self.in_flight, self.reply_count, self.last_trouble)

    @property
    def may_send(self) -> bool:
        """Whether a question may be sent right now."""
        return self.state != "open" and self._pause() <= 0

    async def ready(self) -> None:
        """Wait until a question may be sent; on trial only one waiter passes."""
        while True:
            await self._gate.wait()
            if not self._gate.is_set():
                continue  # all waiters wake when the gate opens, and the first has closed it again
            if self._pause() > 0:
                await self.rest()
                continue
            if self.state == "trial":
                self._gate.clear()
            return

    async def rest(self) -> None:
        """Wait until the pause after the last trouble is over."""
        await asyncio.sleep(max(0.0, self._pause()))

    def note_reply(self) -> None:
        """The host replied, whatever the reply is worth: it works."""
        self.reply_count += 1
        if self._has_other_model:
            return
        self._troubles = self._pauses = 0
        self._quiet_until = 0.0
        self.state = "closed"
        self.down_since = None
        self.opened.clear()
        self._gate.set()

    def note_trouble(self, error: TextError) -> None:
        """The host failed: leave it alone for a while, and open the lane if it keeps failing."""
        self._troubles += 1
        self.last_trouble = str(error)
        now = time.monotonic()
        if now >= self._quiet_until:
            # Requests that were in flight together fail together: that is one reason to pause, not many.
            self._pauses += 1
        doubled = self._limits.first_pause_seconds * 2.0 ** min(self._pauses - 1, 30)
        pause = min(self._limits.longest_pause_seconds, doubled) * self._jitter.uniform(0.75, 1.0)
        if isinstance(error, HostTroubleError) and error.retry_after is not None:
            pause = min(error.retry_after, self._limits.longest_retry_after_seconds)
        self._quiet_until = max(self._quiet_until, now + pause)
        if self.state != "closed" or self._troubles >= self._limits.troubles_to_open:
            self.open()

    def note_other_model(self, error: TextError) -> None:
        """The host has another model under this name: open the lane, whatever is still in flight there."""
        self._has_other_model = True
        self.note_trouble(error)
        self.open()

    def open(self) -> None:
        """Send nothing more to this host until a probe finds it well."""
        self.state = "open"
        self.down_since = self.down_since or time.monotonic()
        self.opened.set()
        self._gate.clear()

    def put_on_trial(self) -> None:
        """Let one question through."""
        self._has_other_model = False
        self.state = "trial"
        self.opened.clear()
        self._gate.set()

    def _pause(self) -> float:
        return self._quiet_until - time.monotonic()


@dataclass(frozen=True)
class Found:
    """What a host said when asked for a model: its digest, or why there is none."""

    host: OllamaHost
    digest: str | None
    trouble: TextError | None


async def survey(hosts: Sequence[OllamaHost], model: str) -> list[Found]:
    """Return what each host says about a model, in their order; all are asked at once."""
    return list(await asyncio.gather(*(_look(host, model) for host in hosts)))


async def check_hosts(hosts: Sequence[OllamaHost], model: str) -> str:
    """Return the digest of ``model`` after checking that every reachable host has the same.

    Raises:
        HostsUnreachableError: If no host answers.
        ModelMissingError: If a host that answers lacks the model.
        TextError: If two hosts have different models under this name.
    """
    return digest_of_all(await survey(hosts, model), model)


def digest_of_all(survey_of_hosts: Sequence[Found], model: str) -> str:
    """Return the one digest that all reachable hosts name; see :func:`check_hosts`."""
    reached = [found for found in survey_of_hosts if found.trouble is None]
    if not reached:
        raise HostsUnreachableError(
            f"No Ollama host answers: start one with `ollama serve` and get the model with `ollama pull {model}`, "
            f"or {WITHOUT_SERVER} ({_reasons(survey_of_hosts) or 'no host is named'})."
        )
    for found in reached:
        if found.digest is None:
            raise ModelMissingError(
                f"{found.host.url} does not have the model {model}: run `ollama pull {model}` on that machine."
            )
    first = reached[0]
    assert first.digest is not None
    for found in reached:
        if found.digest != first.digest:
            raise TextError(
                f"{first.host.url} has the model {model} with the digest {first.digest} and {found.host.url} "
                f"with {found.digest}: run `ollama pull {model}` on both so that all replies come from one model."
            )
    return first.digest


def _reasons(survey_of_hosts: Sequence[Found]) -> str:
    """Return why hosts do not answer, those with the same reason together."""
    holders: dict[str, list[str]] = {}
    for found in survey_of_hosts:
        reason = str(found.trouble).removeprefix(found.host.url).partition(": ")[0].strip()
        holders.setdefault(reason, []).append(found.host.url)
    return "; ".join(f"{', '.join(urls)} {reason}" for reason, urls in holders.items())


async def _look(host: OllamaHost, model: str) -> Found:
    try:
        await host.version()
        return Found(host, await host.digest_of(model), None)
    except TextError as error:
        return Found(host, None, error)
