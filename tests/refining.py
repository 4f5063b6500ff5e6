"""Image requests of a critic's refinement, as a study makes them."""

from detailscribe.images.image_set import ImageRequest
from detailscribe.images.recipes import ImageRecipes
from detailscribe.methods.refine import refinement_requests
from detailscribe.study.refinements import CRITIQUE, FROM_SCRATCH, PROMPT_SWITCH, Refinement


def requests_from_critiques(
    records: list[dict], critiques: dict[str, dict], recipes: ImageRecipes
) -> list[ImageRequest]:
    """Requests for the candidates that the recipes' parameters name, from rows of critiques by id."""
    sets = recipes.parameters["candidates"]
    refiner = FROM_SCRATCH if None in sets.values() else PROMPT_SWITCH
    values = {name: {} if k is None else {"k": k} for name, k in sets.items()}
    refinement = Refinement("critic", refiner, "initial", values, "critic", reads_image=False, text_stage=CRITIQUE)
    return refinement_requests(records, refinement, critiques, None, recipes)
