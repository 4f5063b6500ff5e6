"""Image requests of the refine stage: one refinement at a time, from the images and texts that it starts from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detailscribe.engines.pipelines.known import TAKEOVER
from detailscribe.files.digests import file_sha256
from detailscribe.images.image_set import ImageRequest
from detailscribe.images.recipes import ImageRecipes, carried_request, skipped_request
from detailscribe.methods.refiner_calls import image_request
from detailscribe.methods.refiners import Source
from detailscribe.methods.roles import input_problem
from detailscribe.study.generation import generation_parameters
from detailscribe.study.plugins import is_file, module_file
from detailscribe.study.refinements import CRITICS, FROM_SCRATCH, PACKAGE, PROMPT_SWITCH, Refinement, load_refiner
from detailscribe.study.stages import NOTHING_TO_CORRECT, USABLE
from detailscribe.study.study import Study

STAGE = "refine"
ALGORITHM = 2
Rows = Mapping[str, dict]  # by id


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    return {f"refine-{each.name}": _parameters(study, each) for each in study.graph.refinements}


def _parameters(study: Study, refinement: Refinement) -> dict:
    model = study.config["image_models"][refinement.image_model] if refinement.image_model else study.image_model
    values: dict[str, Any] = generation_parameters(study, model) | {"seed": study.seeds[0]}
    of_critic = refinement.entry[0] == CRITICS
    if of_critic:
        values["candidates"] = study.candidates(refinement.name)
    elif refinement.refiner == PROMPT_SWITCH:
        values["candidates"] = {name: each["k"] for name, each in refinement.image_sets.items()}
    else:
        values["image_sets"] = refinement.image_sets
    if not of_critic and refinement.text:
        values["text"] = refinement.text
    if refinement.of != study.originals()[0]:
        values["of"] = refinement.of
    if refinement.refiner != FROM_SCRATCH and (number := TAKEOVER.get(model["pipeline"])):
        values["takeover"] = number
    if refinement.refiner == PROMPT_SWITCH:
        values["batch"] = model["batch"]
        # Alone, the original prompt's steps are the same whether they are reused or not.
        if values["batch"] == "candidates" and study.graph.reuses_first_steps(refinement):
            values["reuse_first_steps"] = True
    elif refinement.refiner != FROM_SCRATCH:
        values["refiner"] = _refiner(refinement.refiner) | (
            {"settings": refinement.settings} if refinement.settings else {}
        )
    return values


def _refiner(name: str) -> dict:
    """What decides how a refiner draws: its name, its number and, of a module of the user's, the digest of its file."""
    module = load_refiner(name)
    identity = {"name": Path(name).stem if is_file(name) else name, "algorithm": module.ALGORITHM}
    if module.__name__.startswith(f"{PACKAGE}."):
        return identity
    file = module_file(name) if is_file(name) else Path(str(module.__file__))
    return identity | {"module_sha256": file_sha256(file)}


def refinement_requests(
    records: list[dict], refinement: Refinement, texts: Rows | None, images: Rows | None, recipes: ImageRecipes
) -> list[ImageRequest]:
    """One image per prompt and image set of a refinement.

    Args:
        records: Prompt records.
        refinement: The refinement.
        texts: Rows of its critic or rewriter by id; None if it has none.
        images: Rows of the images that it starts from, with `path`; None if it needs neither them nor their rows.
        recipes: With its parameters.
    """
    module = load_refiner(refinement.refiner)
    requests = []
    for record in records:
        id, text, image = record["id"], (texts or {}).get(record["id"]), (images or {}).get(record["id"])
        for image_set, values in refinement.image_sets.items():
            if texts is not None and text is None:
                request = ImageRequest(id, image_set, "skipped", input_problem(f"row of {refinement.text}", None))
            elif text and text["status"] not in USABLE:
                request = skipped_request(id, image_set, refinement.text_stage, text)
            elif images is not None and (image is None or image["status"] != "ok"):
                request = ImageRequest(id, image_set, "skipped", input_problem(f"image of {refinement.of}", image))
            elif text and text["status"] == NOTHING_TO_CORRECT and refinement.text_of == refinement.of:
                assert image  # a critic that may stop has the rows of what it looked at
                request = carried_request(id, image_set, image)
            else:
                source = _source(record, text, image)
                settings = {**refinement.settings, **values}
                request = image_request(module, refinement.refiner, source, image_set, settings, recipes)
            requests.append(request)
    return requests


def _source(record: dict, text: dict | None, image: dict | None) -> Source:
    base = (image or {}).get("prompt") or record["prompt"]
    drawn = text["refined_prompt"] if text else base
    values = image or {}
    return Source(record["id"], record["prompt"], base, drawn, values.get("seed"), image, values.get("state") or {})
