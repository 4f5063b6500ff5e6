"""Image stages of a plan: images that a run would generate, from the ledgers and the files on disk."""

from collections import defaultdict
from collections.abc import Callable

from detailscribe.engines.step_times import step_time_key
from detailscribe.errors import InputError, SetupError
from detailscribe.files.ledger import Ledger
from detailscribe.images.generate import ImageGenerator, denoising_steps
from detailscribe.images.image_file import names_own_image
from detailscribe.images.image_set import ImageRequest
from detailscribe.operations.plan.shard import PENDING, Shard


def add_image_stage(
    shard: Shard,
    stage: str,
    name: str,
    image_sets: list[str],
    parameters: dict,
    requests_of: Callable[[ImageGenerator], list[ImageRequest]],
) -> dict[str, dict[str, dict]]:
    """Add the images of a stage that are missing.

    Args:
        stage: generate or refine.
        name: Of the line in the estimate.
        image_sets: That the stage makes.
        parameters: Of the stage.
        requests_of: The stage's image requests, as a function of the generator.

    Returns:
        Rows by id by image set, with the `path` of each image that exists.
    """
    key, steps = step_time_key(parameters), parameters["generation"]["steps"]
    try:
        requests = requests_of(ImageGenerator(parameters, "none"))
    except (InputError, SetupError):  # the weights are not on this machine yet, and neither is any image
        requests = [ImageRequest(record["id"], image_set) for record in shard.records for image_set in image_sets]
    ledgers = {image_set: shard.ledger(f"images/{image_set}") for image_set in image_sets}
    images: dict[str, dict[str, dict]] = {image_set: {} for image_set in image_sets}
    missing: dict[tuple[str, str], list[ImageRequest]] = defaultdict(list)
    for request in requests:
        row, reason = _find_image(shard, request, ledgers[request.image_set])
        images[request.image_set][request.id] = row
        if reason:
            missing[request.id, reason].append(request)
    line = shard.line(stage, name)
    for (_, reason), group in missing.items():
        known = all(request.recipe for request in group)
        total_steps = denoising_steps(group) if known else steps * len(group)
        shard.estimate.add_images(line, group, reason, total_steps, key)
    return images


def _find_image(shard: Shard, request: ImageRequest, ledger: Ledger) -> tuple[dict, str]:
    """Row of a requested image, and the reason to generate it; the reason is empty if there is nothing to do."""
    row = {"id": request.id, "status": request.status, "reason": request.reason, "path": None, "sha256": None}
    if request.status != "ok":
        return row, "estimate" if PENDING in request.reason else ""
    entry = ledger.get(request.id, request.key) if request.recipe else None
    if entry and names_own_image(entry) and (path := shard.estimate.results / entry["file"]).is_file():
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
