"""Small Stable Diffusion 3 runs for tests: prompts, settings, a config entry, and pipelines loaded once per process."""

import numpy as np

P0 = "A fox and a parrot perch on a narrow branch."
P1 = "A fox and a parrot perch on a narrow branch. The claws of the parrot hold the branch, the fox is whole."
KS = [0, 1, 2, 4]
STEPS = 8
GENERATION = {"steps": STEPS, "guidance": 4.5, "swap_pooled": False}
_PIPELINES: dict = {}


def entry(folder, **changes) -> dict:
    """The config entry of the model in a folder."""
    return {
        "pipeline": "StableDiffusion3Pipeline",
        "path": str(folder),
        "revision": "",
        "precision": "fp32",
        "offload": "none",
        "compile": "none",
        "batch": "candidates",
        "size_px": 64,
        "max_sequence_length": 96,
        "call": {},
    } | changes


def levels_apart(one, other) -> int:
    """Largest difference of two images, of 255."""
    return int(np.abs(np.asarray(one, int) - np.asarray(other, int)).max())


def share_pipelines(monkeypatch) -> None:
    """Let `load_engine` read each pipeline from disk once per process; every engine is new. Restore what you change."""
    from detailscribe.engines import load

    read = load._load_pipeline

    def shared(path, index, model):
        key = path, *(model[name] for name in ("pipeline", "precision", "offload", "compile"))
        if key not in _PIPELINES:
            _PIPELINES[key] = read(path, index, model)
        return _PIPELINES[key]

    monkeypatch.setattr(load, "_load_pipeline", shared)


def forget_pipelines() -> None:
    """Let the next `load_engine` read its pipeline from disk again."""
    _PIPELINES.clear()
