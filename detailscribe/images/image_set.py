"""Image sets on disk: what is there and intact is kept, what is missing is drawn, a manifest says what came of it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from detailscribe.errors import InputError, SetupError
from detailscribe.files.atomic import atomic_write
from detailscribe.files.digests import KEY_LENGTH, digest, file_sha256
from detailscribe.files.ledger import Ledger
from detailscribe.files.rows import write_rows
from detailscribe.study.study import Study

STAGE = "sets"
ALGORITHM = 1


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    return {"sets": {"image_sets": study.image_sets()}}


SUFFIXES = {"jpeg": ".jpg", "png": ".png"}
IMAGE_DESCRIPTION = 0x010E  # EXIF tag
AHEAD = 128  # prompts whose texts are prepared at once
ORIGIN_LENGTH = 2000  # characters of the prompt in a file's metadata: EXIF holds 64 kB; the manifest has all of it


@dataclass(frozen=True)
class ImageRequest:
    """One image that a manifest should hold, or the reason why it cannot.

    `recipe` holds everything that decides the bytes; the key is its digest. `prompt` is the text the image is drawn
    from, `k` the denoising step after which it took over (None: from the noise), `exchange` the answer it came in.
    `model` names what draws it, as `name@revision`, or by the digest of its files.
    """

    id: str
    image_set: str
    status: str = "ok"
    reason: str = ""
    prompt: str | None = None
    seed: int | None = None
    k: int | None = None
    recipe: dict = field(default_factory=dict)
    exchange: str | None = None
    model: str = ""

    @property
    def key(self) -> str:
        """Digest of the recipe, 64 hex characters."""
        return digest(self.recipe)


def make_images(
    results: Path,
    scenario: str,
    shard: str,
    image_sets: list[str],
    requests: list[ImageRequest],
    saving: dict,
    draw: Callable[[list[ImageRequest]], list[Image.Image]],
    software: dict,
    on_done: Callable[[], object] = lambda: None,
    prepare: Callable[[list[ImageRequest]], object] = lambda requests: None,
) -> None:
    """Fulfil the requests of one shard and write the manifest of each image set.

    Args:
        results: Folder that `file` in a manifest is relative to.
        scenario: Its folder below `results`.
        shard: Name of the shard.
        image_sets: The image sets of the job: each gets a manifest, an empty shard's too.
        requests: Image requests of the shard, any order.
        saving: `format` (jpeg or png) and `quality`.
        draw: Draws the missing images of one prompt, in the order asked.
        software: Versions that the rows of new images record.
        on_done: Called once a request.
        prepare: Told the missing images of the next prompts before `draw` is asked for the first of them.

    Raises:
        InputError, SetupError, OSError: raised by `draw` or on saving; what was drawn before is kept.
        SetupError: several prompts failed and the shard has not one image.
    """
    folder = results / scenario
    ledgers = {name: Ledger(folder / "ledgers" / "images" / name / f"{shard}.jsonl") for name in image_sets}
    rows: dict[str, list[dict]] = {name: [] for name in image_sets}
    # 1. What is there and intact.
    missing: dict[str, list[ImageRequest]] = {}
    for request in sorted(requests, key=lambda request: (request.id, request.image_set)):
        kept = ledgers[request.image_set].get(request.id, request.key) if request.status == "ok" else _row(request)
        if kept and (request.status != "ok" or is_intact(results, kept)):
            rows[request.image_set].append(kept)
            on_done()
        else:
            missing.setdefault(request.id, []).append(request)
    # 2. The rest, prompt by prompt.
    errors, ids = [], list(missing)
    for number, id in enumerate(ids):
        if number % AHEAD == 0:
            prepare([request for near in ids[number : number + AHEAD] for request in missing[near]])
        try:
            made = [
                _keep(image, request, folder / "images" / request.image_set / shard, results, saving, software)
                for request, image in zip(missing[id], draw(missing[id]), strict=True)
            ]
        except (InputError, SetupError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - one bad prompt never stops the others
            errors.append(error)
            made = [_row(request, "failed", f"{type(error).__name__}: {error}") for request in missing[id]]
        for request, row in zip(missing[id], made, strict=True):
            if row["status"] == "ok":
                ledgers[request.image_set].add(row)
            rows[request.image_set].append(row)
            on_done()
    # 3. The manifests.
    if len(errors) > 1 and not any(row["status"] == "ok" for name in image_sets for row in rows[name]):
        raise SetupError(f"not one image could be drawn, the first because of {type(errors[0]).__name__}: {errors[0]}")
    for name in image_sets:
        (folder / "images" / name / shard).mkdir(parents=True, exist_ok=True)
        write_rows(folder / "images" / name / f"{shard}.jsonl", sorted(rows[name], key=lambda row: row["id"]))


def _keep(image: Image.Image, request: ImageRequest, folder: Path, results: Path, saving: dict, software: dict) -> dict:
    path = folder / f"{request.id}-{request.key[:KEY_LENGTH]}{SUFFIXES[saving['format']]}"
    origin = {
        "key": request.key,
        "prompt": (request.prompt or "")[:ORIGIN_LENGTH],
        "seed": request.seed,
        "k": request.k,
    }
    origin["model"], _, origin["revision"] = request.model.partition("@")
    save(image, path, saving, origin)
    return _row(request, file=str(path.relative_to(results)), sha256=file_sha256(path), software=software)


def is_intact(results: Path, row: dict) -> bool:
    """Whether the row's file is there with the bytes it was made with."""
    path = results / row["file"]
    return path.is_file() and file_sha256(path) == row["sha256"]


def save(image: Image.Image, path: Path, saving: dict, origin: dict) -> None:
    """Save an image with where it came from in its metadata (EXIF ImageDescription, or PNG text), as JSON.

    Letters beyond ASCII are escaped, because EXIF's description and PNG's plain text know no others.
    """
    text = json.dumps(origin, sort_keys=True)
    with atomic_write(path) as temporary:
        if saving["format"] == "png":
            info = PngInfo()
            info.add_text("detailscribe", text)
            image.save(temporary, format="PNG", pnginfo=info)
        else:
            exif = Image.Exif()
            exif[IMAGE_DESCRIPTION] = text
            image.convert("RGB").save(temporary, format="JPEG", quality=saving["quality"], exif=exif)


def _row(request: ImageRequest, status: str = "", reason: str = "", file=None, sha256=None, software=None) -> dict:
    return {
        "id": request.id,
        "status": status or request.status,
        "reason": reason or request.reason,
        "file": file,
        "sha256": sha256,
        "key": request.key if request.status == "ok" else None,
        "prompt": request.prompt,
        "seed": request.seed,
        "k": request.k,
        "software": software,
        "exchange": request.exchange,
    }
