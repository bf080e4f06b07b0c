"""A knowledge graph about items, stored as arrays."""

from __future__ import annotations

from pathlib import Path

import torch

from irllrec.data.storage import read_arrays
from irllrec.types import Knowledge


def load_knowledge(path: Path) -> Knowledge:
    """Return the facts stored in ``path``.

    Raises:
        DataError: If the file is missing or not what this project writes.
    """
    arrays = read_arrays(path, "items", "relations", "entities", "relation_count", "entity_count")
    items, relations, entities = (
        torch.from_numpy(arrays[name].astype("int64")) for name in ("items", "relations", "entities")
    )
    counts = (int(arrays[name].item()) for name in ("relation_count", "entity_count"))
    return Knowledge(items, relations, entities, *counts)
