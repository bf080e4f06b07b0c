"""The Ollama hosts: whether they answer and have the models that the grid's texts ask."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

from irllrec.errors import TextError
from repro.diagnosis.findings import Finding, problem
from repro.language_model import host_addresses
from repro.params import Params
from repro.redaction import without_secrets
from repro.text_params import ASKING, OllamaEngine, Text

PATIENCE_SECONDS = 5.0
"""How long a host is waited for; a healthy one answers at once."""


def hosts(params: Params, *, quick: bool) -> Iterator[Finding]:
    """Yield one finding for each host and each model that it should have.

    Nothing is asked where no text of the grid needs a language model.

    Args:
        params: The grid.
        quick: Name the hosts and ask none.
    """
    engine = params.engine.ollama
    models = models_asked(params.text)
    addresses = host_addresses(engine)
    if not models:
        yield Finding("Ollama", "no text of params.yaml asks a language model")
    elif quick:
        yield Finding("Ollama", f"{', '.join(map(without_secrets, addresses))} not asked")
    else:
        for address in addresses:
            yield from asyncio.run(_ask(address, models, engine))


def models_asked(texts: Mapping[str, Text]) -> list[str]:
    """Return the models that the entries under ``text`` ask for summaries or vectors, each once."""
    chats = {text.chat.model for text in texts.values() if text.chat and text.summarizer in ASKING}
    embedders = {
        text.embedding.model for text in texts.values() if text.embedding and text.embedder == "ollama"
    }
    return sorted(chats | embedders)


async def _ask(address: str, models: list[str], engine: OllamaEngine) -> list[Finding]:
    from irllrec.text.client import OllamaHost

    subject = f"Ollama at {without_secrets(address)}"
    seconds = min(PATIENCE_SECONDS, engine.timeout_seconds)
    try:
        async with OllamaHost(address, connect_seconds=seconds, reply_seconds=seconds) as host:
            found = [Finding(subject, f"answers, version {await host.version()}")]
            for model in models:
                digest = await host.digest_of(model)
                found.append(
                    problem(subject, f"lacks the model {model}", f"ollama pull {model}")
                    if digest is None
                    else Finding(subject, f"has {model}, digest {digest[:12]}")
                )
    except TextError as error:
        trouble = without_secrets(str(error)).removeprefix(without_secrets(address)).partition(": ")[0]
        return [problem(subject, trouble.strip(), "ollama serve, or name other hosts in engine.ollama.hosts")]
    return found
