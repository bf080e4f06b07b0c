"""A cell's text vectors, read and reduced once, then memory-mapped by all of its seeds."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from irllrec.data.noise import Noise
    from irllrec.text.controls import Control
    from irllrec.text.reduction import Reduction
    from irllrec.types import NodeText

_FACTS = "facts.json"
KINDS = ("profile", "intent")


@dataclass(frozen=True)
class SharedText:
    """Text vectors as files that processes map instead of copying.

    Attributes:
        folder: Holds ``profile.npy`` and ``intent.npy``, shape (node, text), float32, users first.
        user_count: Where the items start.
        reduction: By kind what ``precision: fast`` kept (columns, of how many, share of variance);
            empty where the vectors are as they were.
    """

    folder: Path
    user_count: int
    reduction: Mapping[str, Any]

    @property
    def shape(self) -> tuple[int, int]:
        """Nodes, and the wider of the two kinds' columns."""
        import numpy as np

        shapes = [np.load(self.folder / f"{kind}.npy", mmap_mode="r").shape for kind in KINDS]
        return shapes[0][0], max(width for _, width in shapes)

    def open(self, control: Control | None, seed: int, device: str, noise: Noise | None = None) -> NodeText:
        """Return the vectors as tensors; those of a control or noise run are made anew, all others mapped."""
        import numpy as np
        import torch

        from irllrec.text.controls import controlled, with_text_noise
        from irllrec.text.embeddings import TextVectors
        from irllrec.types import NodeText

        # Copy on write: torch wants memory that it may write to, and nothing is ever written.
        maps = {kind: np.load(self.folder / f"{kind}.npy", mmap_mode="c") for kind in KINDS}
        if control is not None or (noise is not None and noise.text):
            sides = {"user": slice(None, self.user_count), "item": slice(self.user_count, None)}
            parts = {f"{role}_{kind}": maps[kind][side] for kind in KINDS for role, side in sides.items()}
            vectors = controlled(TextVectors(**parts), control, seed)
            vectors = with_text_noise(vectors, noise) if noise is not None else vectors
            maps = {
                kind: np.concatenate([getattr(vectors, f"{role}_{kind}") for role in sides]) for kind in KINDS
            }
        return NodeText(*(torch.from_numpy(maps[kind]).to(device) for kind in KINDS))


def share_text(vectors: Path, dimension: int | None, folder: Path) -> SharedText:
    """Return the vectors of a npz file as shared files in ``folder``, written unless they are there.

    Args:
        vectors: Checked when it is read.
        dimension: Principal components to keep, None for the vectors as they are.
        folder: Belongs to these vectors and this dimension alone. It appears whole, and one whose removal
            was cut short is written anew.

    Raises:
        TextError, DataError: As :func:`irllrec.text.embeddings.load_text_vectors`.
    """
    from irllrec.data.storage import atomic_path, read_json, write_json
    from irllrec.text.embeddings import load_text_vectors
    from irllrec.text.reduction import reduce_vectors

    if not _is_whole(folder):
        loaded = load_text_vectors(vectors)
        kept: dict[str, Reduction] = {}
        if dimension is not None:
            loaded, kept = reduce_vectors(loaded, dimension)
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".text-", dir=folder.parent))
        try:
            for kind in KINDS:
                both = [getattr(loaded, f"{role}_{kind}") for role in ("user", "item")]
                with atomic_path(scratch / f"{kind}.npy") as temporary:
                    _save_stacked(temporary, both)
            facts = {"user_count": loaded.user_count, "reduction": {k: asdict(v) for k, v in kept.items()}}
            write_json(scratch / _FACTS, facts)
            _move(scratch, folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    facts = read_json(folder / _FACTS)
    return SharedText(folder, facts["user_count"], facts["reduction"])


def _save_stacked(path: Path, parts: Sequence[Any]) -> None:
    """Write float32 matrices of one width, one below the other, as one npy file; no copy is made."""
    import numpy as np

    shape = (sum(len(part) for part in parts), parts[0].shape[1])
    described = {
        "descr": np.lib.format.dtype_to_descr(parts[0].dtype),
        "fortran_order": False,
        "shape": shape,
    }
    with path.open("wb") as handle:
        np.lib.format.write_array_header_1_0(handle, described)
        for part in parts:
            np.ascontiguousarray(part).tofile(handle)


def _is_whole(folder: Path) -> bool:
    return all((folder / name).is_file() for name in (_FACTS, *(f"{kind}.npy" for kind in KINDS)))


def _move(scratch: Path, folder: Path) -> None:
    """Rename a written folder to its name, unless another process was quicker: its files are the same."""
    if folder.exists() and not _is_whole(folder):  # its removal was cut short
        shutil.rmtree(folder, ignore_errors=True)
    try:
        scratch.rename(folder)
    except OSError:
        if not _is_whole(folder):
            raise
