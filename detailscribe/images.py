"""Image sets on disk: what is there and intact is kept, what is missing is drawn, a manifest says what came of it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from detailscribe.errors import InputError, SetupError
from detailscribe.records import KEY_LENGTH, Ledger, digest, file_sha256, replacing, write_rows

SUFFIXES = {"jpeg": ".jpg", "png": ".png"}
IMAGE_DESCRIPTION = 0x010E  # EXIF tag


@dataclass(frozen=True)
class Wish:
    """One image that a manifest should hold, or the reason why it cannot.

    `recipe` holds everything that decides the bytes; the key is its digest. `prompt` is the text the image is drawn
    from, `k` the denoising step after which it took over (None: from the noise).
    """

    id: str
    image_set: str
    status: str = "ok"
    reason: str = ""
    prompt: str | None = None
    seed: int | None = None
    k: int | None = None
    recipe: dict = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Digest of the recipe, 64 hex characters."""
        return digest(self.recipe)


def make_images(
    results: Path,
    scenario: str,
    shard: str,
    wishes: list[Wish],
    saving: dict,
    draw: Callable[[list[Wish]], list[Image.Image]],
    software: dict,
    on_done: Callable[[], object] = lambda: None,
) -> None:
    """Fulfil the wishes of one shard and write the manifest of each image set they name.

    Args:
        results: Folder that `file` in a manifest is relative to.
        scenario: Its folder below `results`.
        shard: Name of the shard.
        wishes: Wishes of the shard, any order.
        saving: `format` (jpeg or png) and `quality`.
        draw: Draws the missing images of one prompt, in the order asked.
        software: Versions that the rows of new images record.
        on_done: Called once a wish.

    Raises:
        SetupError: raised by `draw`; what was drawn before is kept.
        Exception: whatever `draw` raised, when not a single drawing succeeded and more than one prompt failed.
    """
    folder = results / scenario
    sets = sorted({wish.image_set for wish in wishes})
    ledgers = {name: Ledger(folder / "ledgers" / "images" / name / f"{shard}.jsonl") for name in sets}
    rows: dict[str, list[dict]] = {name: [] for name in sets}
    drawn, errors = 0, []
    for _, group in groupby(sorted(wishes, key=lambda wish: (wish.id, wish.image_set)), key=lambda wish: wish.id):
        missing = []
        for wish in group:
            kept = ledgers[wish.image_set].get(wish.id, wish.key) if wish.status == "ok" else _row(wish)
            if kept and (wish.status != "ok" or is_intact(results, kept)):
                rows[wish.image_set].append(kept)
                on_done()
            else:
                missing.append(wish)
        if not missing:
            continue
        try:
            images = draw(missing)
        except (InputError, SetupError):
            raise
        except Exception as error:  # noqa: BLE001 - one bad prompt never stops the others
            errors.append(error)
            for wish in missing:
                rows[wish.image_set].append(_row(wish, "failed", f"{type(error).__name__}: {error}"))
                on_done()
            continue
        for wish, image in zip(missing, images, strict=True):
            path = folder / "images" / wish.image_set / shard / f"{wish.id}-{wish.key[:KEY_LENGTH]}"
            path = path.with_name(path.name + SUFFIXES[saving["format"]])
            save(image, path, saving, {"key": wish.key, "prompt": wish.prompt, "seed": wish.seed, "k": wish.k})
            row = _row(wish, file=str(path.relative_to(results)), sha256=file_sha256(path), software=software)
            ledgers[wish.image_set].add(row)
            rows[wish.image_set].append(row)
            drawn += 1
            on_done()
    if len(errors) > 1 and not drawn:
        raise errors[0]
    for name in sets:
        (folder / "images" / name / shard).mkdir(parents=True, exist_ok=True)
        write_rows(folder / "images" / name / f"{shard}.jsonl", rows[name])


def is_intact(results: Path, row: dict) -> bool:
    """Whether the row's file is there with the bytes it was made with."""
    path = results / row["file"]
    return path.is_file() and file_sha256(path) == row["sha256"]


def save(image: Image.Image, path: Path, saving: dict, origin: dict) -> None:
    """Save an image with where it came from in its metadata (EXIF ImageDescription, or PNG text), as JSON."""
    text = json.dumps(origin, sort_keys=True)
    with replacing(path) as temporary:
        if saving["format"] == "png":
            info = PngInfo()
            info.add_text("detailscribe", text)
            image.save(temporary, format="PNG", pnginfo=info)
        else:
            exif = Image.Exif()
            exif[IMAGE_DESCRIPTION] = text
            image.convert("RGB").save(temporary, format="JPEG", quality=saving["quality"], exif=exif)


def _row(wish: Wish, status: str = "", reason: str = "", file=None, sha256=None, software=None) -> dict:
    return {
        "id": wish.id,
        "status": status or wish.status,
        "reason": reason or wish.reason,
        "file": file,
        "sha256": sha256,
        "key": wish.key if wish.status == "ok" else None,
        "prompt": wish.prompt,
        "seed": wish.seed,
        "k": wish.k,
        "software": software,
    }
