"""Summaries that a language model wrote, put together from its stored replies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from irllrec.text.asked import StoredReply
from irllrec.text.prompts import Prompt
from irllrec.text.records import NodeIds, Role, Summary

Place = tuple[Role, int]


def written_summaries(
    prompts: Sequence[Prompt],
    replies: Mapping[Place, StoredReply],
    substitutes: Sequence[Summary],
    ids: NodeIds,
    *,
    summarizer: str,
) -> list[Summary]:
    """Return one summary a node, users first: what the model wrote, else a marked substitute.

    A node that the model was not asked about, for want of any text, keeps its empty substitute; one whose
    replies were all bad gets the substitute's words. ``fallback`` tells both apart from the model's own.

    Args:
        prompts: What was asked.
        replies: The good reply about each (role, node) that has one.
        substitutes: Summaries of all nodes by another summarizer, users first, in node order.
        ids: Ids in node order.
        summarizer: ``ollama``, or ``distilled``, whose profiles are those of the substitutes.
    """
    asked = {(prompt.role, prompt.node): prompt for prompt in prompts}
    summaries = []
    for substitute in substitutes:
        place = (substitute.role, substitute.node)
        reply = replies.get(place)
        if reply is None:
            fallback = substitute.fallback or substitute.summarizer
            summaries.append(replace(substitute, summarizer=summarizer, fallback=fallback))
            continue
        prompt, words = asked[place], reply.parsed
        summaries.append(
            Summary(
                role=prompt.role,
                node=prompt.node,
                id=ids.of(prompt.role)[prompt.node],
                profile=words["profile"] or substitute.profile,
                intents=tuple(words["intents"]),
                reasoning=words["reasoning"],
                summarizer=summarizer,
                saw=prompt.saw,
                input_sha256=prompt.input_sha256,
                template=prompt.template,
                model=reply.model,
                options=reply.options,
                reply=provenance_of(reply),
            )
        )
    return summaries


def provenance_of(reply: StoredReply) -> dict[str, str | int | None]:
    """Return what a summary keeps of the reply it is from; not when, where and how fast it came."""
    return {
        "digest": reply.digest,
        "template_sha256": reply.template_sha256,
        "attempt": reply.attempt,
        "prompt_tokens": reply.prompt_tokens,
        "reply_tokens": reply.reply_tokens,
        "done_reason": reply.done_reason,
        "server_version": reply.server_version,
    }
