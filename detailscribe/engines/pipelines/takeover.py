"""Takeover of a diffusers pipeline's run by a refined prompt after step k, without knowing the pipeline's arguments.

The pipeline runs with the first prompt, and what its denoiser and scheduler compute is recorded. Then it runs with the
refined prompt: in steps 0 to k the scheduler gets the recorded predictions, and the denoiser is not called at all
wherever its recorded output can be returned. So the latents after step k are those of the first prompt, bit for bit,
and everything else in the run (embeddings, masks, text positions, caches) is the pipeline's own for the refined prompt.
A step is one call of the scheduler's `step`.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from detailscribe.engines.pipelines.interception import intercepted, noisy_latents
from detailscribe.errors import SetupError

POOLED = "pooled"  # in the name of a denoiser's argument: the pooled embedding of a text
POOLED_CONDITION = "text_embeds"  # the same in the dictionary `added_cond_kwargs` of a U-Net
# Index of the call in its step, then the pooled embedding of the refined prompt, and the first prompt's.
Replacement = tuple[int, torch.Tensor, torch.Tensor]
PLAIN = (torch.Tensor, torch.device, torch.dtype, str, bytes, int, float, type(None))


class Enough(Exception):
    """Ends a pipeline's call."""


@dataclass
class Step:
    """One step: outputs, shapes of latents and pooled embeddings of the denoiser's calls; the scheduler's arguments."""

    outputs: list[Any] = field(default_factory=list)
    shapes: list[list] = field(default_factory=list)
    pooled: list[list[torch.Tensor]] = field(default_factory=list)
    prediction: torch.Tensor | None = None
    sample: torch.Tensor | None = None


@contextmanager
def recording(pipe: Any, last: int) -> Iterator[list[Step]]:
    """Record steps 0 to `last` of the pipeline's call inside the context, and end it there.

    Yields:
        The steps; complete at the end of the context.

    Raises:
        SetupError: the call ended earlier.
    """
    steps, current = [], Step()

    def call(name: str, original: Callable, args: tuple, kwargs: dict) -> Any:
        output = original(*args, **kwargs)
        current.outputs.append(copy.deepcopy(output))
        current.shapes.append(_shapes(name, args, kwargs))
        current.pooled.append([copy.deepcopy(tensor) for tensor, _ in _pooled(kwargs)])
        return output

    def step(original: Callable, arguments: dict) -> Any:
        nonlocal current
        current.prediction = arguments["model_output"].clone()
        current.sample = arguments["sample"].clone()
        result = original(**arguments)
        steps.append(current)
        current = Step()
        if len(steps) > last:
            raise Enough
        return result

    try:
        with intercepted(pipe, call, step):
            yield steps
    except Enough:
        return
    raise SetupError(
        f"{type(pipe).__name__} ended after {len(steps)} steps, and k is {last}: remove what changes the number of "
        "steps from `call`, or choose smaller values of k"
    )


@contextmanager
def continuing(pipe: Any, first: list[Step], k: int, swap_pooled: bool) -> Iterator[None]:
    """Let the pipeline's call inside the context, with the refined prompt, take over from a recording after step k.

    Args:
        first: Recording of the first prompt, at least steps 0 to k.
        k: Index of the last step of the first prompt.
        swap_pooled: Whether the refined prompt also replaces the pooled embedding.

    Raises:
        SetupError: the latents of the two runs differ before the prompts do, or the pooled embedding is not constant.
    """
    at, calls = 0, 0
    replacements: list[Replacement] = []

    def call(name: str, original: Callable, args: tuple, kwargs: dict) -> Any:
        nonlocal calls
        index, calls = calls, calls + 1
        if at > k:
            return original(*args, **(kwargs if swap_pooled else _with_pooled(pipe, kwargs, replacements, index)))
        step = first[at]
        if index >= len(step.outputs) or step.shapes[index][0] != name:
            return original(*args, **kwargs)
        pairs = zip(_pooled(kwargs), step.pooled[index], strict=True)
        replacements.extend((index, value.clone(), other) for (value, _), other in pairs if at == 0)
        # An object among the arguments may be a cache that the call has to fill.
        if step.shapes[index] != _shapes(name, args, kwargs) or not _is_plain((args, kwargs)):
            return original(*args, **kwargs)
        return copy.deepcopy(step.outputs[index])

    def step(original: Callable, arguments: dict) -> Any:
        nonlocal at, calls
        if at <= k:
            recorded = first[at]
            assert recorded.prediction is not None and recorded.sample is not None, "the step was recorded"
            if not _same(recorded.sample, arguments["sample"]):
                raise SetupError(
                    f"{type(pipe).__name__} starts from other latents for another prompt, so that the refined prompt "
                    "cannot take over its run: choose another model"
                )
            arguments = arguments | {"model_output": recorded.prediction.clone()}
        at, calls = at + 1, 0
        return original(**arguments)

    with intercepted(pipe, call, step):
        yield


def _shapes(name: str, args: tuple, kwargs: dict) -> list:
    """The denoiser's name, then the shape of each tensor of its latents."""
    return [name, *(getattr(tensor, "shape", None) for tensor in noisy_latents(args, kwargs))]


def _is_plain(value: Any) -> bool:
    """Whether a value holds tensors and numbers only."""
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    return all(map(_is_plain, value)) if isinstance(value, list | tuple) else isinstance(value, PLAIN)


def _pooled(kwargs: dict) -> list[tuple[torch.Tensor, tuple[str, ...]]]:
    """The pooled text embeddings among a denoiser's arguments, each with its keys."""
    found: list = [(value, (name,)) for name, value in kwargs.items() if POOLED in name]
    condition = (kwargs.get("added_cond_kwargs") or {}).get(POOLED_CONDITION)
    found.append((condition, ("added_cond_kwargs", POOLED_CONDITION)))
    return [(value, keys) for value, keys in found if isinstance(value, torch.Tensor)]


def _with_pooled(pipe: Any, kwargs: dict, replacements: list[Replacement], index: int) -> dict:
    """The arguments of a step's call of this index with the first prompt's pooled embeddings."""
    changed = dict(kwargs)
    for value, keys in _pooled(kwargs):
        alike = [one for one in replacements if _same(one[1], value)]
        if not alike:
            raise SetupError(
                f"the pooled embedding of {type(pipe).__name__} changes from step to step, so that the first prompt's "
                "cannot be kept: set swap_pooled to true"
            )
        first = min(alike, key=lambda one: one[0] != index)[2]
        changed[keys[0]] = first if len(keys) == 1 else changed[keys[0]] | {keys[1]: first}
    return changed


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors have the same values; values that are not finite are for the check of the image."""
    return one.shape == other.shape and torch.allclose(one, other, rtol=0, atol=0, equal_nan=True)
