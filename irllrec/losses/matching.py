"""Matching of student similarities to a teacher's, the distilled part of intent-text matching."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from irllrec.errors import ConfigurationError
from irllrec.losses.contrastive import BLOCK_ENTRIES, SAFE_TEMPERATURE, unit_rows
from irllrec.native.contrast import distil, has_contrast


def feature_cross_entropy(
    student: Float[Tensor, "node dim"], teacher: Float[Tensor, "node dim"]
) -> Float[Tensor, ""]:
    """Return ``-mean_n Σ_dim softmax(teacher) · log softmax(student)``; no gradient to the teacher.

    Source: "ITM" as the release computes it (D-04): text intents against their own momentum copy.
    """
    targets = torch.softmax(teacher.detach(), dim=1)
    return -(targets * torch.log_softmax(student, dim=1)).sum(dim=1).mean()


def intent_text_matching(
    interaction: Float[Tensor, "node dim"],
    text: Float[Tensor, "node dim"],
    teacher_interaction: Float[Tensor, "node dim"],
    teacher_text: Float[Tensor, "node dim"],
    temperature: float,
    sampled: Int[Tensor, "row"] | None = None,
) -> Float[Tensor, ""]:
    """Return ``½[CE(q_zt, p_zt) + CE(q_tz, p_tz)]``, all rows unit rows.

    The teacher's keys are the fused intents ``F = ½(norm(Z_m) + norm(T_m))``, made unit.

    Args:
        interaction: ``Z``.
        text: ``T``.
        teacher_interaction: ``Z_m`` of the momentum teacher.
        teacher_text: ``T_m``.
        temperature: τ > 0.
        sampled: The anchors; None takes all nodes. Over a uniform sample the value is unbiased.

    Source: our reading of D-04 (momentum distillation on fused intent representations).
    """
    fused = unit_rows(0.5 * (teacher_interaction + teacher_text))

    def anchors(view: Tensor) -> Tensor:
        return view if sampled is None else view.index_select(0, sampled)

    to_text = distilled_matching(anchors(interaction), text, anchors(teacher_interaction), fused, temperature)
    to_interaction = distilled_matching(anchors(text), interaction, anchors(teacher_text), fused, temperature)
    return 0.5 * (to_text + to_interaction)


def distilled_matching(
    anchors: Float[Tensor, "row dim"],
    keys: Float[Tensor, "key dim"],
    teacher_anchors: Float[Tensor, "row dim"],
    teacher_keys: Float[Tensor, "key dim"],
    temperature: float,
) -> Float[Tensor, ""]:
    """Return ``mean_r CE( softmax_j <ā_r, k̄_j>/τ , softmax_j <a_r, k_j>/τ )``.

    Bars mark the teacher, which gets no gradient. All rows are unit rows. The anchors may be a sample
    of the nodes that the keys are of.

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
        if temperature >= SAFE_TEMPERATURE and has_contrast(*given):
            total, *gradients = _by_kernel(*given)
        else:
            total, *gradients = _in_blocks(*given, temperature)
        ctx.save_for_backward(gradients[0] / (temperature * len(anchors)), gradients[1] / len(anchors))
        return total / len(anchors)

    @staticmethod
    @once_differentiable
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
    found = distil(scaled, keys, teacher_scaled, teacher_keys)
    return (found.sums.log() - found.means).sum(), found.drawn, found.pushed


def _in_blocks(
    scaled: Tensor, keys: Tensor, teacher_scaled: Tensor, teacher_keys: Tensor, temperature: float
) -> tuple[Tensor, Tensor, Tensor]:
    """As :func:`_by_kernel`, in blocks of rows."""
    row_count = len(scaled)
    anchor_gradient, key_gradient = torch.empty_like(scaled), torch.zeros_like(keys)
    total = torch.zeros((), dtype=scaled.dtype, device=scaled.device)
    block = max(1, BLOCK_ENTRIES // max(1, len(keys)))
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
