"""Config entries of the metrics that run on the miniature's models."""

from pathlib import Path


def miniature_metrics(miniature: Path) -> dict[str, dict]:
    """Parameters by metric."""
    reward, vqa = (f"local-dir:{miniature / name}" for name in ("image_reward", "blip_vqa"))
    return {
        "clip_score": {"model": f"local-dir:{miniature / 'clip'}", "pretrained": "", "revision": ""},
        "image_reward": {"model": reward, "vocabulary": reward, "revision": ""},
        "blip_vqa": {"model": vqa, "vocabulary": vqa, "revision": "", "size_px": 64},
    }
