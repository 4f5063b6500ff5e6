"""Best of N by a verifier: images of further noises, with the same prompt; N as a number, or from a budget of steps.

Settings: `verifier`, a metric or judge-NAME; `n`, images to choose from, or `budget_steps`, the denoising steps of all
of them: N is as many full runs as it holds. The first of the N is the image that the entry starts from, by default the
initial image. Seeds need no listing: that of image 2, 3, ... is derived from the study's first seed and the number, and
is the same for every prompt. An entry of `selections` chooses from images that a study has anyway.

With `text` the further images are drawn with the refined prompts.

Source: random search, as Ma et al. 2025, arXiv 2501.09732, call it. Differs: N noises of one prompt share their seeds
with the other prompts; one verifier, no ensemble of ranks.
"""

from detailscribe.images.image_set import ImageRequest
from detailscribe.images.recipes import ImageRecipes
from detailscribe.methods.refiners import Source
from detailscribe.methods.refiners.settings import derived_seed, one_of, verifier, whole_number
from detailscribe.study.refinements import Refinement, RefinerEntry, Selection

ALGORITHM = 1
SETTINGS = {"verifier": "", "n": None, "budget_steps": None}
READS_IMAGE = False
MOST = 1000  # images of a prompt


def graph(entry: RefinerEntry) -> list[Refinement | Selection]:
    """One image set per further image, and the selection."""
    by, count = verifier(entry), _count(entry)
    further = {f"{entry.name}-{number}": {"number": number} for number in range(2, count + 1)}
    return [entry.refinement(further), Selection(entry.name, (entry.of, *further), by)]


def request(source: Source, image_set: str, values: dict, recipes: ImageRecipes) -> ImageRequest:
    """A full run from the noise of the number's seed."""
    seed = derived_seed(recipes.parameters["seed"], values["number"])
    return recipes.from_noise_request(source.id, image_set, source.text, seed=seed)


def _count(entry: RefinerEntry) -> int:
    if one_of(entry, ("n", "budget_steps")) == "n":
        return whole_number(entry, "n", 2, MOST)
    return whole_number(entry, "budget_steps", 2 * entry.steps, MOST * entry.steps) // entry.steps
