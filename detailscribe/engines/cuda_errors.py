"""CUDA out-of-memory and compiler errors, translated for the user."""

import contextlib
from collections.abc import Iterator

import torch

from detailscribe.errors import SetupError


@contextlib.contextmanager
def friendly_cuda_errors(size_px: int) -> Iterator[None]:
    """Translate CUDA out-of-memory and missing-compiler errors.

    Raises:
        SetupError: in their place, with a remedy.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise SetupError(
            f"the GPU memory is too small for an image of {size_px} px: set batch to image, offload to encoders or "
            "model, precision to nf4, or size_px lower, or end other programs on the GPU"
        ) from error
    except torch._dynamo.exc.TorchDynamoException as error:
        reason = " ".join(str(error).split("\n\n")[0].split())  # the first line names the backend, the second the cause
        raise SetupError(
            f"the transformer could not be compiled ({reason}): install a C++ compiler (and Triton on a GPU machine), "
            "or set compile to none"
        ) from error
