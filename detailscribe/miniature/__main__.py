"""Train the miniature: `python -m detailscribe.miniature [PART ...]`, from nothing or from where it was stopped.

Parts: autoencoder, detector, clip, vqa, reward, sd3, and `pack`, which writes the weights that are shipped. Without a
name, all of them in this order. Checkpoints lie in resources/miniature-training; remove it to begin anew.
"""

import argparse
import logging
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from detailscribe.engines import torch_setup
from detailscribe.errors import SetupError
from detailscribe.miniature import WEIGHTS, about, assembly, autoencoder, judge, sd3, sprites, training, world

ORDER = ("autoencoder", "detector", "clip", "vqa", "reward", "sd3")
LEAST_DB, LEAST_FOUND = 30.0, 0.97  # of the autoencoder, before anything is trained on it
HELD_OUT_SCENES = 512
log = logging.getLogger("miniature")


def main() -> None:
    """Train the named parts and pack them."""
    parser = argparse.ArgumentParser(prog="python -m detailscribe.miniature", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*ORDER, "pack", []], help="all of them without a name")
    parser.add_argument("--folder", type=Path, default=Path("resources/miniature-training"))
    parser.add_argument("--threads", type=int, help="of the processor; all of them without a number")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    if given.threads:
        torch.set_num_threads(given.threads)
    device = torch.device(torch_setup.default_device())
    try:
        for name in given.parts or (*ORDER, "pack"):
            if name == "pack":
                pack(given.folder, device)
            else:
                part(name, given.folder, device)
    except SetupError as error:
        sys.exit(str(error))


def part(name: str, folder: Path, device: torch.device) -> torch.nn.Module:
    """One trained part; what is already trained is only read."""
    module = assembly.MODULES[name]
    torch.manual_seed(module.PLAN.seed)
    model = module.build()
    drawn = sprites.load()
    if name in assembly.BEGUN_FROM:
        module.begin(model, part(assembly.BEGUN_FROM[name], folder, device))
    if name == "sd3":
        coder = part("autoencoder", folder, device)
        check_autoencoder(coder, part("detector", folder, device), device)
        loss = sd3.Loss(sd3.Latents(folder, coder, drawn, device), device)
    else:
        loss = module.Loss(drawn, device)
    model = training.train(name, model, loss, module.PLAN, folder, device)
    if name == "autoencoder":
        rng = np.random.default_rng(module.PLAN.seed)
        pictures = [world.draw(world.random_scene(rng), drawn) for _ in range(HELD_OUT_SCENES)]
        autoencoder.scale(model, pictures, device)
    return model


def check_autoencoder(coder: torch.nn.Module, eyes: torch.nn.Module, device: torch.device) -> dict[str, float]:
    """Fidelity on held-out scenes, and the share of entities that the judge finds again.

    Raises:
        SetupError: the autoencoder is too poor for anything to be trained on it.
    """
    rng, drawn = np.random.default_rng(99), sprites.load()
    scenes = [world.random_scene(rng, held=True) for _ in range(HELD_OUT_SCENES)]
    real = [world.draw(scene, drawn) for scene in scenes]
    made = autoencoder.reconstruct(coder, real, device)
    weights = {name: tensor.cpu().numpy() for name, tensor in assembly.detector.folded(eyes).items()}
    found = []
    for scene, image in zip(scenes, made, strict=True):
        seen = judge.holds(scene, judge.look([image], weights=weights)[0])
        found += list(seen[:2])
    figures = {"psnr_db": autoencoder.psnr(real, made), "entities_found": float(np.mean(found))}
    log.info("autoencoder on %d held-out scenes: %s", len(scenes), figures)
    if figures["psnr_db"] < LEAST_DB or figures["entities_found"] < LEAST_FOUND:
        raise SetupError(
            f"the autoencoder reaches {figures['psnr_db']:.1f} dB and {figures['entities_found']:.1%} of entities "
            f"found, less than {LEAST_DB} dB and {LEAST_FOUND:.0%}: train it longer (PLAN in miniature/autoencoder.py)"
        )
    return figures


def pack(folder: Path, device: torch.device) -> None:
    """Write the shipped weights with what they came from."""
    parts = {name: part(name, folder, device) for name in ORDER}
    coder = parts["autoencoder"]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    told = {
        "commit": commit or "unknown",
        "date": datetime.now(UTC).date().isoformat(),
        "made_on": f"{device.type}, {platform.machine()}",
        "versions": {name: version(name) for name in ("torch", "diffusers", "transformers", "open_clip_torch")},
        "plans": {name: vars(assembly.MODULES[name].PLAN) for name in ORDER},
        "sprites": "Noto Color Emoji, SIL Open Font License 1.1",
        "scaling_factor": coder.config.scaling_factor,
        "shift_factor": coder.config.shift_factor,
        "autoencoder": check_autoencoder(coder, parts["detector"], device),
    }
    assembly.pack(parts, WEIGHTS, told)
    log.info("packed %d bytes", about()["bytes"])


if __name__ == "__main__":
    main()
