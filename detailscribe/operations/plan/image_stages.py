"""Image stages of a plan: images that a run would generate, from the ledgers and the files on disk."""

from collections import defaultdict
from collections.abc import Callable

from detailscribe.engines.machine.speeds import STEP, TEXT, image_speed_key
from detailscribe.errors import InputError, SetupError
from detailscribe.files.digests import canonical_json
from detailscribe.files.ledger import Ledger
from detailscribe.files.packed import is_there
from detailscribe.images.first_latents import latents_file
from detailscribe.images.generate import denoising_steps
from detailscribe.images.image_file import names_own_image
from detailscribe.images.image_set import ImageRequest
from detailscribe.images.recipes import ImageRecipes, first_image_key
from detailscribe.operations.plan.estimate import LOADS
from detailscribe.operations.plan.gpu_time import Seconds
from detailscribe.operations.plan.shard import PENDING, Shard
from detailscribe.study.methods import steps_of
from detailscribe.study.refinements import RefineJob


def add_image_stage(
    shard: Shard,
    stage: str,
    name: str,
    image_sets: list[str],
    parameters: dict,
    requests_of: Callable[[ImageRecipes], list[ImageRequest]],
    refine_job: RefineJob | None = None,
) -> dict[str, dict[str, dict]]:
    """Add the images of a stage that are missing.

    Args:
        stage: generate, refine, or external for a set that another image model draws.
        name: Of the line in the estimate.
        image_sets: That the stage makes.
        parameters: Of the stage.
        requests_of: The stage's image requests, as a function of the recipes.
        refine_job: The job that makes them, for stage refine.

    Returns:
        Rows by id by image set, with the `path` of each image that exists.
    """
    try:
        requests = requests_of(ImageRecipes(parameters))
    except (InputError, SetupError):  # weights, or a refiner's package, are not on this machine, and so is no image
        requests = [ImageRequest(record["id"], image_set) for record in shard.records for image_set in image_sets]
    ledgers = {image_set: shard.ledger(f"images/{image_set}") for image_set in image_sets}
    images: dict[str, dict[str, dict]] = {image_set: {} for image_set in image_sets}
    missing: dict[tuple[str, str], list[ImageRequest]] = defaultdict(list)
    for request in requests:
        row, reason = _find_image(shard, request, ledgers[request.image_set])
        images[request.image_set][request.id] = row
        if reason:
            missing[request.id, reason].append(request)
    line, first_steps = shard.line(stage, name), first_steps_of(shard)
    job = shard.image_job(stage, name, parameters, refine_job)
    for (id, reason), group in missing.items():
        known = all(request.recipe for request in group)
        work = _known_work(group, first_steps) if known else [_likely_work(shard, parameters, group)]
        keyed = [(image_speed_key(parameters, job.offload, recipe), steps) for recipe, steps in work]
        shard.estimate.add_images(line, len(group), reason, keyed)
        job.first_work |= {canonical_json(key): (STEP, key) for key, _ in keyed}
        job.texts |= {text for request in group for text in (request.recipe.get("prompt"), request.prompt) if text}
        job.texts |= set() if known else {f"{stage} {name} {id}"}  # not written yet
    return images


def add_image_loads(shard: Shard, stage: str, name: str = "", label: str | None = None) -> None:
    """Add what the job of a stage takes besides its images: loading the model, compiling, encoding the texts.

    Args:
        name: Of the image set, if its job has a model of its own; of the rule, for a job of refinements.
        label: Of the job, if that is not its name.
    """
    job = shard.jobs.get(name or stage)
    if job is None or not job.first_work:
        return
    shown = name if label is None else label
    line, gpu_time = shard.line(stage, f"{shown} loads, texts".strip()), shard.estimate.gpu_time
    line.reasons[LOADS] += 1
    line.add_gpu_time(gpu_time.of_load(job.key, job.first_work.values()))
    line.add_gpu_time(gpu_time.of(TEXT, job.key, len(job.texts)) or Seconds())


