"""The section ``text`` of params.yaml: which summaries and vectors a data set's text becomes."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from repro.layout import text_sources

_WORDS = r"^[a-z0-9]+(-[a-z0-9]+)*$"

Name = Annotated[str, Field(pattern=_WORDS, max_length=60)]
LONGEST_CELL_NAME = 120
CellName = Annotated[str, Field(pattern=_WORDS, max_length=LONGEST_CELL_NAME)]
"""A cell's key or variant, which name all that makes it."""

Domain = Literal["books", "businesses", "games", "movies", "generic"]

ASKING = ("ollama", "distilled")
"""Summarizers that ask a language model; ``pinned`` may name one too, which `repro text drift` asks."""


class Record(BaseModel):
    """Base of every section: immutable, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Chat(Record):
    """What a language model is asked with; every entry is part of a summary's identity.

    The tag of ``model`` names weights that may change on the server: the digest that was found
    there is kept with every reply.
    """

    model: str = Field(min_length=1, max_length=200)
    domain: Domain = "generic"
    style: Literal["reasoning", "plain"] = "reasoning"
    temperature: float = Field(default=0.0, ge=0)
    seed: int = Field(default=2025, ge=0)
    num_ctx: int = Field(default=8192, ge=1024)
    num_predict: int = Field(default=1024, ge=128)
    think: bool | None = None
    """Whether a model that can reasons before it answers; None leaves it to the server."""
    most_attempts: int = Field(default=3, ge=1, le=20)


class Embedding(Record):
    """What an embedding model is asked with."""

    model: str = Field(min_length=1, max_length=200)
    batch_size: int = Field(default=32, ge=1, le=4096)


class OllamaEngine(Record):
    """Where Ollama answers and how hard it is pressed; no summary depends on it.

    Without ``hosts`` the variable OLLAMA_HOST is read, as Ollama's own client does.
    """

    hosts: tuple[str, ...] = ()
    requests_per_host: int = Field(default=2, ge=1, le=256)
    timeout_seconds: float = Field(default=600.0, gt=0)
    give_up_seconds: float = Field(default=120.0, ge=0)

    @field_validator("hosts")
    @classmethod
    def _are_addresses(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            parts = urlsplit(host)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(f"{host!r} is no http(s) address: write for example http://127.0.0.1:11434")
        return hosts


class Text(Record):
    """One way in which a data set's text becomes vectors; the first bears the data set's name.

    ``summaries_from`` and ``vectors_from`` are the paths that the stages summarize and embed read,
    relative to the checkout or absolute: DVC watches them, so every entry has both.
    """

    dataset: Name
    summarizer: Literal["extractive", "upstream", "pinned", "titles", "ollama", "distilled"]
    summaries_from: str = ""
    chat: Chat | None = None
    embedder: Literal["lsa", "vectors", "sentence-transformers", "ollama"]
    vectors_from: str = ""
    embedding: Embedding | None = None
    dimension: int = Field(default=64, ge=1)


_OWN_SOURCES = {
    "summaries_from": "a file of stored summaries",
    "vectors_from": "the folder of a local model",
}


def check_texts(texts: Mapping[str, Text]) -> None:
    """Check that each entry is called after its data set and names what its stages read.

    Raises:
        ValueError: Naming the key, its value and what it should be.
    """
    for name, text in texts.items():
        if name != text.dataset and not name.startswith(f"{text.dataset}-"):
            raise ValueError(
                f"text.{name} is of the data set {text.dataset}: call it {text.dataset}, or "
                f"{text.dataset}-NAME for another reading of the same texts"
            )
        _check_paths(name, text)
        for key, value, chosen, need, may in (
            ("chat", text.chat, text.summarizer, ASKING, (*ASKING, "pinned")),
            ("embedding", text.embedding, text.embedder, ("ollama",), ("ollama",)),
        ):
            if value is None and chosen in need:
                raise ValueError(f"text.{name}.{key} is missing: {chosen} reads it, as in {{model: NAME}}")
            if value is not None and chosen not in may:
                raise ValueError(
                    f"text.{name}.{key} is not read by {chosen}: remove it ({', '.join(may)} do)"
                )


def _check_paths(name: str, text: Text) -> None:
    made = text_sources(name, text.dataset, text.summarizer, text.embedder)
    for field, chosen, path in (
        ("summaries_from", f"summarizer {text.summarizer}", text.summaries_from),
        ("vectors_from", f"embedder {text.embedder}", text.vectors_from),
    ):
        where = f"text.{name}.{field} is {repr(path) if path else 'missing'}"
        if field in made and path != made[field]:
            raise ValueError(f"{where} and should be {made[field]}, which the {chosen} reads")
        if field not in made and not _is_own_path(name, text.dataset, path):
            raise ValueError(
                f"{where}: the {chosen} reads {_OWN_SOURCES[field]}, so write its path there, "
                "relative to this file's folder or absolute"
            )


def _is_own_path(name: str, dataset: str, path: str) -> bool:
    """Return whether ``path`` can be the user's own; DVC would not expand a ``~``."""
    made = (f"data/prepared/{dataset}/", f"data/text/{name}/")
    return bool(path) and not path.startswith("~") and not f"{posixpath.normpath(path)}/".startswith(made)


def with_first_texts(content: Any) -> Any:
    """Return the content of params.yaml with each data set's own entry of ``text`` copied to it.

    Raises:
        ValueError: If an entry names no data set, or stands in the wrong place.
    """
    if not isinstance(content, dict) or not isinstance(content.get("datasets"), dict):
        return content
    texts = content.get("text") or {}
    datasets = dict(content["datasets"])
    for name, dataset in datasets.items():
        if isinstance(dataset, dict) and dataset.get("text") is not None:
            raise ValueError(f"datasets.{name}.text should stand under `text` as {name}: move it there")
    for name, entry in texts.items() if isinstance(texts, dict) else ():
        of = entry.get("dataset", name) if isinstance(entry, dict) else name
        if of not in datasets:
            raise ValueError(f"text.{name} names no data set ({', '.join(datasets)}): remove it")
        if name in datasets and isinstance(datasets[name], dict):
            datasets[name] = {**datasets[name], "text": entry}
    return {**content, "datasets": datasets, "text": texts}
