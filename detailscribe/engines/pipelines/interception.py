"""Interception of a diffusers pipeline's denoiser and scheduler: their calls pass through functions of the caller.

A denoiser's class is replaced by a subclass while the pipeline runs, so that hooks on its `forward` (offload), which
the pipeline removes and adds, and compiled blocks stay as they are. The scheduler gets a method of its own, because
some pipelines compare its class.
"""

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn

from detailscribe.errors import SetupError

DENOISERS = ("transformer", "unet")  # in the names of components
SAMPLE_ARGUMENTS = ("hidden_states", "sample", "x")  # what a denoiser's forward calls the noisy latents


def denoisers(pipe: Any) -> dict[str, nn.Module]:
    """The models that a pipeline calls in each step, by component name."""
    return {
        name: part
        for name, part in pipe.components.items()
        if isinstance(part, nn.Module) and any(word in name for word in DENOISERS) and not name.startswith("prior_")
    }


def check_interception(pipe: Any) -> None:
    """Refuse a pipeline whose denoising steps cannot be observed.

    Raises:
        SetupError: it has no denoiser or no scheduler.
    """
    step = getattr(getattr(pipe, "scheduler", None), "step", None)
    known = inspect.signature(step).parameters if callable(step) else {}
    if not denoisers(pipe) or not {"model_output", "sample"} <= set(known):
        raise SetupError(
            f"{type(pipe).__name__} has no transformer or U-Net with a scheduler of its own, so that there is no step "
            "after which the refined prompt could take over: choose another model"
        )


@contextmanager
def intercepted(pipe: Any, call: Callable, step: Callable) -> Iterator[None]:
    """Pass the calls of the denoisers and the scheduler's steps through functions, while the context lasts.

    Args:
        call: Called as `call(name, original, args, kwargs)` instead of the denoiser of that component name.
        step: Called as `step(original, arguments)` instead of the scheduler's `step`; `arguments` by name.
    """
    with ExitStack() as stack:
        for name, module in denoisers(pipe).items():
            stack.enter_context(_called_instead(module, functools.partial(call, name)))
        stack.enter_context(_stepped_instead(pipe.scheduler, step))
        yield


def noisy_latents(args: tuple, kwargs: dict) -> list:
    """The latents that a denoiser is called with: one tensor, or several of one batch."""
    found = next((kwargs[name] for name in SAMPLE_ARGUMENTS if name in kwargs), args[0] if args else None)
    return list(found) if isinstance(found, list | tuple) else [found]


@contextmanager
def _called_instead(module: nn.Module, call: Callable) -> Iterator[None]:
    """Make calls of one module `call(original, args, kwargs)`."""
    own = type(module)

    def replaced(self, *args, **kwargs):
        return call(functools.partial(own.__call__, self), args, kwargs)

    module.__class__ = type(own.__name__, (own,), {"__call__": replaced, "__module__": own.__module__})
    try:
        yield
    finally:
        module.__class__ = own


@contextmanager
def _stepped_instead(scheduler: Any, step: Callable) -> Iterator[None]:
    """Make the steps of one scheduler `step(original, arguments)`."""
    original = scheduler.step
    signature = inspect.signature(original)

    @functools.wraps(original)  # pipelines ask for the signature
    def replaced(*args, **kwargs):
        return step(original, signature.bind(*args, **kwargs).arguments)

    scheduler.step = replaced
    try:
        yield
    finally:
        del scheduler.step
