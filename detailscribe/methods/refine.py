"""Image requests of the refine stage: one refinement at a time, from the images and texts that it starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detailscribe.errors import InputError
from detailscribe.files.digests import file_sha256
from detailscribe.images.image_set import ImageRequest
from detailscribe.images.recipes import ImageRecipes, carried_request, skipped_request
from detailscribe.methods.refiners import Source
from detailscribe.methods.roles import input_problem
from detailscribe.study.generation import generation_parameters
from detailscribe.study.plugins import is_file
from detailscribe.study.refinements import FROM_SCRATCH, PROMPT_SWITCH, Refinement, load_refiner
from detailscribe.study.stages import NOTHING_TO_CORRECT, USABLE
from detailscribe.study.study import Study

if TYPE_CHECKING:
    from PIL import Image

    from detailscribe.engines.engine import Engine

STAGE = "refine"
ALGORITHM = 2
Rows = Mapping[str, dict]  # by id


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    return {f"refine-{each.name}": _parameters(study, each) for each in study.graph.refinements}


def _parameters(study: Study, refinement: Refinement) -> dict:
    model = study.config["image_models"][refinement.image_model] if refinement.image_model else study.image_model
    values: dict[str, Any] = generation_parameters(study, model) | {"seed": study.seeds[0]}
    initial = study.originals()[0]
    if refinement.name in study.config["critics"]:
        values["candidates"] = study.candidates(refinement.name)
    elif refinement.refiner == PROMPT_SWITCH:
        values["candidates"] = {name: each["k"] for name, each in refinement.image_sets.items()}
    else:
        values["image_sets"] = refinement.image_sets
    if refinement.name not in study.config["critics"] and refinement.text:
        values["text"] = refinement.text
    if refinement.of != initial:
        values["of"] = refinement.of
    if refinement.refiner == PROMPT_SWITCH:
        values["batch"] = model["batch"]
        # Alone, the original prompt's steps are the same whether they are reused or not.
        reuses = not refinement.image_model and study.first_step_ks()
        if reuses and values["batch"] == "candidates" and any(each["k"] for each in refinement.image_sets.values()):
            values["reuse_first_steps"] = True
    elif refinement.refiner != FROM_SCRATCH:
        values["refiner"] = _refiner(refinement.refiner) | (
            {"settings": refinement.settings} if refinement.settings else {}
        )
    return values


def _refiner(name: str) -> dict:
    """What decides how a refiner draws: its name, its number and, of a user's file, the digest."""
    identity = {"name": Path(name).stem if is_file(name) else name, "algorithm": load_refiner(name).ALGORITHM}
    return identity | ({"module_sha256": file_sha256(Path(name))} if is_file(name) else {})


@dataclass(frozen=True)
class RefinerDrawing:
    """Drawing by a refiner's module; an `image_set.Drawing`."""

    module: Any
    name: str
    values: dict

    @property
    def edits(self) -> bool:
        """The module's `EDITS`."""
        return getattr(self.module, "EDITS", False)

    def draw(self, engine: Engine, request: ImageRequest) -> Image.Image:
        """The image of a request.

        Raises:
            InputError: the module cannot draw.
        """
        if not hasattr(self.module, "draw"):
            raise InputError(f"the refiner {self.name} has no `draw`, which its images need")
        return self.module.draw(engine, request)

    def steps(self, request: ImageRequest) -> int:
        """Denoising steps that it takes."""
        full = request.recipe["generation"]["steps"]
        return self.module.steps(self.values, full) if hasattr(self.module, "steps") else full


def refinement_requests(
    records: list[dict], refinement: Refinement, recipes: ImageRecipes, texts: Rows | None, images: Rows | None
) -> list[ImageRequest]:
    """One image per prompt and image set of a refinement.

    Args:
        records: Prompt records.
        refinement: The refinement.
        recipes: With its parameters.
        texts: Rows of its critic or rewriter by id; None if it has none.
        images: Rows of the images that it starts from, with `path`; None if it needs neither them nor their rows.

    """
    module = load_refiner(refinement.refiner)
    requests = []
    for record in records:
        id, text, image = record["id"], (texts or {}).get(record["id"]), (images or {}).get(record["id"])
        for image_set, values in refinement.image_sets.items():
            if texts is not None and text is None:
                request = ImageRequest(id, image_set, "skipped", input_problem(f"row of {refinement.text}", None))
            elif text and text["status"] not in USABLE:
                request = skipped_request(id, image_set, "rewrite" if "critique" not in text else "critique", text)
            elif images is not None and (image is None or image["status"] != "ok"):
                request = ImageRequest(id, image_set, "skipped", input_problem(f"image of {refinement.of}", image))
            elif text and text["status"] == NOTHING_TO_CORRECT:
                assert image  # a critic that may stop has the rows of what it looked at
                request = carried_request(id, image_set, image)
            else:
                source = _source(record, text, image)
                request = module.request(source, image_set, {**refinement.settings, **values}, recipes)
                if "refiner" in request.recipe:
                    drawing = RefinerDrawing(module, refinement.refiner, {**refinement.settings, **values})
                    request = replace(request, drawn_by=drawing)
            requests.append(request)
    return requests


def _source(record: dict, text: dict | None, image: dict | None) -> Source:
    base = (image or {}).get("prompt") or record["prompt"]
    drawn = text["refined_prompt"] if text else base
    values = image or {}
    return Source(record["id"], record["prompt"], base, drawn, values.get("seed"), image, values.get("state") or {})
