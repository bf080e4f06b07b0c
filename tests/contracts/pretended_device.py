"""A device that is no device: tensors stay on the processor and say that they lie elsewhere.

Under :class:`PretendedDevice` whatever is made on :data:`DEVICE` or moved there is marked, and an operation that mixes
marked and unmarked tensors fails as it would between a processor and a GPU. So code that forgets a device is found
where there is no GPU. The rules are CUDA's: a tensor on the processor may join if it has no dimensions, or if it
indexes one on the device; only moving and copying goes across.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from irllrec.seeding import Draws

DEVICE = torch.device("meta")
ACROSS = {torch.ops.aten._to_copy, torch.ops.aten.copy_}
INDEXING = {torch.ops.aten.index, torch.ops.aten.index_put_, torch.ops.aten._index_put_impl_}


class MixedDevicesError(RuntimeError):
    """An operation had tensors of both devices."""


class Elsewhere(Tensor):
    """A tensor that says it lies on :data:`DEVICE`; its numbers are on the processor, in ``numbers``."""

    numbers: Tensor

    @staticmethod
    def __new__(cls, numbers: Tensor) -> Elsewhere:
        place: dict[str, Any] = {}
        if numbers.layout == torch.strided:  # a sparse matrix has neither
            place = {"strides": numbers.stride(), "storage_offset": numbers.storage_offset()}
        made: Elsewhere = Tensor._make_wrapper_subclass(
            cls, numbers.size(), dtype=numbers.dtype, device=DEVICE, **place
        )
        made.numbers = numbers
        return made

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        return _run(function, arguments, named or {})


class PretendedDevice(TorchDispatchMode):
    """While entered, :data:`DEVICE` can be used like a GPU."""

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        return _run(function, arguments, named or {})


class MovedDraws(Draws):
    """The processor's random numbers, moved to the device that a generator there would draw them on."""

    def rand(self, *shape: int) -> Tensor:
        return super().rand(*shape).to(DEVICE)

    def choice(self, population: int, count: int) -> Tensor:
        return super().choice(population, count).to(DEVICE)


def _run(function: Any, arguments: Any, named: dict[str, Any]) -> Any:
    tensors = [one for one in tree_flatten((arguments, named))[0] if isinstance(one, Tensor)]
    there = any(isinstance(one, Elsewhere) for one in tensors)
    if "device" in named and named["device"] is not None:
        there = torch.device(named["device"]) == DEVICE
        named = named | {"device": torch.device("cpu")}
    if function.overloadpacket not in ACROSS:
        _refuse_mixture(function, arguments, tensors)
    result = function(*tree_map(_numbers, arguments), **tree_map(_numbers, named))
    if function._schema.name.endswith("_") and isinstance(arguments[0], Tensor):
        return arguments[0]
    return tree_map(_moved, result) if there else result


def _refuse_mixture(function: Any, arguments: Any, tensors: Sequence[Any]) -> None:
    if function.overloadpacket in INDEXING:
        indices = [one for one in arguments[1] if isinstance(one, Elsewhere)]
        tensors = [arguments[0], *arguments[2:], *indices]
    places = {isinstance(one, Elsewhere) for one in tensors if isinstance(one, Tensor) and one.dim() > 0}
    if len(places) > 1:
        raise MixedDevicesError(f"{function} was given tensors on the device and on the processor.")


def _numbers(value: Any) -> Any:
    return value.numbers if isinstance(value, Elsewhere) else value


def _moved(value: Any) -> Any:
    return Elsewhere(value) if isinstance(value, Tensor) and not isinstance(value, Elsewhere) else value
