"""The text tower: a two-layer perceptron between text vectors and embeddings."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Projector(nn.Module):
    """``Linear(in, hidden) → LeakyReLU → Linear(hidden, out)``, Xavier weights, default biases.

    Source: RLMRec's projection head, whose hidden width is ``(in + out) // 2``. LeakyReLU has torch's
    slope of 0.01.
    """

    def __init__(
        self,
        *,
        input_size: int,
        output_size: int,
        generator: torch.Generator,
        hidden_size: int | None = None,
    ) -> None:
        """Draw the weights.

        Args:
            input_size: Width of the rows given.
            output_size: Width of the rows returned.
            generator: Draws weights and biases.
            hidden_size: Width between the two; None takes ``(input_size + output_size) // 2``.
        """
        super().__init__()
        if hidden_size is None:
            hidden_size = (input_size + output_size) // 2
        self.hidden = nn.Linear(input_size, hidden_size)
        self.output = nn.Linear(hidden_size, output_size)
        for layer in (self.hidden, self.output):
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            bound = layer.in_features**-0.5
            nn.init.uniform_(layer.bias, -bound, bound, generator=generator)

    def forward(self, rows: Float[Tensor, "row input"]) -> Float[Tensor, "row output"]:
        """Return the projected rows."""
        hidden = self.hidden(rows)
        # In place: its gradient can be formed from its result, so the input need not be kept.
        projected: Tensor = self.output(nn.functional.leaky_relu(hidden, negative_slope=0.01, inplace=True))
        return projected
