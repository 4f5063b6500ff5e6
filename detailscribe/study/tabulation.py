"""What a study's tables are made by: the settings of the tabulating stages, and the compute of each method."""

from detailscribe.scores import load_metric

JUDGE_RANGES = {"grade": [1, 5], "yes_no": [0, 1]}  # by scale
RANGES = {"clip_score": [0, 2.5], "blip_vqa": [0, 1]}  # by module, where it says no RANGE of its own; else unbounded


def settings(study) -> dict:
    """Parameters of the tables of a `study.Study`, one scenario's or pooled."""
    config = study.config
    ranges = {f"judge-{name}": JUDGE_RANGES[entry["scale"]] for name, entry in config["judges"].items()}
    for name, entry in config["metrics"].items():
        ranges[name] = getattr(load_metric(entry["module"]), "RANGE", None) or RANGES.get(entry["module"])
    return {
        "methods": [vars(method) for method in study.methods()],
        "metrics": study.metrics,
        "bootstrap": config["bootstrap"],
        "statistics": config["statistics"],
        "ranges": ranges,
        "ties_win": config["quirks"]["ties_win"],
        "notice": study.image_model["notice"],
    }


def steps(study) -> dict[str, int]:
    """Denoising steps of a prompt by method: what it takes to have all images that its row chooses from."""
    of_one = study.config["generation"]["steps"]
    taken = {}
    for method in study.methods():
        if method.name in study.config["critics"]:
            after = [k for k in study.candidates(method.name).values() if k]
            shared = max(after, default=-1) + 1  # steps with the first prompt that these candidates have in common
            whole = len(method.candidates) - len(after)
            taken[method.name] = of_one * (1 + whole) + shared + sum(of_one - k - 1 for k in after)
        elif method.name not in study.config["external"]:
            taken[method.name] = of_one * len(method.candidates)
    return taken
