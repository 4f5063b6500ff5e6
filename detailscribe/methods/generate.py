"""Image requests of the generate stage."""

from detailscribe.images.image_set import ImageRequest
from detailscribe.images.recipes import ImageRecipes, skipped_request
from detailscribe.study.generation import generation_parameters
from detailscribe.study.study import Study

STAGE = "generate"
ALGORITHM = 2


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    shared = generation_parameters(study)
    originals = {f"generate-{seed}": {**shared, "seed": seed} for seed in study.seeds}
    rewritten = {f"generate-{name}": {**shared, "seed": study.seeds[0]} for name in study.rewritten}
    drawn = {
        parameters_name(name): generation_parameters(study, study.config["image_models"][model])
        | {"seed": study.seeds[0]}
        for name, model in study.drawn.items()
    }
    return originals | rewritten | drawn


def parameters_name(image_set: str) -> str:
    """Name of the parameter file of an image set that is generated from text alone."""
    return f"generate-{image_set.removeprefix('original-')}"


def requests_from_text(
    records: list[dict], texts: dict[str, dict] | None, image_set: str, recipes: ImageRecipes
) -> list[ImageRequest]:
    """One image per prompt, from the prompt itself or from its rewritten text.

    Args:
        texts: Rows of `rewrite` by id; None for the prompt itself.
    """
    if texts is None:
        return [recipes.from_noise_request(record["id"], image_set, record["prompt"]) for record in records]
    return [
        recipes.from_noise_request(id, image_set, texts[id]["refined_prompt"])
        if texts[id]["status"] == "ok"
        else skipped_request(id, image_set, "rewrite", texts[id])
        for id in (record["id"] for record in records)
    ]
