"""Weight decay as a loss term."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


def squared_norm(parameters: Iterable[Tensor]) -> Float[Tensor, ""]:
    """Return the sum of squares over all parameters; they must share one device.

    Source: RLMRec's regularisation, which takes every parameter of the model, projection heads
    included. D-12 is about which parameters the caller hands in.
    """
    value: Tensor = _SquaredNorm.apply(*parameters)
    return value


class _SquaredNorm(torch.autograd.Function):
    """The gradient ``2 W`` is formed in one pass; of squares autograd keeps a power and multiplies twice."""

    @staticmethod
    def forward(ctx: Any, *parameters: Tensor) -> Tensor:
        # Frozen ones may be overwritten before the gradient is formed: a teacher follows its student.
        ctx.save_for_backward(
            *(p for p, is_needed in zip(parameters, ctx.needs_input_grad, strict=True) if is_needed)
        )
        return torch.stack([parameter.square().sum() for parameter in parameters]).sum()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        twice = 2.0 * gradients[0]
        saved = iter(ctx.saved_tensors)
        return tuple(next(saved) * twice if is_needed else None for is_needed in ctx.needs_input_grad)
