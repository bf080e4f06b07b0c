"""Mult-VAE: a variational autoencoder of a user's items with a multinomial likelihood."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor, nn

from irllrec.data.interactions import Interactions
from irllrec.errors import TrainingError
from irllrec.seeding import Draws, stream, torch_stream
from irllrec.simple import SimpleBaseline


@dataclass(frozen=True)
class MultVAESettings:
    """Attributes:
    hidden: Units of the hidden layer of encoder and decoder, ≥ 1.
    latent: Size of the latent vector, ≥ 1.
    dropout: Share of a user's items left out of the input while training, in [0, 1).
    kl_cap: Largest weight β of the divergence term, ≥ 0.
    anneal_steps: Steps in which β grows from 0 to ``kl_cap``, ≥ 1.
    batch_size: Users a step, ≥ 1.
    learning_rate: Of Adam, > 0.
    """

    hidden: int
    latent: int
    dropout: float
    kl_cap: float
    anneal_steps: int
    batch_size: int
    learning_rate: float

    def __post_init__(self) -> None:
        for name in ("hidden", "latent", "anneal_steps", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; it must be in [0, 1)")
        if self.kl_cap < 0:
            raise ValueError(f"kl_cap is {self.kl_cap}; it must be at least 0")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate is {self.learning_rate}; it must be above 0")


@dataclass(frozen=True)
class Histories:
    """The items of some users, one after the other.

    Attributes:
        items: Shape (pair,).
        rows: Shape (pair,), whose they are, counted from 0 among these users.
        starts: Shape (user,), where each user's items start.
        degrees: Shape (user,).
    """

    items: Tensor
    rows: Tensor
    starts: Tensor
    degrees: Tensor

    @classmethod
    def of(cls, table: Interactions, users: npt.NDArray[np.int64], device: str) -> Histories:
        """Return the items that these users have in the table."""
        degrees = table.user_degrees[users]
        starts = np.cumsum(degrees) - degrees
        rows = np.repeat(np.arange(len(users)), degrees)
        places = np.repeat(table.user_offsets[users] - starts, degrees) + np.arange(len(rows))
        arrays = (table.items[places].astype(np.int64), rows, starts, degrees)
        return cls(*(torch.from_numpy(array).to(device) for array in arrays))


class Network(nn.Module):
    """item → hidden → latent → hidden → item, tanh between."""

    def __init__(self, item_count: int, settings: MultVAESettings, generator: torch.Generator) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.empty(item_count, settings.hidden))
        self.first_bias = nn.Parameter(torch.zeros(settings.hidden))
        self.posterior = nn.Linear(settings.hidden, 2 * settings.latent)
        self.decoder = nn.Linear(settings.latent, settings.hidden)
        self.last = nn.Linear(settings.hidden, item_count)
        for weight in (self.first, self.posterior.weight, self.decoder.weight, self.last.weight):
            nn.init.xavier_uniform_(weight, generator=generator)
        for layer in (self.posterior, self.decoder, self.last):
            nn.init.zeros_(layer.bias)

    def encode(self, histories: Histories, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of each user's latent vector.

        Args:
            histories: The users' items.
            weights: Shape (pair,), the input's value at each item.
        """
        # The input is sparse: a sum of the rows of its items is the product with it.
        summed = nn.functional.embedding_bag(
            histories.items, self.first, histories.starts, mode="sum", per_sample_weights=weights
        )
        mean, log_variance = self.posterior(torch.tanh(summed + self.first_bias)).chunk(2, dim=1)
        return mean, log_variance

    def decode(self, latent: Tensor) -> Tensor:
        """Return the logits of all items."""
        logits: Tensor = self.last(torch.tanh(self.decoder(latent)))
        return logits


