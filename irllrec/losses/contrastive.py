"""Contrast of matched rows against a table of candidates, in blocks, with its gradient formed at once.

The mean's upstream gradient is a scalar, so each block's gradient can be formed while the block's
exponentials are still in cache: one exponential an entry, and no rows × candidates array is kept.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Num
from torch import Tensor

from irllrec.errors import ConfigurationError

# Cosines over a temperature above this bound cannot overflow float32 when exponentiated and summed.
SAFE_TEMPERATURE = 0.02
# Entries of one block: 1 MiB of float32, within a core's second-level cache.
BLOCK_ENTRIES = 1 << 18


def unit_rows(rows: Float[Tensor, "row dim"]) -> Float[Tensor, "row dim"]:
    """Return rows divided by ``sqrt(1e-8 + |x|²)``, the norm used throughout RLMRec and IRLLRec."""
    return rows * torch.rsqrt(1e-8 + rows.square().sum(dim=1, keepdim=True))


def info_nce(
    anchors: Float[Tensor, "row dim"],
    positives: Float[Tensor, "row dim"],
    candidates: Float[Tensor, "candidate dim"],
    temperature: float,
    *,
    row_counts: Num[Tensor, "row"] | None = None,
    candidate_counts: Num[Tensor, "candidate"] | None = None,
) -> Float[Tensor, ""]:
    """Return ``mean_r [ -<a_r, b_r>/τ + logsumexp_j <a_r, C_j>/τ ]``.

    Args:
        anchors: Unit rows.
        positives: Unit rows, one for each anchor.
        candidates: Unit rows of the denominator.
        temperature: τ > 0.
        row_counts: How often each anchor row stands in the batch; the mean is weighted by it.
        candidate_counts: How often each candidate stands in the denominator.

    Source: METHOD, `InfoNCE(a, b, C; τ)`.
    """
    return _contrast(anchors, positives, candidates, temperature, 0.0, row_counts, candidate_counts)


def floored_contrast(
    anchors: Float[Tensor, "row dim"],
    positives: Float[Tensor, "row dim"],
    candidates: Float[Tensor, "candidate dim"],
    temperature: float,
    *,
    row_counts: Num[Tensor, "row"] | None = None,
    candidate_counts: Num[Tensor, "candidate"] | None = None,
) -> Float[Tensor, ""]:
    """Return ``mean_r -log( exp(<x,y>/τ) / (Σ_j exp(<x,y_j>/τ) + 1e-8) + 1e-8 )``.

    The symmetric-noise form of METHOD, used by translation alignment, by generative reconstruction
    and by BIGCF. Rows must be unit rows; τ ≥ 0.02. Counts are those of :func:`info_nce`.

    Raises:
        ConfigurationError: If τ is so small that the exponentials overflow.
    """
    if temperature < SAFE_TEMPERATURE:
        raise ConfigurationError(
            f"temperature {temperature} is below {SAFE_TEMPERATURE}: the exponentials of this loss "
            "would overflow; choose a larger one."
        )
    return _contrast(anchors, positives, candidates, temperature, 1e-8, row_counts, candidate_counts)


def mean_log_sum_exp(
    anchors: Float[Tensor, "row dim"],
    candidates: Float[Tensor, "candidate dim"],
    *,
    row_counts: Num[Tensor, "row"] | None = None,
) -> Float[Tensor, ""]:
    """Return ``mean_r logsumexp_j (a_r · C_j)`` of dot products of any size.

    Args:
        anchors: Rows of any norm; no temperature divides them.
        candidates: Rows of any norm.
        row_counts: How often each anchor row stands in the batch; the mean is weighted by it.
    """
    nothing = torch.zeros_like(anchors)
    return _contrast(anchors, nothing, candidates, 1.0, 0.0, row_counts, None, bounded=False)


def _contrast(
    anchors: Tensor,
    positives: Tensor,
    candidates: Tensor,
    temperature: float,
    floor: float,
    row_counts: Tensor | None,
    candidate_counts: Tensor | None,
    *,
    bounded: bool = True,
) -> Tensor:
    """Return the contrast; ``bounded`` says that rows are unit, so that 1/τ bounds every logit."""
    if temperature <= 0:
        raise ConfigurationError(f"temperature {temperature} is not positive: choose one above 0.")
    row_count = anchors.shape[0]
    if row_counts is None:
        weights = torch.full((row_count,), 1.0 / row_count, dtype=anchors.dtype, device=anchors.device)
    else:
        weights = row_counts.to(anchors.dtype) / row_counts.sum()
    result: Tensor = _Contrast.apply(
        anchors,
        positives,
        candidates,
        weights,
        candidate_counts,
        temperature,
        floor,
        not bounded or temperature < SAFE_TEMPERATURE,
    )
    return result


class _Contrast(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        anchors: Tensor,
        positives: Tensor,
        candidates: Tensor,
        weights: Tensor,
        candidate_counts: Tensor | None,
        temperature: float,
        floor: float,
        shifted: bool,
    ) -> Tensor:
        scaled = anchors / temperature
        matched = (scaled * positives).sum(dim=1)
        needs_gradient = any(ctx.needs_input_grad[:3])
        anchor_gradient = torch.empty_like(anchors) if needs_gradient else None
        candidate_gradient = torch.zeros_like(candidates) if needs_gradient else None
        pull = torch.empty_like(weights)
        total = torch.zeros((), dtype=anchors.dtype, device=anchors.device)
        block = max(1, BLOCK_ENTRIES // max(1, candidates.shape[0]))
        if anchors.device.type != "cpu":
            block *= 64
        counts = None if candidate_counts is None else candidate_counts.to(anchors.dtype)
        for start in range(0, anchors.shape[0], block):
            rows = slice(start, start + block)
            similarities = scaled[rows] @ candidates.T
            shift = similarities.amax(dim=1, keepdim=True) if shifted else None
            if shift is not None:
                similarities -= shift
            similarities.exp_()
            sums = similarities.sum(dim=1) if counts is None else similarities @ counts
            log_sums = sums.log() if shift is None else sums.log() + shift[:, 0]
            if floor:
                share = torch.exp(matched[rows]) / (sums + floor)
                losses, damping = -torch.log(share + floor), share / (share + floor)
            else:
                losses, damping = log_sums - matched[rows], torch.ones_like(sums)
            total += (losses * weights[rows]).sum()
            pull[rows] = weights[rows] * damping
            if anchor_gradient is not None and candidate_gradient is not None:
                similarities *= (pull[rows] / (sums + floor))[:, None]
                if counts is not None:
                    similarities *= counts
                anchor_gradient[rows] = similarities @ candidates
                candidate_gradient.addmm_(similarities.T, scaled[rows])
        if anchor_gradient is not None and candidate_gradient is not None:
            anchor_gradient -= pull[:, None] * positives
            anchor_gradient /= temperature
            ctx.save_for_backward(anchor_gradient, -pull[:, None] * scaled, candidate_gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        upstream = gradients[0]
        needed = ctx.needs_input_grad[:3]
        found = [
            gradient * upstream if need else None
            for gradient, need in zip(ctx.saved_tensors, needed, strict=True)
        ]
        return (*found, None, None, None, None, None)
