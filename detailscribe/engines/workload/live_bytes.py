"""Floating-point operations and peak memory of a computation on meta tensors, without its weights.

Memory is followed by storage: an operator's new results count from its return until nothing refers to them. What
kernels allocate inside themselves (workspaces of cuDNN and cuBLAS) and what an allocator rounds up is not counted.
"""

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Work:
    """What a computation takes. flop: of products, convolutions and attention; peak_bytes: of its tensors."""

    flop: int
    peak_bytes: int


def measure(compute: Callable[[], object]) -> Work:
    """Run a computation with every tensor on the meta device; tensors that exist already are not counted.

    Attention counts as a fused kernel, which a GPU uses: without its table of weights.
    """
    with torch.no_grad(), FusedAttention(), FlopCounterMode(display=False) as counter, LiveBytes() as live:
        compute()
    return Work(counter.get_total_flops(), live.peak)


class LiveBytes(TorchDispatchMode):
    """Bytes of the storages that operators allocate while the mode is on.

    Attributes:
        live, peak: bytes at present, and at most.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        for storage in _storages((args, kwargs)):
            self._known.add(storage)  # a view of a weight is no new memory
        results = func(*args, **kwargs)
        for storage in _storages(results):
            if storage not in self._known:
                self._known.add(storage)
                self._change(storage.nbytes())
                weakref.finalize(storage, self._change, -storage.nbytes())
        return results

    def _change(self, size: int) -> None:
        self.live += size
        self.peak = max(self.peak, self.live)


class FusedAttention(TorchFunctionMode):
    """Have attention on the meta device go to a fused kernel; torch otherwise takes it apart there."""

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if func is not torch.nn.functional.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))

        def fused(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
            kernel = torch.ops.aten._scaled_dot_product_efficient_attention
            return kernel(query, key, value, attn_mask, False, dropout_p, is_causal, scale=scale)[0]

        return fused(*args, **(kwargs or {}))


def _storages(values: Any) -> list[torch.UntypedStorage]:
    return [value.untyped_storage() for value in tree_iter(values) if isinstance(value, torch.Tensor)]
