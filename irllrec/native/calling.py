"""Handing tensors to the kernels, and their work to threads."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from irllrec.native.building import kernels


def fits(*tensors: Tensor) -> bool:
    """Return whether the kernels take these tensors: float32 on a processor, kernels built."""
    on_processor = all(t.device.type == "cpu" and t.dtype == torch.float32 for t in tensors)
    return on_processor and kernels().library is not None


def built() -> ctypes.CDLL:
    """Return the kernels, of which :func:`fits` has said that they are there."""
    library = kernels().library
    assert library is not None, "fits() was not asked"
    return library


def address(tensor: Tensor | None) -> ctypes.c_void_p | None:
    """Return where a contiguous tensor's numbers start; null for None."""
    return None if tensor is None else ctypes.c_void_p(tensor.data_ptr())


def in_threads(work: Callable[[int, int], None], count: int, step: int = 1) -> None:
    """Call ``work(first, last)`` on equal parts of ``count``, whole steps each, side by side.

    As many as torch has threads; the kernels release Python's lock while they compute.
    """
    threads = torch.get_num_threads()
    part = -(-count // (threads * step)) * step
    if threads == 1 or part >= count:
        work(0, count)
        return
    starts = range(0, count, part)
    list(_pool(threads).map(lambda first: work(first, min(first + part, count)), starts))


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="kernels")
