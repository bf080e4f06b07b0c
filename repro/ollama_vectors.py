"""Text vectors by an embedding model on Ollama hosts, each batch kept as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from repro.language_model import limits_of, open_hosts
from repro.layout import Layout
from repro.text_params import OllamaEngine, Text

if TYPE_CHECKING:
    from irllrec.text.embeddings import FloatArray
    from irllrec.text.store import ReplyStore as Store

Show = Callable[[str, int], Callable[[int, int], None]]
"""Given a matrix's name and its number of texts, returns what takes texts done and texts in all."""


def ollama_vectors(
    layout: Layout,
    engine: OllamaEngine,
    text: Text,
    groups: Mapping[str, Sequence[str]],
    names: Mapping[str, Sequence[str]],
    show: Show,
) -> tuple[list[FloatArray], str]:
    """Return one matrix of unit vectors a group, profiles and intents apart, and the model's digest.

    Where no host answers, batches that are stored for a model of this name are enough.

    Args:
        layout: The checkout.
        engine: The hosts.
        text: The entry under ``text``.
        groups: The texts of each matrix.
        names: What each text is, for sentences about one that is refused.
        show: Takes the progress of each matrix.

    Raises:
        TextError: If hosts, model or a text are no good; finished batches are kept.
    """
    from irllrec.text.lanes import check_hosts
    from irllrec.text.ollama_embedding import embed_texts
    from irllrec.text.store import ReplyStore
    from irllrec.text.troubles import HostsUnreachableError

    embedding = text.embedding
    assert embedding is not None

    async def run(store: Store, digest: str | None) -> tuple[list[FloatArray], str]:
        async with open_hosts(engine) as hosts:
            found = digest or await check_hosts(hosts, embedding.model)
            matrices = [
                await embed_texts(
                    texts,
                    hosts,
                    store,
                    model=embedding.model,
                    digest=found,
                    batch_size=embedding.batch_size,
                    names=names[name],
                    limits=limits_of(engine),
                    progress=show(name, len(texts)),
                )
                for name, texts in groups.items()
            ]
            return matrices, found

    with ReplyStore(layout.replies(text.dataset)) as store:
        try:
            return asyncio.run(run(store, None))
        except HostsUnreachableError as error:
            for digest in store.vector_digests(embedding.model):
                try:
                    return asyncio.run(run(store, digest))
                except HostsUnreachableError:
                    continue
            raise error from None
