"""Stubs for the slow parts of a study: image engine, CLIPScore, tokenizers, figures and the miniature's weights.

Every process whose Python path starts with `tests/stub_site` calls `install`: from then on an import of a module named
in STUBS gives its stub. What a study plans, asks, names and keeps is that of the real models; test_scores.py compares
the two. This module is also a metric of its own, for a study that names it as `module`.
"""

import hashlib
import json
import os
import sys
import time
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

ALGORITHM = 1
LIBRARIES = ("pillow",)
SIDE_PX = 16
DELAY = "STUB_S"  # environment variable: seconds per image and per score, for tests that interrupt a run
FAULT = "STUB_FAULT"  # environment variable: words of a prompt at whose image the device breaks
LOADS = "STUB_LOADS"  # environment variable: a file that gets a line when an engine is loaded
CLIP_TOKENS = 77


class Engine:
    """An image engine: one colour, decided by the text, the seed and the settings."""

    def __init__(self, *settings):
        self._settings = settings
        if path := os.environ.get(LOADS):
            with open(path, "a", encoding="utf-8") as file:
                file.write(f"{os.getpid()}\n")

    def prepare(self, texts: list[str]) -> None:
        """Nothing to encode."""

    def generate(self, prompt: str, seed: int):
        """One image."""
        from PIL import Image

        _delay()
        if (words := os.environ.get(FAULT)) and words in prompt:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return Image.new("RGB", (SIDE_PX, SIDE_PX), tuple(_digest(prompt, seed, *self._settings)[:3]))

    def refine(self, prompt: str, refined_prompt: str, seed: int, ks: list[int]) -> dict:
        """One image per k."""
        return {k: self.generate(f"{prompt} {refined_prompt} {k}", seed) for k in ks}

    def redraw(self, image, prompt: str, seed: int, strengths: list[float]) -> dict:
        """One image per strength."""
        pixels = image.tobytes().hex()
        return {strength: self.generate(f"{pixels} {prompt} {strength}", seed) for strength in strengths}

    def generate_near(self, prompt: str, seed: int, shifts: list[tuple[int, float]]):
        """One image."""
        return self.generate(f"{prompt} {shifts}" if shifts else prompt, seed)

    def refine_near(self, prompt: str, refined_prompt: str, seed: int, shifts: list, ks: list[int]) -> dict:
        """One image per k."""
        return {k: self.generate(f"{prompt} {refined_prompt} {k} {shifts}", seed) for k in ks}

    def edit(self, image, instruction: str, seed: int):
        """One image."""
        return self.generate(f"{image.tobytes().hex()} {instruction}", seed)


class Scorer:
    """A metric: the digest of the pixels, in [0, 1)."""

    weights = "none"

    def score(self, prompts: list[str], images: list) -> list[float]:
        """One number per pair."""
        _delay()
        return [_digest(image.tobytes().hex())[0] / 256 for image in images]


def load(parameters: dict) -> Scorer:
    """Load the metric."""
    return Scorer()


def are_shown(prompt: str, parts: list[str], image) -> list[bool]:
    """The critic: whether an image shows each part of a prompt."""
    return [_digest(part, image.tobytes().hex())[0] % 2 == 0 for part in parts]


def counter(limit: int):
    """A function of a record that counts words as tokens: (there, read)."""

    def count(record: dict) -> tuple[int, int]:
        there = len(record["prompt"].split()) + 2
        return there, min(there, limit)

    return count


def image_readers(model: dict) -> dict:
    """Counters of the image model's text encoders."""
    return {"sd_clip": counter(CLIP_TOKENS), "sd_t5": counter(model["max_sequence_length"])}


def build_miniature(folder: Path) -> None:
    """The miniature's folders, with a small file in each."""
    for name in ("sd3/model_index.json", "clip/open_clip_config.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps({"stub": name}))


def save_figure(files: list[tuple[Path, str]], *_) -> None:
    """A figure without anything in it."""
    for path, kind in files:
        path.write_bytes(b'<svg xmlns="http://www.w3.org/2000/svg"/>' if kind == "svg" else b"\x89PNG\r\n\x1a\n")


def _delay() -> None:
    time.sleep(float(os.environ.get(DELAY, 0)))


def _digest(*what) -> bytes:
    return hashlib.sha256(repr(what).encode()).digest()


# Of each module what is replaced; where PART is not among the keys, the real module is not imported at all.
PART = "part"
STUBS: dict[str, dict] = {
    "detailscribe.engines.load": {
        "load_engine": lambda model, generation: Engine(model["size_px"], generation),
        "load_editor": lambda model, generation: Engine("editor", model["size_px"], generation),
    },
    "detailscribe.engines.machine.hardware": {
        PART: True,
        "image_software": lambda model: {"torch": "stub"},
        "processor_name": lambda: "stub",
    },
    "detailscribe.miniature.assembly": {"build_miniature": build_miniature},
    "detailscribe.miniature.critic": {"are_shown": are_shown},
    "detailscribe.miniature.stand_in_words": {PART: True, "can_check": lambda text: True},  # of any world
    "detailscribe.tables.figures.saving": {PART: True, "save_figure": save_figure},
    "detailscribe.scores.clip_score": {
        PART: True,
        "load": load,
        "reader": lambda parameters: counter(CLIP_TOKENS),
    },
    "detailscribe.scores.truncation": {PART: True, "image_readers": image_readers},
}


class _Finder:
    """Finds modules in STUBS before Python does."""

    def __init__(self, names):
        self._names = set(names)

    def find_spec(self, name: str, path=None, target=None) -> ModuleSpec | None:
        if name not in self._names:
            return None
        if PART not in STUBS[name]:
            return ModuleSpec(name, self)
        spec = PathFinder.find_spec(name, path)
        real = spec.loader.exec_module

        def patched(module) -> None:
            real(module)
            for attribute, stub in STUBS[name].items():
                assert attribute == PART or hasattr(module, attribute), f"{name} has no {attribute} to replace"
                setattr(module, attribute, stub)

        spec.loader.exec_module = patched
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """Python's own way."""

    def exec_module(self, module) -> None:
        vars(module).update(STUBS[module.__name__])


def install(*names: str) -> None:
    """Let imports in this process find the stubs of these modules, by default of all in STUBS."""
    sys.meta_path.insert(0, _Finder(names or STUBS))
