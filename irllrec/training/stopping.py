"""Early stopping on one named validation metric."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StoppingState:
    """Where early stopping stands.

    Attributes:
        best_value: Best validation value so far, None before the first validation.
        best_epoch: Epoch of the best value, counted from 1; 0 before the first validation.
        stale_count: Validations since the best one.
    """

    best_value: float | None = None
    best_epoch: int = 0
    stale_count: int = 0

    def after(self, value: float, epoch: int) -> StoppingState:
        """Return the state after a validation; an equal value is not an improvement."""
        if self.best_value is None or value > self.best_value:
            return StoppingState(best_value=value, best_epoch=epoch)
        return StoppingState(self.best_value, self.best_epoch, self.stale_count + 1)
