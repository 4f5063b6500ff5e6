"""Image sets made elsewhere: asked of an image model at an endpoint, or imported from a folder or by a table."""

import io
from pathlib import Path

from PIL import Image

from detailscribe.files.digests import file_sha256
from detailscribe.images.image_set import ImageRequest
from detailscribe.images.import_table import from_folder, from_table
from detailscribe.llm.client import Chat
from detailscribe.llm.request import Request
from detailscribe.study.generation import generation_settings
from detailscribe.study.roles import refresh_count
from detailscribe.study.study import Study

STAGE = "external"
ALGORITHM = 2


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    settings = generation_settings(study)
    saving = {key: settings[key] for key in ("format", "quality") if key in settings}
    return {
        f"external-{name}": {
            **{key: value for key, value in entry.items() if key != "endpoint"},
            **refresh_count(study, name),
            "generation": saving,
        }
        for name, entry in study.config["external"].items()
    }


def imported_requests(records: list[dict], source: dict, image_set: str, base: dict) -> tuple[list[ImageRequest], dict]:
    """Image requests for images that lie in a folder or are named by a table, and the file of each id.

    A prompt without a file, or with one that is no image, becomes a image_request that says so: `refused` where the table has a
    row without a file, `failed` otherwise.

    Args:
        source: `folder` or `table`.
        base: What else decides the images.
    """
    if "table" in source:
        found = from_table(records, Path(source["table"]))
    else:
        found = from_folder(records, Path(source["folder"]))
    files, image_requests = {}, []
    for record in records:
        id, one = record["id"], found[record["id"]]
        problem = unreadable(one.path) if one.path else ""
        if problem or one.path is None:
            status = "failed" if problem else one.status
            image_requests.append(ImageRequest(id, image_set, status, problem or one.reason, record["prompt"]))
        else:
            files[id] = one.path
            recipe = {**base, "source_sha256": file_sha256(one.path)}
            image_requests.append(ImageRequest(id, image_set, prompt=record["prompt"], recipe=recipe))
    return image_requests, files


def ask_for_images(
    records: list[dict], role: dict, image_set: str, chat: Chat, on_done
) -> tuple[list[ImageRequest], dict]:
    """Ask an image model for every prompt; image_requests for its answers, and the file of each id.

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
            refresh=role.get("refresh", 0),
        )
        for record in records
    ]
    base = {key: value for key, value in role.items() if key != "endpoint"}
    files, image_requests = {}, []
    for record, reply in zip(records, chat.ask(requests, on_done), strict=True):
        id, recipe = record["id"], {}
        if reply.status == "ok":
            files[id] = reply.image
            recipe = {**base, "source_sha256": file_sha256(reply.image)}
        image_request = ImageRequest(
            id, image_set, reply.status, reply.reason, record["prompt"], recipe=recipe, exchange=reply.digest
        )
        image_requests.append(image_request)
    return image_requests, files


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
