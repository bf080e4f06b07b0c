"""Random streams derived from words: one generator per purpose, never a global one.

``stream(2023, "negatives", "amazon", 7)`` is the same generator on every machine and at every
time, whatever else was drawn before. A run that resumes at epoch 7 therefore needs no stored
generator state: it derives the streams of epoch 7 again.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

Word = str | int


def derive_seed(seed: int, *words: Word) -> int:
    """Return a 63-bit seed that depends on ``seed`` and every word, and on nothing else.

    Args:
        seed: The run's seed, any integer.
        words: The purpose of the stream, for example ``"negatives", "amazon", 7``.
    """
    text = "\x1f".join(f"{type(word).__name__}:{word}" for word in (seed, *words))
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def stream(seed: int, *words: Word) -> np.random.Generator:
    """Return a fresh NumPy generator for the purpose that ``words`` name."""
    return np.random.Generator(np.random.PCG64(derive_seed(seed, *words)))


def torch_stream(seed: int, *words: Word, device: str = "cpu") -> torch.Generator:
    """Return a fresh torch generator for the purpose that ``words`` name."""
    import torch

    generator = torch.Generator(device=device)
    generator.manual_seed(derive_seed(seed, *words))
    return generator


class Draws:
    """The random arrays of one training step, in the order a model asks for them.

    A model never touches a generator itself: it asks here, so that a test can hand it recorded
    arrays instead.
    """

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator

    def rand(self, *shape: int) -> torch.Tensor:
        """Return uniform numbers in [0, 1) of this shape, float32."""
        import torch

        return torch.rand(shape, generator=self._generator, device=self._generator.device)

    def randn_like(self, template: torch.Tensor) -> torch.Tensor:
        """Return standard normal numbers of the shape and dtype of ``template``."""
        import torch

        return torch.randn(
            template.shape, generator=self._generator, dtype=template.dtype, device=self._generator.device
        ).to(template.device)

    def choice(self, population: int, count: int) -> torch.Tensor:
        """Return ``count`` distinct indices below ``population``, int64, in random order."""
        import torch

        order = torch.randperm(population, generator=self._generator, device=self._generator.device)
        return order[:count]
