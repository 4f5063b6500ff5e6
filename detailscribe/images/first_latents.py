"""Latents on disk after an image's first steps, `results/{scenario}/latents/{id}-{key}-k{k}.safetensors`.

The refinements of an image start from them (`reuse_first_steps`). They are no results: a file that is missing, damaged,
or made for another key or on another machine is ignored, and the refine stage computes the steps again, to the same
bytes. Each file holds one tensor, `latents`, and in its metadata one entry, `origin`: `key` (of the image), `k`,
`sha256` (of the tensor's bytes) and `made_by` (versions and machine), as canonical JSON.
"""

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from detailscribe.engines.acceleration.first_steps import FirstSteps
from detailscribe.files.atomic import atomic_write
from detailscribe.files.digests import KEY_LENGTH, canonical_json
from detailscribe.images.image_set import ImageRequest
from detailscribe.images.recipes import first_image_key

if TYPE_CHECKING:
    import torch


class FirstLatents:
    """The latents of a scenario's initial images.

    Args:
        folder: The scenario's folder of results.
        image_set: The image set that is refined.
        ks: Steps after which some refinement starts.
        made_by: Returns versions and machine (`engines.machine.hardware.image_software`); called if an image is made.
    """

    def __init__(self, folder: Path, image_set: str, ks: list[int], made_by: Callable[[], dict[str, str]]):
        self.folder, self.image_set, self.ks = folder, image_set, tuple(ks)
        self.made_by = made_by

    def wanted(self, requests: list[ImageRequest]) -> FirstSteps | None:
        """What the engine should keep of an image that is generated; None if it is not the one that is refined."""
        return FirstSteps(self.ks) if any(request.image_set == self.image_set for request in requests) else None

    def known(self, request: ImageRequest, ks: list[int]) -> FirstSteps:
        """The intact latents that refinements after these steps start from, of the image of a request's prompt."""
        steps = FirstSteps(tuple(k for k in ks if k > 0))
        for k in steps.ks:
            if (latents := self._read(latents_file(self.folder, request, k), first_image_key(request), k)) is not None:
                steps.latents[k] = latents
        return steps

    def save(self, request: ImageRequest, steps: FirstSteps) -> None:
        """Save latents that the engine has computed; one that cannot be written is left out, and computed again."""
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        for k in steps.computed:
            latents = steps.latents[k].contiguous()
            metadata, file = self._metadata(first_image_key(request), k, latents), latents_file(self.folder, request, k)
            with contextlib.suppress(OSError, SafetensorError), atomic_write(file) as path:
                save_file({"latents": latents}, path, metadata)

    def _read(self, file: Path, key: str, k: int) -> "torch.Tensor | None":
        """The latents of a file, if it is there, intact, and made for this key and step on this machine."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(file, framework="pt") as opened:
                metadata, latents = opened.metadata() or {}, opened.get_tensor("latents")
        except (OSError, SafetensorError):
            return None
        return latents if metadata == self._metadata(key, k, latents) else None

    def _metadata(self, key: str, k: int, latents: "torch.Tensor") -> dict[str, str]:
        # One entry: safetensors writes several in any order.
        origin = {"key": key, "k": k, "sha256": _sha256(latents), "made_by": self.made_by()}
        return {"origin": canonical_json(origin)}


def latents_file(folder: Path, request: ImageRequest, k: int) -> Path:
    """File of the latents after step k of the image of a request's prompt; `folder` is the scenario's."""
    return folder / "latents" / f"{request.id}-{first_image_key(request)[:KEY_LENGTH]}-k{k}.safetensors"


def _sha256(tensor: "torch.Tensor") -> str:
    import torch

    return hashlib.sha256(tensor.contiguous().view(torch.uint8).numpy().tobytes()).hexdigest()
