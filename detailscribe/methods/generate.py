"""Image requests of the generate stage."""

from detailscribe.images.generate import ImageGenerator, skipped_request
from detailscribe.images.image_set import ImageRequest
from detailscribe.study.generation import generation_parameters
from detailscribe.study.study import Study

STAGE = "generate"
ALGORITHM = 2


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    shared = generation_parameters(study)
    originals = {f"generate-{seed}": {**shared, "seed": seed} for seed in study.seeds}
    rewritten = {f"generate-{name}": {**shared, "seed": study.seeds[0]} for name in study.config["rewriters"]}
    return originals | rewritten


def requests_from_text(
    records: list[dict], texts: dict[str, dict] | None, image_set: str, image_generator: ImageGenerator
) -> list[ImageRequest]:
    """One image per prompt, from the prompt itself or from its rewritten text.

    Args:
        texts: Rows of `rewrite` by id; None for the prompt itself.
    """
    if texts is None:
        return [image_generator.from_noise_request(record["id"], image_set, record["prompt"]) for record in records]
    return [
        image_generator.from_noise_request(id, image_set, texts[id]["refined_prompt"])
        if texts[id]["status"] == "ok"
        else skipped_request(id, image_set, "rewrite", texts[id])
        for id in (record["id"] for record in records)
    ]
