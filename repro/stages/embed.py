"""Stage embed: turn summaries into vectors of profiles and of intents."""

from __future__ import annotations

import hashlib
import logging
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

from irllrec.data.storage import write_json
from irllrec.errors import TextError
from irllrec.text.embeddings import (
    ARRAY_NAMES,
    FloatArray,
    TextVectors,
    check_node_counts,
    load_text_vectors,
    normalise_rows,
    save_text_vectors,
)
from irllrec.text.encoder import SentenceEncoder, hash_model
from irllrec.text.lsa import embed_by_lsa
from irllrec.text.records import ROLES, NodeIds, Summary, load_summaries
from repro.layout import Layout
from repro.ollama_vectors import ollama_vectors
from repro.params import load_params
from repro.stages.entry import read_name, run
from repro.text_params import OllamaEngine, Text

Texts = dict[str, list[str]]
Model = dict[str, str | int | None]


def main(argv: list[str]) -> None:
    """Embed the summaries of the data set named in ``argv``; writes vectors.npz and embedding.json."""
    name = read_name(argv, "embed", "a name under `text` in params.yaml")
    logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.WARNING)
    layout = Layout.find()
    params = load_params(layout.params)
    settings = params.text_of(name)
    ids = NodeIds.load(layout.prepared(settings.dataset))
    path = layout.text(name) / "summaries.jsonl"
    summaries = load_summaries(path, ids)
    texts = texts_of(summaries)
    vectors, model = embed(layout, params.engine.ollama, settings, texts)
    check_node_counts(vectors, len(ids.users), len(ids.items), name)
    _check_not_all_zero(vectors, name)
    record = provenance(settings, model, summaries, texts, vectors)
    record["summaries_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    save_text_vectors(layout.text(name) / "vectors.npz", vectors, record)
    write_json(layout.text(name) / "embedding.json", record)


def texts_of(summaries: Sequence[Summary]) -> Texts:
    """Return the texts to embed by the name of their matrix; intents are joined with ``"; "``."""
    texts: Texts = {}
    for role in ROLES:
        of_role = [summary for summary in summaries if summary.role == role]
        texts[f"{role}_profile"] = [summary.profile for summary in of_role]
        texts[f"{role}_intent"] = ["; ".join(summary.intents) for summary in of_role]
    return texts


def embed(layout: Layout, engine: OllamaEngine, settings: Text, texts: Texts) -> tuple[TextVectors, Model]:
    """Return the vectors by the embedder that ``settings`` name, and what is known of its model."""
    groups = [texts[name] for name in ARRAY_NAMES]
    model: Model = {"name": None, "sha256": None}
    if settings.embedder == "vectors":
        given = load_text_vectors(layout.prepared(settings.dataset) / "vectors.npz")
        matrices = [normalise_rows(getattr(given, name)) for name in ARRAY_NAMES]
    elif settings.embedder == "sentence-transformers":
        folder = layout.root / settings.vectors_from
        matrices = _encode(folder, groups)
        model = {"name": "/".join(folder.parts[-2:]), "sha256": hash_model(folder)}
    elif settings.embedding is not None:
        matrices, model = _ask_for_vectors(layout, engine, settings, texts)
    else:
        matrices = embed_by_lsa(groups, settings.dimension)
    return TextVectors(**dict(zip(ARRAY_NAMES, matrices, strict=True))), model


def _ask_for_vectors(
    layout: Layout, engine: OllamaEngine, settings: Text, texts: Texts
) -> tuple[list[FloatArray], Model]:
    assert settings.embedding is not None
    groups = {name: texts[name] for name in ARRAY_NAMES}
    names = {
        name: [
            f"{name.partition('_')[2]} of {name.partition('_')[0]} number {node}"
            for node in range(len(group))
        ]
        for name, group in groups.items()
    }
    with Progress(console=Console(stderr=True)) as progress:
        matrices, digest = ollama_vectors(
            layout, engine, settings, groups, names, lambda name, total: _reporter(progress, name, total)
        )
    embedding = settings.embedding
    return matrices, {"name": embedding.model, "sha256": digest, "batch_size": embedding.batch_size}


def _encode(folder: Path, groups: Sequence[Sequence[str]]) -> list[FloatArray]:
    encoder = SentenceEncoder(folder)
    with Progress(console=Console(stderr=True)) as progress:
        return [
            encoder.encode(group, _reporter(progress, name, len(group)))
            for name, group in zip(ARRAY_NAMES, groups, strict=True)
        ]


def _reporter(progress: Progress, name: str, total: int) -> Callable[[int, int], None]:
    task = progress.add_task(f"embedding {name.replace('_', ' ')}s", total=total)
    return lambda done, _: progress.update(task, completed=done)


def _check_not_all_zero(vectors: TextVectors, name: str) -> None:
    for array in ARRAY_NAMES:
        if not getattr(vectors, array).any():
            raise TextError(
                f"Every {array.replace('_', ' ')} vector of {name} is zero: "
                "check that its summaries hold text the embedder knows."
            )


def provenance(
    settings: Text, model: Model, summaries: Sequence[Summary], texts: Texts, vectors: TextVectors
) -> dict[str, Any]:
    """Return what embedding.json says: how the vectors were made, and how many nodes have any."""
    coverage = {
        name: {
            "nodes": len(texts[name]),
            "empty_texts": sum(1 for text in texts[name] if not text.strip()),
            "zero_rows": int((~np.asarray(getattr(vectors, name)).any(axis=1)).sum()),
        }
        for name in ARRAY_NAMES
    }
    models = sorted({model_of(summary) for summary in summaries if summary.model is not None})
    return {
        "summarizer": settings.summarizer,
        "summary_models": models,
        "summary_coverage": sum(1 for summary in summaries if summary.fallback is None) / len(summaries),
        "summary_fallbacks": dict(Counter(summary.fallback for summary in summaries if summary.fallback)),
        "embedder": settings.embedder,
        "model": model["name"],
        "model_sha256": model["sha256"],
        "batch_size": model.get("batch_size"),
        "dimension": {"profile": vectors.user_profile.shape[1], "intent": vectors.user_intent.shape[1]},
        "dimension_asked": settings.dimension if settings.embedder == "lsa" else None,
        "coverage": coverage,
    }


def model_of(summary: Summary) -> str:
    """Return a summary's language model with its digest, where that is known."""
    digest = summary.reply.get("digest")
    return f"{summary.model}@{digest}" if digest else str(summary.model)


if __name__ == "__main__":
    run(main)
