"""Handing jobs out to several hosts, each at its own pace, until all jobs are settled.

What a job is and when it is settled is the caller's: texts to summarize, batches to embed.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from irllrec.errors import TextError
from irllrec.text.client import OllamaHost
from irllrec.text.lanes import AskingLimits, Found, HostStatus, Lane
from irllrec.text.troubles import HostsUnreachableError, HostTroubleError, ModelMissingError

Job = TypeVar("Job")

LONGEST_TICK_SECONDS = 1.0
CANCEL_SECONDS = 1.0


class Dispatch(Generic[Job]):
    """Several lanes that take jobs from one queue."""

    def __init__(
        self,
        survey_of_hosts: Sequence[Found],
        *,
        model: str,
        digest: str,
        limits: AskingLimits,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """Make a lane for each host; those that did not answer the survey start open.

        Args:
            survey_of_hosts: What the hosts said about the model.
            model: Name of the model.
            digest: The digest a host must have to be asked.
            limits: How hard hosts are worked and how long they are waited for.
            changed: Called after every event, and about once a second.
        """
        self._model = model
        self._digest = digest
        self._limits = limits
        self._changed = changed
        self._lanes = [Lane(found.host, limits) for found in survey_of_hosts]
        for lane, found in zip(self._lanes, survey_of_hosts, strict=True):
            if found.trouble is not None:
                lane.note_trouble(found.trouble)
                lane.open()

    @property
    def statuses(self) -> tuple[HostStatus, ...]:
        """All hosts as a progress display shows them."""
        return tuple(lane.status for lane in self._lanes)

    async def run(
        self,
        jobs: Sequence[Job],
        perform: Callable[[OllamaHost, Job], Awaitable[bool]],
        after_trouble: Callable[[OllamaHost, Job, HostTroubleError], bool],
    ) -> None:
        """Return when every job is settled.

        Args:
            jobs: In the order they are begun; one that is not settled goes back to the end.
            perform: Does a job at a host and returns whether it is settled now.
            after_trouble: Told when the host failed at a job; returns whether the job is settled, that
                is given up.

        Raises:
            HostsUnreachableError: If no host replied for ``give_up_seconds``.
            TextError: Whatever ``perform`` and ``after_trouble`` raise; all other jobs are then stopped.
        """
        queue: asyncio.Queue[Job] = asyncio.Queue()
        for job in jobs:
            queue.put_nowait(job)
        tasks = [asyncio.create_task(queue.join()), asyncio.create_task(self._watch())]
        for lane in self._lanes:
            tasks.append(asyncio.create_task(self._keep(lane)))
            tasks += [
                asyncio.create_task(self._work(lane, queue, perform, after_trouble))
                for _ in range(self._limits.concurrency)
            ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await _end(tasks)

    async def _work(
        self,
        lane: Lane,
        queue: asyncio.Queue[Job],
        perform: Callable[[OllamaHost, Job], Awaitable[bool]],
        after_trouble: Callable[[OllamaHost, Job, HostTroubleError], bool],
    ) -> None:
        while True:
            await lane.ready()
            job = await queue.get()
            # The host may have failed while this worker waited for a job.
            settled = lane.may_send and await self._try(lane, job, perform, after_trouble)
            if not settled:
                queue.put_nowait(job)
            queue.task_done()
            self._changed()

    async def _try(
        self,
        lane: Lane,
        job: Job,
        perform: Callable[[OllamaHost, Job], Awaitable[bool]],
        after_trouble: Callable[[OllamaHost, Job, HostTroubleError], bool],
    ) -> bool:
        lane.in_flight += 1
        self._changed()
        try:
            settled = await perform(lane.host, job)
        except HostTroubleError as error:
            lane.note_trouble(error)
            return after_trouble(lane.host, job, error)
        except ModelMissingError as error:
            lane.note_trouble(error)
            lane.open()
            return False
        finally:
            lane.in_flight -= 1
        lane.note_reply()
        return settled

    async def _keep(self, lane: Lane) -> None:
        """Probe a host that is down until it is back, and one that works now and then."""
        while True:
            # Not wait_for, which in Python 3.11 loses a cancellation that comes together with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._limits.check_seconds):
                    await lane.opened.wait()
            if lane.state == "open":
                await lane.rest()
            await self._probe(lane)
            self._changed()

    async def _probe(self, lane: Lane) -> None:
        try:
            await lane.host.version()
            digest = await lane.host.digest_of(self._model)
        except TextError as error:
            if lane.state == "open":
                lane.note_trouble(error)
            return
        if digest != self._digest:
            other = TextError(
                f"{lane.host.url} now has the model {self._model} with the digest {digest} instead of "
                f"{self._digest}: run `ollama pull {self._model}` on every machine."
            )
            lane.note_other_model(other)
        elif lane.state == "open":
            lane.put_on_trial()

    async def _watch(self) -> None:
        """Raise when no host has replied for too long and none is at work."""
        while True:
            await asyncio.sleep(min(LONGEST_TICK_SECONDS, self._limits.give_up_seconds / 10))
            self._changed()
            downs = [lane.down_since for lane in self._lanes]
            if any(down is None for down in downs) or any(lane.in_flight for lane in self._lanes):
                continue
            silent = time.monotonic() - max(down for down in downs if down is not None)
            if silent > self._limits.give_up_seconds:
                reasons = " ".join(lane.last_trouble for lane in self._lanes)
                raise HostsUnreachableError(
                    f"No Ollama host has replied for {silent:.0f} s: start them again with `ollama serve` and "
                    f"run the same command, it goes on where it stopped. ({reasons})"
                )


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel tasks until all have ended; a library below may lose a cancellation that meets its own."""
    while unfinished := [task for task in tasks if not task.done()]:
        for task in unfinished:
            task.cancel()
        await asyncio.wait(unfinished, timeout=CANCEL_SECONDS)
    # An error that nobody looked at would be reported when its task is deleted.
    await asyncio.gather(*tasks, return_exceptions=True)
