"""The circuit breaker of one host, apart from any server."""

from __future__ import annotations

import asyncio
import time

import pytest

from irllrec.text.client import OllamaHost
from irllrec.text.lanes import AskingLimits, Lane
from irllrec.text.troubles import HostTroubleError

LIMITS = AskingLimits(first_pause_seconds=8.0, longest_pause_seconds=20.0, longest_retry_after_seconds=50.0)
TROUBLE = HostTroubleError("It fell over.", kind="dropped")


def pause(lane: Lane) -> float:
    return lane._quiet_until - time.monotonic()


def test_three_troubles_in_a_row_open_a_lane_and_a_reply_closes_it() -> None:
    async def act() -> None:
        lane = Lane(OllamaHost("http://box"), LIMITS)
        lane.note_trouble(TROUBLE)
        lane.note_trouble(TROUBLE)
        lane.note_reply()
        lane.note_trouble(TROUBLE)
        lane.note_trouble(TROUBLE)
        assert (lane.state, lane.may_send) == ("closed", False)
        lane.note_trouble(TROUBLE)
        assert (lane.state, lane.down_since is None) == ("open", False)
        assert lane.status.last_trouble == "It fell over."
        lane.note_reply()
        assert (lane.state, lane.may_send, lane.down_since) == ("closed", True, None)

    asyncio.run(act())


def test_pauses_double_up_to_the_longest_but_not_for_requests_that_fail_together() -> None:
    """8 s, then 16 s, then 20 s instead of 32, each shortened by up to a quarter."""

    async def act() -> None:
        lane = Lane(OllamaHost("http://box"), LIMITS)
        for least, most in ((6, 8), (12, 16), (15, 20)):
            for _ in range(4):
                lane.note_trouble(TROUBLE)
            assert least - 0.1 < pause(lane) <= most
            lane._quiet_until = 0.0

    asyncio.run(act())


@pytest.mark.parametrize(("asked", "granted"), [(30.0, 30.0), (1e9, 50.0), (0.0, 0.0)])
def test_a_host_may_ask_for_its_own_pause_within_bounds(asked: float, granted: float) -> None:
    async def act() -> None:
        lane = Lane(OllamaHost("http://box"), LIMITS)
        lane.note_trouble(HostTroubleError("Later.", kind="busy", retry_after=asked))
        assert pause(lane) == pytest.approx(granted, abs=0.5)

    asyncio.run(act())


def test_on_trial_one_question_passes_and_the_others_wait_for_its_end() -> None:
    async def act() -> None:
        lane = Lane(OllamaHost("http://box"), LIMITS)
        lane.open()
        waiting = [asyncio.create_task(lane.ready()) for _ in range(4)]
        await asyncio.sleep(0.01)
        assert not any(task.done() for task in waiting)
        lane.put_on_trial()
        await asyncio.sleep(0.01)
        assert sum(task.done() for task in waiting) == 1
        lane.note_reply()
        await asyncio.gather(*waiting)

    asyncio.run(act())


def test_a_late_reply_does_not_close_the_lane_of_a_host_with_another_model() -> None:
    async def act() -> None:
        lane = Lane(OllamaHost("http://box"), LIMITS)
        lane.note_other_model(TROUBLE)
        lane.note_reply()
        assert lane.state == "open"
        lane.put_on_trial()
        lane.note_reply()
        assert lane.state == "closed"

    asyncio.run(act())