class MultVAE(SimpleBaseline):
    """``L = mean_u [ −Σ_{i∈I_u} log softmax(f(z_u))_i + β KL(q(z_u|x_u) ‖ N(0, I)) ]``.

    ``x_u`` has length 1 before items are dropped; at evaluation nothing is dropped and ``z_u`` is the
    mean. Scores are logits. A user without training items is scored from the biases alone.

    Source: Liang et al., WWW 2018; β = ``kl_cap``·min(1, step / ``anneal_steps``).
    *Randomness*: streams ``"weights"``; per epoch ``"users"`` for their order and ``"draws"`` for
    dropout and latent noise.
    """

    Settings = MultVAESettings
    deterministic = False

    def __init__(
        self, *, train: Interactions, settings: MultVAESettings, seed: int, device: str = "cpu"
    ) -> None:
        super().__init__(train=train, settings=settings, seed=seed, device=device)
        self.network = Network(train.item_count, settings, torch_stream(seed, "weights")).to(device)
        self._optimizer = torch.optim.Adam(self.network.parameters(), lr=settings.learning_rate, fused=True)
        self._learners = np.flatnonzero(train.user_degrees > 0)

    @property
    def epoch_count(self) -> None:
        return None

    def fit_epoch(self, epoch: int) -> dict[str, float]:
        size = self.settings.batch_size
        draws = Draws(torch_stream(self.seed, "draws", epoch, device=self.device))
        order = stream(self.seed, "users", epoch).permutation(self._learners)
        starts = range(0, len(order), size)
        sums = torch.zeros(2)
        for number, start in enumerate(starts):
            step = (epoch - 1) * len(starts) + number
            weight = self.settings.kl_cap * min(1.0, step / self.settings.anneal_steps)
            likelihood, divergence = self.terms(order[start : start + size], draws)
            self._optimizer.zero_grad(set_to_none=True)
            (likelihood + weight * divergence).backward()
            self._optimizer.step()
            sums += torch.stack([likelihood.detach(), weight * divergence.detach()]).cpu()
        means = dict(zip(("likelihood", "kl"), (sums / len(starts)).tolist(), strict=True))
        for name, mean in means.items():
            if not math.isfinite(mean):
                raise TrainingError(
                    f"the loss term {name} is {mean} in epoch {epoch}: training diverged; "
                    "lower backbones.mult-vae.learning_rate."
                )
        return means

    def terms(
        self, users: npt.NDArray[np.int64], draws: Draws
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Return the negative log-likelihood and the divergence, unweighted means over the users."""
        histories = Histories.of(self.train, users, self.device)
        kept = draws.rand(len(histories.items)) >= self.settings.dropout
        weights = _unit(histories) * kept / (1 - self.settings.dropout)
        mean, log_variance = self.network.encode(histories, weights)
        latent = mean + draws.randn_like(mean) * torch.exp(0.5 * log_variance)
        logits = self.network.decode(latent)
        of_items = logits[histories.rows, histories.items].sum()
        likelihood = (torch.logsumexp(logits, dim=1) * histories.degrees).sum() - of_items
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
        return likelihood / len(users), divergence / len(users)

    @torch.no_grad()
    def scores(self, users: npt.NDArray[np.int64]) -> Float[Tensor, "ranked item"]:
        histories = Histories.of(self.train, users, self.device)
        mean, _ = self.network.encode(histories, _unit(histories))
        return self.network.decode(mean)

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.network.parameters())

    def state(self) -> dict[str, Tensor]:
        found = {f"network/{name}": tensor for name, tensor in self.network.state_dict().items()}
        for name, parameter in self.network.named_parameters():
            for what, value in self._optimizer.state[parameter].items():
                found[f"adam/{name}/{what}"] = torch.as_tensor(value)
        return found

    def restore(self, state: Mapping[str, Tensor]) -> None:
        prefix = "network/"
        self.network.load_state_dict(
            {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
        )
        for name, parameter in self.network.named_parameters():
            self._optimizer.state[parameter] = {
                # fused Adam counts its steps where the parameter is
                what: state[f"adam/{name}/{what}"].clone().to(parameter.device)
                for what in ("step", "exp_avg", "exp_avg_sq")
            }


def _unit(histories: Histories) -> Float[Tensor, "pair"]:
    """Return the values of inputs of length 1."""
    return histories.degrees.to(torch.float32).rsqrt()[histories.rows]


BACKBONE = MultVAE
