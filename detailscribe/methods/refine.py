"""Image requests of the refine stage."""

from detailscribe.images.image_set import ImageRequest
from detailscribe.images.recipes import ImageRecipes, skipped_request
from detailscribe.study.generation import generation_parameters
from detailscribe.study.study import Study

STAGE = "refine"
ALGORITHM = 2


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    files = {}
    for name, entry in study.config["critics"].items():
        values = generation_parameters(study) | {"seed": study.seeds[0], "candidates": study.candidates(name)}
        if entry["after_step"] != "scratch":
            values["batch"] = study.image_model["batch"]
            # Alone, the original prompt's steps are the same whether they are reused or not.
            reuses = study.image_model.get("reuse_first_steps") and any(entry["after_step"])
            if reuses and values["batch"] == "candidates":
                values["reuse_first_steps"] = True
        files[f"refine-{name}"] = values
    return files


def requests_from_critiques(
    records: list[dict], critiques: dict[str, dict], recipes: ImageRecipes
) -> list[ImageRequest]:
    """One image per prompt and candidate.

    Args:
        critiques: Rows of `critique` by id.
    """
    requests = []
    for record in records:
        id, critique = record["id"], critiques[record["id"]]
        for image_set, k in recipes.parameters["candidates"].items():
            if critique["status"] != "ok":
                request = skipped_request(id, image_set, "critique", critique)
            elif k is None:
                request = recipes.from_noise_request(id, image_set, critique["refined_prompt"])
            else:
                request = recipes.prompt_switch_request(id, image_set, record["prompt"], critique["refined_prompt"], k)
            requests.append(request)
    return requests
