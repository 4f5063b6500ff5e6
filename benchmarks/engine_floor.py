"""Seconds and memory of the phases of a prompt, the device's measured rates, and the least time that the work takes."""

import contextlib
import gc
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch

from detailscribe.engines.workload.sd3_work import SD3Work

PHASES = ("encode", "denoise", "decode")
SAMPLES, PRODUCTS = 10, 10  # of the large product: samples of so many products each


class Phases:
    """Seconds and peak memory of encoding texts, denoising and decoding, while a way draws.

    Encoding and decoding are what the pipeline's `encode_prompt` and the autoencoder's `decode` take; denoising is the
    rest of a prompt, moving modules with an offload included. On a card each border waits until the card is done, at
    most twenty times a prompt.
    """

    def __init__(self, pipe: Any, device: torch.device):
        self._device, self._current = device, "denoise"
        self._since = time.perf_counter()
        self._restore = [(pipe, "encode_prompt"), (pipe.vae, "decode")]
        for (owner, name), phase in zip(self._restore, ("encode", "decode"), strict=True):
            setattr(owner, name, self._timed(getattr(owner, name), phase))
        self.start()

    def start(self) -> None:
        """Forget all figures and begin to measure."""
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self.peaks: dict[str, dict[str, float]] = {}
        self._switch("denoise")
        self.seconds, self.peaks = dict.fromkeys(PHASES, 0.0), {}

    def stop(self) -> dict:
        """Figures since `start`: `seconds` together and by phase, and `peaks` in GB by phase, empty on a processor."""
        self._switch("denoise")
        by_phase = {f"{name}_s": round(value, 4) for name, value in self.seconds.items()}
        return {"seconds": round(sum(self.seconds.values()), 4), **by_phase, "peaks_gb": self.peaks}

    def close(self) -> None:
        """Give the pipeline its own methods back."""
        for owner, name in self._restore:
            with contextlib.suppress(AttributeError):
                delattr(owner, name)

    def _timed(self, work: Callable, phase: str) -> Callable:
        def timed(*args: Any, **kwargs: Any) -> Any:
            before = self._current
            self._switch(phase)
            try:
                return work(*args, **kwargs)
            finally:
                self._switch(before)

        return timed

    def _switch(self, phase: str) -> None:
        wait(self._device)
        now = time.perf_counter()
        self.seconds[self._current] += now - self._since
        if self._device.type == "cuda":
            peaks = self.peaks.setdefault(self._current, {"allocated": 0.0, "reserved": 0.0})
            peaks["allocated"] = max(peaks["allocated"], round(torch.cuda.max_memory_allocated() / 1e9, 2))
            peaks["reserved"] = max(peaks["reserved"], round(torch.cuda.max_memory_reserved() / 1e9, 2))
            torch.cuda.reset_peak_memory_stats()
        self._current, self._since = phase, time.perf_counter()


@contextlib.contextmanager
def phases_of(pipe: Any, device: torch.device) -> Iterator[Phases]:
    """Phases of a pipeline, whose methods are its own again at the end."""
    phases = Phases(pipe, device)
    try:
        yield phases
    finally:
        phases.close()


def wait(device: torch.device) -> None:
    """Wait until the device has done all work so far."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def release(device: torch.device) -> bool:
    """Let go of what nothing holds any longer.

    Returns:
        False if the device is lost: after some errors of CUDA every later call of the process fails.
    """
    gc.collect()
    if device.type != "cuda":
        return True
    try:
        torch.cuda.empty_cache()
        torch.cuda.synchronize()
    except RuntimeError:
        return False
    return True


def rates(device: torch.device, dtype: torch.dtype) -> dict:
    """The device's rate in a large product of random numbers, best and median, and that of a copy in its memory.

    Derived for an H100: 100 products of 8192 take 0.15 s at 750 TFLOP/s.
    """
    edge = 8192 if device.type == "cuda" else 1024
    products = PRODUCTS if device.type == "cuda" else 2
    one, other = (torch.randn(edge, edge, device=device, dtype=dtype) for _ in range(2))
    out = torch.empty_like(one)
    seconds = [timed(lambda: torch.mm(one, other, out=out), device, products) for _ in range(SAMPLES + 1)][1:]
    block, to = (torch.empty(2**28, dtype=torch.uint8, device=device) for _ in range(2))
    copies = [timed(lambda: to.copy_(block), device, 4) for _ in range(4)][1:]
    return {
        "product_edge": edge,
        "product_dtype": str(dtype).removeprefix("torch."),
        "tflops": round(2 * edge**3 / min(seconds) / 1e12, 3),
        "tflops_median": round(2 * edge**3 / statistics.median(seconds) / 1e12, 3),
        "copy_gb_per_s": round(2 * block.numel() / min(copies) / 1e9, 1),
    }


def timed(work: Callable[[], object], device: torch.device, times: int = 1) -> float:
    """Seconds of one call, as the mean of some calls in a row."""
    wait(device)
    start = time.perf_counter()
    for _ in range(times):
        work()
    wait(device)
    return (time.perf_counter() - start) / times


def work_of(work: SD3Work, device: torch.device) -> dict:
    """Floating-point operations of a row of the transformer, a text and a picture, in TFLOP, and its weights in GB.

    Also the attention kernel that torch chooses on the device for the rows of four candidates.
    """
    transformer = work.modules["transformer"]
    tokens = (work.side // transformer.config.patch_size) ** 2 + work.clip_tokens + work.t5_tokens
    return {
        "row_tflop": work.step(1).flop / 1e12,
        "text_tflop": work.text().flop / 1e12,
        "picture_tflop": work.decoding().flop / 1e12,
        "transformer_gb": sum(p.numel() * p.element_size() for p in transformer.parameters()) / 1e9,
        "attention": attention_kernel(transformer.config, tokens, device, work.dtype),
    }


def attention_kernel(config: Any, tokens: int, device: torch.device, dtype: torch.dtype, rows: int = 8) -> str | None:
    """Name of torch's kernel for the joint attention of some rows; None where torch does not say."""
    try:
        each = torch.empty(
            rows, config.num_attention_heads, tokens, config.attention_head_dim, device=device, dtype=dtype
        )
        from torch.nn.attention import SDPBackend

        return str(SDPBackend(torch._fused_sdp_choice(each, each, each)).name)
    except (AttributeError, RuntimeError, TypeError, ValueError):
        return None


def floor_s(work: dict, tflops: float, rows: int, texts: int, pictures: int) -> float:
    """Seconds that the operations take at a rate in TFLOP/s."""
    total = rows * work["row_tflop"] + texts * work["text_tflop"] + pictures * work["picture_tflop"]
    return total / tflops
