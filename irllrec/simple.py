"""What a simple baseline must offer: scores of its own, fitted in epochs, tuned on validation."""

from __future__ import annotations

import abc
import itertools
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from irllrec.data.interactions import Interactions
from irllrec.errors import ConfigurationError
from irllrec.settings import read_settings


class SimpleBaseline(abc.ABC):
    """A recommender without an embedding that an objective could work on; it goes with ``base`` only.

    A module ``irllrec/backbones/<name>.py`` ends in ``BACKBONE = <its class>``. Any entry of
    ``backbones.<name>`` may be a list of candidates: see :func:`candidates`.

    Attributes:
        Settings: Frozen dataclass of one candidate's hyper-parameters.
        deterministic: Whether every seed gives the same model.
        reads: Nothing beside the interactions.
    """

    Settings: ClassVar[type]
    deterministic: ClassVar[bool]
    reads: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, *, train: Interactions, settings: Any, seed: int, device: str = "cpu") -> None:
        """Store what every baseline has.

        Args:
            train: The training interactions.
            settings: An instance of ``Settings``.
            seed: Of its random streams; ignored where ``deterministic``.
            device: Where it computes; closed forms stay on the processor.
        """
        self.train = train
        self.settings = settings
        self.seed = seed
        self.device = device

    @property
    def epoch_count(self) -> int | None:
        """How many calls of :meth:`fit_epoch` make the model; None: as many as validation wants."""
        return 1

    @abc.abstractmethod
    def fit_epoch(self, epoch: int) -> dict[str, float]:
        """Fit once more and return the mean of each weighted loss term, none for a closed form.

        Args:
            epoch: Counted from 1; random streams are derived from it.
        """

    @abc.abstractmethod
    def scores(self, users: npt.NDArray[np.int64]) -> Float[Tensor, "ranked item"]:
        """Return these users' scores of all items, float32, in memory that the caller may overwrite."""

    @property
    @abc.abstractmethod
    def parameter_count(self) -> int:
        """Numbers that the model keeps."""

    def state(self) -> dict[str, Tensor]:
        """Return what another process needs to go on after an epoch; empty for a closed form."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Put back what :meth:`state` returned."""
        assert not state, "a baseline that keeps a state puts it back itself"

    def or_popular(self, scores: Float[Tensor, "ranked item"]) -> Float[Tensor, "ranked item"]:
        """Return the scores with the training counts for users about whom the model says nothing.

        That is where all scores of a row are equal: the user has no training items, or no item has
        anything in common with them.
        """
        silent = scores.amin(dim=1) == scores.amax(dim=1)
        scores[silent] = torch.from_numpy(self.train.item_degrees.astype(np.float32))
        return scores


def candidates(kind: type[SimpleBaseline], given: Mapping[str, Any], *, where: str) -> list[Any]:
    """Return every combination of the candidate values in ``given``, the last key varying fastest.

    Args:
        kind: The baseline.
        given: Its settings; a value that is a list stands for candidates.
        where: How the mapping is called in messages.

    Returns:
        Instances of ``kind.Settings``, at least one.

    Raises:
        ConfigurationError: For an empty list, an unknown or missing key, or a value not allowed.
    """
    listed = {name: value if isinstance(value, list | tuple) else [value] for name, value in given.items()}
    for name, values in listed.items():
        if not values:
            raise ConfigurationError(f"{where}.{name} is an empty list: give at least one candidate.")
    return [
        read_settings(kind.Settings, dict(zip(listed, values, strict=True)), where=where)
        for values in itertools.product(*listed.values())
    ]
