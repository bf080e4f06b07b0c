"""Matching of student similarities to a teacher's, the distilled part of intent-text matching."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from irllrec.errors import ConfigurationError
from irllrec.losses.contrastive import BLOCK_ENTRIES, SAFE_TEMPERATURE
from irllrec.native.attention import attention, has_attention


def feature_cross_entropy(
    student: Float[Tensor, "node dim"], teacher: Float[Tensor, "node dim"]
) -> Float[Tensor, ""]:
    """Return ``-mean_n Σ_dim softmax(teacher) · log softmax(student)``; no gradient to the teacher.

    Source: "ITM" as the release computes it (D-04): text intents against their own momentum copy.
    """
    targets = torch.softmax(teacher.detach(), dim=1)
    return -(targets * torch.log_softmax(student, dim=1)).sum(dim=1).mean()


def distilled_matching(
    anchors: Float[Tensor, "row dim"],
    keys: Float[Tensor, "row dim"],
    teacher_anchors: Float[Tensor, "row dim"],
    teacher_keys: Float[Tensor, "row dim"],
    temperature: float,
) -> Float[Tensor, ""]:
    """Return ``mean_r CE( softmax_j <ā_r, k̄_j>/τ , softmax_j <a_r, k_j>/τ )``.

    Bars mark the teacher, which gets no gradient. All rows are unit rows; row ``r`` of the keys
    belongs to row ``r`` of the anchors.

    Source: our reading of D-04 (momentum distillation on fused intent representations).
    """
    if temperature <= 0:
        raise ConfigurationError(f"temperature {temperature} is not positive: choose one above 0.")
    result: Tensor = _Distillation.apply(
        anchors, keys, teacher_anchors.detach(), teacher_keys.detach(), temperature
    )
    return result


class _Distillation(torch.autograd.Function):
    """Soft cross-entropy; the gradient of the logits is ``student - teacher``."""

    @staticmethod
    def forward(
        ctx: Any,
        anchors: Tensor,
        keys: Tensor,
        teacher_anchors: Tensor,
        teacher_keys: Tensor,
        temperature: float,
    ) -> Tensor:
        given = (anchors / temperature, keys, teacher_anchors / temperature, teacher_keys)
        if temperature >= SAFE_TEMPERATURE and has_attention(*given):
            total, *gradients = _by_kernel(*given)
        else:
            total, *gradients = _in_blocks(*given, temperature)
        ctx.save_for_backward(gradients[0] / (temperature * len(anchors)), gradients[1] / len(anchors))
        return total / len(anchors)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        upstream = gradients[0]
        found = [
            gradient * upstream if need else None
            for gradient, need in zip(ctx.saved_tensors, ctx.needs_input_grad[:2], strict=True)
        ]
        return (*found, None, None, None)


def _by_kernel(
    scaled: Tensor, keys: Tensor, teacher_scaled: Tensor, teacher_keys: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the rows' summed losses and their gradients for the scaled anchors and the keys."""
    sums, drawn = attention(scaled, keys, keys)
    teacher_sums, target = attention(teacher_scaled, teacher_keys, keys)
    assert drawn is not None and target is not None
    # Each row's mean key under the teacher's shares: its product with the anchor is the mean logit.
    target /= teacher_sums[:, None]
    total = sums.log().sum() - (scaled * target).sum()
    pushed = attention(keys, scaled, scaled, counts=1 / sums)[1]
    pulled = attention(teacher_keys, teacher_scaled, scaled, counts=1 / teacher_sums)[1]
    assert pushed is not None and pulled is not None
    return total, drawn / sums[:, None] - target, pushed - pulled


def _in_blocks(
    scaled: Tensor, keys: Tensor, teacher_scaled: Tensor, teacher_keys: Tensor, temperature: float
) -> tuple[Tensor, Tensor, Tensor]:
    """As :func:`_by_kernel`, in blocks of rows."""
    row_count = len(scaled)
    anchor_gradient, key_gradient = torch.empty_like(scaled), torch.zeros_like(keys)
    total = torch.zeros((), dtype=scaled.dtype, device=scaled.device)
    block = max(1, BLOCK_ENTRIES // max(1, row_count))
    if scaled.device.type != "cpu":
        block *= 64
    for start in range(0, row_count, block):
        rows = slice(start, start + block)
        targets = _softmax_(teacher_scaled[rows] @ teacher_keys.T, temperature)[0]
        logits = scaled[rows] @ keys.T
        total -= torch.dot(targets.reshape(-1), logits.reshape(-1))
        shares, log_sums = _softmax_(logits, temperature)
        total += log_sums.sum()
        shares -= targets
        anchor_gradient[rows] = shares @ keys
        key_gradient.addmm_(shares.T, scaled[rows])
    return total, anchor_gradient, key_gradient


def _softmax_(logits: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Turn logits into shares in place, with one exponential each; return them and their log sums."""
    shift = logits.amax(dim=1, keepdim=True) if temperature < SAFE_TEMPERATURE else None
    if shift is not None:
        logits -= shift
    sums = logits.exp_().sum(dim=1, keepdim=True)
    log_sums = sums.log() if shift is None else sums.log() + shift
    return logits.div_(sums), log_sums