def _known_work(
    group: list[ImageRequest], first_steps: Callable[[list[ImageRequest]], int | None]
) -> list[tuple[dict, int]]:
    """(recipe, denoising steps) of the images that are drawn alone and of those that share steps."""
    parts: dict[tuple, list[ImageRequest]] = defaultdict(list)
    for request in group:
        parts["refined_prompt" in request.recipe, "refiner" in request.recipe].append(request)
    return [(part[0].recipe, denoising_steps(part, first_steps(part))) for part in parts.values()]


def _likely_work(shard: Shard, parameters: dict, group: list[ImageRequest]) -> tuple[dict, int]:
    """The same of images whose texts do not exist yet: as much of the recipe as their speed depends on."""
    names = [request.image_set for request in group]
    steps = steps_of(shard.estimate.study.steps_by_set, names, parameters["generation"]["steps"])
    assert steps is not None, "an image that is drawn here"
    if "refiner" in parameters:
        return {"refiner": parameters["refiner"]}, steps
    candidates = parameters.get("candidates", {})
    if all(candidates.get(name) is None for name in names):
        return {}, steps
    batch = sorted(k for k in candidates.values() if k is not None) if parameters.get("batch") == "candidates" else []
    return {"refined_prompt": "", "batch": batch}, steps


def first_steps_of(shard: Shard) -> Callable[[list[ImageRequest]], int | None]:
    """A function of the missing images of a prompt: how many steps of the original prompt they must repeat.

    It returns None for all that the candidates share. Latents of images that the plan itself generates will be there.
    """
    study = shard.estimate.study
    first_steps = study.machine.get("first_steps")
    if not first_steps:
        return lambda group: None
    initial_images = shard.ledger(f"images/{first_steps['image_set']}")

    def steps_to_repeat(group: list[ImageRequest]) -> int | None:
        candidates = [request for request in group if "refined_prompt" in request.recipe]
        refinement = study.graph.refinement_of(candidates[0].image_set) if candidates else None
        if refinement is None or not study.graph.reuses_first_steps(refinement):
            return None
        entry = initial_images.get(group[0].id, first_image_key(candidates[0]))
        if not entry or not is_there(shard.estimate.results / entry["file"]):
            return 0
        ks = candidates[0].recipe.get("batch") or [request.recipe["k"] for request in candidates]
        return max((k + 1 for k in ks if k and not latents_file(shard.folder, candidates[0], k).is_file()), default=0)

    return steps_to_repeat


def _find_image(shard: Shard, request: ImageRequest, ledger: Ledger) -> tuple[dict, str]:
    """Row of a requested image, and the reason to generate it; the reason is empty if there is nothing to do."""
    row: dict = {"id": request.id, "status": request.status, "reason": request.reason, "path": None, "sha256": None}
    row |= {"prompt": request.prompt, "seed": request.seed, "k": request.k, "state": request.state, "key": ""}
    if request.status != "ok":
        return row, "estimate" if PENDING in request.reason else ""
    if request.carried:  # another set's image, which is there
        return row | {key: request.carried[key] for key in ("path", "sha256", "key")}, ""
    row |= {"key": request.key if request.recipe else ""}
    entry = ledger.get(request.id, request.key) if request.recipe else None
    if entry and names_own_image(entry) and is_there(path := shard.estimate.results / entry["file"]):
        return row | {"path": path, "sha256": entry["sha256"]}, ""
    return row | {"status": "skipped", "reason": PENDING}, _reason(shard, request, entry, ledger)


def _reason(shard: Shard, request: ImageRequest, entry: dict | None, ledger: Ledger) -> str:
    if entry:
        return "missing file"
    if request.id in shard.added:
        return shard.added[request.id]
    prompts = [row["prompt"] for row in ledger.rows() if row["id"] == request.id]
    if not prompts:
        return "new"
    return "changed parameter" if request.prompt in prompts else "changed prompt"
