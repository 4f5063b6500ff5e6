"""Image sets made elsewhere: asked of an image model at an endpoint, or imported from a folder."""

import io
from pathlib import Path

from PIL import Image

from detailscribe.chat import Chat, Request
from detailscribe.images import Wish
from detailscribe.records import file_sha256

IMPORTED_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def imported_wishes(records: list[dict], folder: Path, image_set: str, base: dict) -> tuple[list[Wish], dict]:
    """Wishes for the files `{id}.png` (or .jpg, .jpeg, .webp) of a folder, and the file of each id.

    A prompt without a file, or with one that is no image, becomes a `failed` wish that says so.
    """
    files, wishes = {}, []
    for record in records:
        id = record["id"]
        found = [path for suffix in IMPORTED_SUFFIXES if (path := folder / f"{id}{suffix}").is_file()]
        problem = unreadable(found[0]) if found else f"no file {id}.png (or .jpg, .jpeg, .webp) in {folder}"
        if problem:
            wishes.append(Wish(id, image_set, "failed", problem, record["prompt"]))
        else:
            files[id] = found[0]
            recipe = {**base, "source_sha256": file_sha256(found[0])}
            wishes.append(Wish(id, image_set, prompt=record["prompt"], recipe=recipe))
    return wishes, files


def ask_for_images(records: list[dict], role: dict, image_set: str, chat: Chat, on_done) -> tuple[list[Wish], dict]:
    """Ask an image model for every prompt; wishes for its answers, and the file of each id.

    Args:
        records: Prompt records.
        role: endpoint, model, options, and what else the stage's parameters hold.
        image_set: Name of the image set.
        chat: The chat layer.
        on_done: Called once an answer.
    """
    requests = [
        Request(
            role="image",
            endpoint=role["endpoint"],
            model=role["model"],
            messages=({"role": "user", "content": record["prompt"]},),
            options=role["options"],
            fields={"id": record["id"], "prompt": record["prompt"]},
            kind="image",
        )
        for record in records
    ]
    base = {key: value for key, value in role.items() if key != "endpoint"}
    files, wishes = {}, []
    for record, reply in zip(records, chat.ask(requests, on_done), strict=True):
        id, recipe = record["id"], {}
        if reply.status == "ok":
            files[id] = reply.image
            recipe = {**base, "source_sha256": file_sha256(reply.image)}
        wish = Wish(id, image_set, reply.status, reply.reason, record["prompt"], recipe=recipe, exchange=reply.digest)
        wishes.append(wish)
    return wishes, files


def unreadable(path: Path) -> str:
    """Why a file cannot be read as an image; empty where it can."""
    try:
        read_image(path)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return f"{path} is no image that can be read ({type(error).__name__}: {error})"
    return ""


def read_image(path: Path) -> Image.Image:
    """Read an image file whole, so that a broken one fails here."""
    image = Image.open(io.BytesIO(path.read_bytes()))
    image.load()
    return image.convert("RGB")
