"""Text vectors from a sentence encoder in a local folder (sentence-transformers, an extra)."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from irllrec.errors import TextError
from irllrec.text.embeddings import FloatArray, normalise_rows

BATCH_SIZE = 64
WEIGHT_SUFFIXES = (".safetensors", ".bin", ".json", ".txt", ".model")

Progress = Callable[[int, int], None]


def hash_model(folder: Path) -> str:
    """Return the SHA-256 over names and contents of a model folder's weights and settings."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in WEIGHT_SUFFIXES:
            digest.update(path.relative_to(folder).as_posix().encode("utf-8") + b"\0")
            with path.open("rb") as handle:
                digest.update(hashlib.file_digest(handle, "sha256").digest())
    return digest.hexdigest()


class SentenceEncoder:
    """A sentence-transformers model from a local folder, on the CPU or the given device."""

    def __init__(self, folder: Path, *, device: str = "cpu") -> None:
        """Load the model; nothing is downloaded.

        Raises:
            TextError: If the folder or the package is missing, or the folder holds no model.
        """
        if not folder.is_dir():
            raise TextError(
                f"{folder} is not a folder: set `vectors_from` to the folder of a sentence-transformers model."
            )
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            raise TextError(
                "The package sentence-transformers is not installed: "
                'install the extra with `pip install "irllrec-repro[sentence-transformers]"`.'
            ) from None
        logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._model: Any = SentenceTransformer(str(folder), device=device, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise TextError(f"{folder} holds no readable sentence-transformers model ({reason}).") from None

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> FloatArray:
        """Return one vector of length 1 a text; an empty text is a zero row.

        Args:
            texts: Shape (node,).
            progress: Called with texts done and texts in all after each batch.
        """
        vectors: list[FloatArray] = []
        for start in range(0, len(texts), BATCH_SIZE):
            batch = list(texts[start : start + BATCH_SIZE])
            encoded = self._model.encode(batch, batch_size=BATCH_SIZE, show_progress_bar=False)
            filled = np.asarray([bool(text.strip()) for text in batch])
            vectors.append(normalise_rows(np.where(filled[:, None], np.asarray(encoded), 0.0)))
            if progress is not None:
                progress(start + len(batch), len(texts))
        return np.concatenate(vectors) if vectors else np.zeros((0, 1), dtype=np.float32)
