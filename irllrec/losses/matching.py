"""Matching of student similarities to a teacher's, the distilled part of intent-text matching."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from irllrec.errors import ConfigurationError
from irllrec.losses.contrastive import BLOCK_ENTRIES, SAFE_TEMPERATURE


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
    """Row-blocked soft cross-entropy; the gradient of the logits is ``student - teacher``."""

    @staticmethod
    def forward(
        ctx: Any,
        anchors: Tensor,
        keys: Tensor,
        teacher_anchors: Tensor,
        teacher_keys: Tensor,
        temperature: float,
    ) -> Tensor:
        row_count = anchors.shape[0]
        scaled = anchors / temperature
        teacher_scaled = teacher_anchors / temperature
        needs_gradient = any(ctx.needs_input_grad[:2])
        anchor_gradient = torch.empty_like(anchors)
        key_gradient = torch.zeros_like(keys)
        total = torch.zeros((), dtype=anchors.dtype, device=anchors.device)
        block = max(1, BLOCK_ENTRIES // max(1, row_count))
        if anchors.device.type != "cpu":
            block *= 64
        for start in range(0, row_count, block):
            rows = slice(start, start + block)
            targets = _softmax_(teacher_scaled[rows] @ teacher_keys.T, temperature)[0]
            logits = scaled[rows] @ keys.T
            total -= torch.dot(targets.reshape(-1), logits.reshape(-1))
            shares, log_sums = _softmax_(logits, temperature)
            total += log_sums.sum()
            if needs_gradient:
                shares -= targets
                anchor_gradient[rows] = shares @ keys
                key_gradient.addmm_(shares.T, scaled[rows])
        if needs_gradient:
            ctx.save_for_backward(anchor_gradient / (temperature * row_count), key_gradient / row_count)
        return total / row_count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        upstream = gradients[0]
        found = [
            gradient * upstream if need else None
            for gradient, need in zip(ctx.saved_tensors, ctx.needs_input_grad[:2], strict=True)
        ]
        return (*found, None, None, None)


def _softmax_(logits: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Turn logits into shares in place, with one exponential each; return them and their log sums."""
    shift = logits.amax(dim=1, keepdim=True) if temperature < SAFE_TEMPERATURE else None
    if shift is not None:
        logits -= shift
    sums = logits.exp_().sum(dim=1, keepdim=True)
    log_sums = sums.log() if shift is None else sums.log() + shift
    return logits.div_(sums), log_sums
