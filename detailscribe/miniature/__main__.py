"""Training of the miniature: `python -m detailscribe.miniature [PART ...]`; resumes from its checkpoints.

Parts: autoencoder, detector, clip, vqa, reward, sd3, and `pack`, which writes the shipped weights; all of them in this
order by default. Checkpoints are in resources/miniature-training; delete that folder to start over.
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
from detailscribe.miniature.models.detection import detect
from detailscribe.miniature.shipped import INITIALISED_FROM, MODULES, pack_weights
from detailscribe.miniature.world.drawing import draw_scene
from detailscribe.miniature.world.scenes import random_scene
from detailscribe.miniature.world.sprites import load_sprites

ORDER = ("autoencoder", "detector", "clip", "vqa", "reward", "sd3")
MIN_PSNR_DB, MIN_FOUND = 30.0, 0.97  # required of the autoencoder before anything is trained on it
HELD_OUT_SCENES = 512
log = logging.getLogger("miniature")


def main() -> None:
    """Train the named parts and pack them."""
    parser = argparse.ArgumentParser(
        prog="python -m detailscribe.miniature", description="Train the miniature; resumes from its checkpoints."
    )
    parser.add_argument("parts", nargs="*", choices=[*ORDER, "pack", []], help="all of them by default")
    parser.add_argument("--folder", type=Path, default=Path("resources/miniature-training"))
    parser.add_argument("--threads", type=int, help="number of CPU threads; all by default")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    if options.threads:
        torch.set_num_threads(options.threads)
    device = torch.device(torch_setup.default_device())
    try:
        for name in options.parts or (*ORDER, "pack"):
            if name == "pack":
                pack_trained(options.folder, device)
            else:
                train_part(name, options.folder, device)
    except SetupError as error:
        sys.exit(str(error))


def train_part(name: str, folder: Path, device: torch.device) -> Any:
    """Train a part, or load it if it is already trained."""
    module = MODULES[name]
    torch.manual_seed(module.PLAN.seed)
    model = module.build()
    sprites = load_sprites()
    if name in INITIALISED_FROM:
        module.initialise_from(model, train_part(INITIALISED_FROM[name], folder, device))
    if name == "sd3":
        coder = train_part("autoencoder", folder, device)
        check_autoencoder(coder, train_part("detector", folder, device), device)
        loss = sd3.Loss(sd3_latents.LatentCache(folder, coder, sprites, device), device)
    else:
        loss = module.Loss(sprites, device)
    model = training.train(name, model, loss, module.PLAN, folder, device)
    if name == "autoencoder":
        rng = np.random.default_rng(module.PLAN.seed)
        images = [draw_scene(random_scene(rng), sprites) for _ in range(HELD_OUT_SCENES)]
        autoencoder.set_latent_scale(model, images, device)
    return model


def check_autoencoder(coder: nn.Module, detector_model: detector.Detector, device: torch.device) -> dict[str, float]:
    """Fidelity on held-out scenes, and the share of entities that the judge still finds.

    Raises:
        SetupError: one of them is below its minimum.
    """
    rng, sprites = np.random.default_rng(99), load_sprites()
    scenes = [random_scene(rng, held_out=True) for _ in range(HELD_OUT_SCENES)]
    originals = [draw_scene(scene, sprites) for scene in scenes]
    decoded = autoencoder.reconstruct(coder, originals, device)
    weights = {name: tensor.cpu().numpy() for name, tensor in detector.fold_batch_norm(detector_model).items()}
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


def pack_trained(folder: Path, device: torch.device) -> None:
    """Write the shipped weights and how they were trained."""
    parts = {name: train_part(name, folder, device) for name in ORDER}
    coder = parts["autoencoder"]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    info = {
        "commit": commit or "unknown",
        "date": datetime.now(UTC).date().isoformat(),
        "made_on": f"{device.type}, {platform.machine()}",
        "versions": {name: version(name) for name in ("torch", "diffusers", "transformers", "open_clip_torch")},
        "plans": {name: vars(MODULES[name].PLAN) for name in ORDER},
        "sprites": "Noto Color Emoji, SIL Open Font License 1.1",
        "scaling_factor": coder.config.scaling_factor,
        "shift_factor": coder.config.shift_factor,
        "autoencoder": check_autoencoder(coder, parts["detector"], device),
    }
    pack_weights(parts, WEIGHTS, info)
    log.info("packed %d bytes", weights_info()["bytes"])


if __name__ == "__main__":
    main()
