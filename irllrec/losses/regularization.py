"""Weight decay as a loss term."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor


def squared_norm(parameters: Iterable[Tensor]) -> Float[Tensor, ""]:
    """Return the sum of squares over all parameters; they must share one device.

    Source: RLMRec's regularisation, which takes every parameter of the model, projection heads
    included. D-12 is about which parameters the caller hands in.
    """
    return torch.stack([parameter.square().sum() for parameter in parameters]).sum()
