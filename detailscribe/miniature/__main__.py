"""Training of the miniature: `python -m detailscribe.miniature [PART ...]`; resumes from its checkpoints.

Parts: autoencoder, detector, clip, vqa, reward, sd3, vlm, and `pack`, which writes the shipped weights; all of them in
this order by default. Checkpoints are in resources/miniature-training; delete that folder to start over. With
`--shipped` a part that was not trained here is taken as shipped: `--shipped vlm pack` trains and replaces one part.
"""

import argparse
import logging
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from detailscribe.engines import torch_setup
from detailscribe.errors import SetupError
from detailscribe.miniature import WEIGHTS, weights_info
from detailscribe.miniature.judge import check_scene
from detailscribe.miniature.models import autoencoder, detector, sd3, sd3_latents, training
from detailscribe.miniature.models.detection import detect, shipped_detector
from detailscribe.miniature.shipped import INITIALISED_FROM, MODULES, load_part, pack_weights
from detailscribe.miniature.world.drawing import draw_scene
from detailscribe.miniature.world.scenes import random_scene
from detailscribe.miniature.world.sprites import load_sprites

ORDER = ("autoencoder", "detector", "clip", "vqa", "reward", "sd3", "vlm")
MIN_PSNR_DB, MIN_FOUND = 30.0, 0.97  # required of the autoencoder before anything is trained on it
HELD_OUT_SCENES = 512
SCALE = ("scaling_factor", "shift_factor")  # of the latents
log = logging.getLogger("miniature")


def main() -> None:
    """Train the named parts and pack them."""
    parser = argparse.ArgumentParser(
        prog="python -m detailscribe.miniature", description="Train the miniature; resumes from its checkpoints."
    )
    parser.add_argument("parts", nargs="*", choices=[*ORDER, "pack", []], help="all of them by default")
    parser.add_argument("--folder", type=Path, default=Path("resources/miniature-training"))
    parser.add_argument("--shipped", action="store_true", help="take parts that were not trained here as shipped")
    parser.add_argument("--threads", type=int, help="number of CPU threads; all by default")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    if options.threads:
        torch.set_num_threads(options.threads)
    device = torch.device(torch_setup.default_device())
    trainer = Trainer(options.folder, device, options.shipped)
    try:
        for name in options.parts or (*ORDER, "pack"):
            if name == "pack":
                trainer.pack()
            else:
                trainer.train(name)
    except SetupError as error:
        sys.exit(str(error))


class Trainer:
    """Parts that were trained into a folder, or are being trained there.

    Args:
        folder: Of the checkpoints.
        shipped: Whether a part without a checkpoint is taken as shipped, where another part needs it.
    """

    def __init__(self, folder: Path, device: torch.device, shipped: bool = False):
        self._folder, self._device, self._shipped = folder, device, shipped

    def train(self, name: str) -> Any:
        """Train a part, or load it if it is already trained."""
        module = MODULES[name]
        torch.manual_seed(module.PLAN.seed)
        model = module.build()
        sprites = load_sprites()
        if name in INITIALISED_FROM:
            module.initialise_from(model, self.get(INITIALISED_FROM[name]))
        if name == "sd3":
            coder = self.get("autoencoder")
            check_autoencoder(coder, self._detector_weights(), self._device)
            loss = sd3.Loss(sd3_latents.LatentCache(self._folder, coder, sprites, self._device), self._device)
        else:
            loss = module.Loss(sprites, self._device)
        model = training.train(name, model, loss, module.PLAN, self._folder, self._device)
        if name == "autoencoder":
            rng = np.random.default_rng(module.PLAN.seed)
            images = [draw_scene(random_scene(rng), sprites) for _ in range(HELD_OUT_SCENES)]
            autoencoder.set_latent_scale(model, images, self._device)
        return model

    def get(self, name: str) -> Any:
        """A part that another one needs."""
        if not self._is_shipped(name):
            return self.train(name)
        part = load_part(name)
        if name == "autoencoder":
            part.register_to_config(**{key: weights_info()[key] for key in SCALE})
        return part.to(self._device)

    def pack(self) -> None:
        """Write the shipped weights and how they were trained; parts taken as shipped stay as they are."""
        trained = {name: self.train(name) for name in ORDER if not self._is_shipped(name)}
        coder, before = self.get("autoencoder"), weights_info() if self._shipped else {}
        commit = (
            subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip() or "unknown"
        )
        plans = {name: vars(MODULES[name].PLAN) for name in trained}
        info = {
            "commit": commit,
            "date": datetime.now(UTC).date().isoformat(),
            "made_on": f"{self._device.type}, {platform.machine()}",
            "versions": {name: version(name) for name in ("torch", "diffusers", "transformers", "open_clip_torch")},
            "trained_at": before.get("trained_at", {}) | dict.fromkeys(trained, commit),
            "plans": {name: (before.get("plans", {}) | plans)[name] for name in ORDER},
            "sprites": "Noto Color Emoji, SIL Open Font License 1.1",
            **{key: coder.config[key] for key in SCALE},
            "autoencoder": check_autoencoder(coder, self._detector_weights(), self._device),
        }
        pack_weights(trained, WEIGHTS, info)
        log.info("packed %d bytes", weights_info()["bytes"])

    def _is_shipped(self, name: str) -> bool:
        return self._shipped and not (self._folder / f"{name}.pt").is_file()

    def _detector_weights(self) -> dict[str, np.ndarray]:
        if self._is_shipped("detector"):
            return shipped_detector()
        return {name: tensor.cpu().numpy() for name, tensor in detector.fold_batch_norm(self.train("detector")).items()}


def check_autoencoder(coder: nn.Module, weights: dict[str, np.ndarray], device: torch.device) -> dict[str, float]:
    """Fidelity on held-out scenes, and the share of entities that the judge still finds.

    Args:
        weights: Of the judge's detector, as `detection` reads them.

    Raises:
        SetupError: one of them is below its minimum.
    """
    rng, sprites = np.random.default_rng(99), load_sprites()
    scenes = [random_scene(rng, held_out=True) for _ in range(HELD_OUT_SCENES)]
    originals = [draw_scene(scene, sprites) for scene in scenes]
    decoded = autoencoder.reconstruct(coder, originals, device)
    found: list[bool] = []
    for scene, image in zip(scenes, decoded, strict=True):
        first, second, _ = check_scene(scene, detect([image], weights=weights)[0])
        found += [first, second]
    figures = {"psnr_db": autoencoder.psnr(originals, decoded), "entities_found": float(np.mean(found))}
    log.info("autoencoder on %d held-out scenes: %s", len(scenes), figures)
    if figures["psnr_db"] < MIN_PSNR_DB or figures["entities_found"] < MIN_FOUND:
        raise SetupError(
            f"the autoencoder reaches {figures['psnr_db']:.1f} dB and {figures['entities_found']:.1%} of entities "
            f"found, but {MIN_PSNR_DB} dB and {MIN_FOUND:.0%} are required: train it longer (PLAN in "
            "miniature/models/autoencoder.py)"
        )
    return figures


if __name__ == "__main__":
    main()
