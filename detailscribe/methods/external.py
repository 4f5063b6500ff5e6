"""External images: requested from an image model at an endpoint, or imported from a folder or by a table."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from detailscribe.files.digests import file_sha256
from detailscribe.images.image_set import ImageRequest, make_images
from detailscribe.images.import_table import images_from_folder, images_from_table
from detailscribe.llm.client import Chat
from detailscribe.llm.request import Request
from detailscribe.study.generation import generation_settings
from detailscribe.study.roles import refresh_count
from detailscribe.study.study import Study

if TYPE_CHECKING:
    from PIL import Image

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


def imported_requests(
    records: list[dict], source: dict, image_set: str, base: dict
) -> tuple[list[ImageRequest], dict[str, Path]]:
    """Image requests for the images of a folder or a table, and the file of each id.

    A prompt without a readable image gets a request with the reason: `refused` if its row of the table names no file,
    `failed` otherwise.

    Args:
        source: `folder` or `table`.
        base: The other values that decide the images.
    """
    if "table" in source:
        images = images_from_table(records, Path(source["table"]))
    else:
        images = images_from_folder(records, Path(source["folder"]))
    files: dict[str, Path] = {}
    requests = []
    for record in records:
        id, image = record["id"], images[record["id"]]
        problem = unreadable_reason(image.path) if image.path else ""
        if problem or image.path is None:
            status = "failed" if problem else image.status
            requests.append(ImageRequest(id, image_set, status, problem or image.reason, record["prompt"]))
        else:
            files[id] = image.path
            recipe = {**base, "source_sha256": file_sha256(image.path)}
            requests.append(ImageRequest(id, image_set, prompt=record["prompt"], recipe=recipe))
    return requests, files


def hosted_requests(
    records: list[dict], role: dict, image_set: str, chat: Chat, on_done: Callable[[], None] | None
) -> tuple[list[ImageRequest], dict[str, Path]]:
    """Request an image of every prompt from an image model; image requests for its answers, and the file of each id.

    Args:
        records: Prompt records.
        role: endpoint, model, options, and the other parameters of the stage.
        image_set: Name of the image set.
        chat: The LLM client.
        on_done: Called once per answer.
    """
    questions = [
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
    files: dict[str, Path] = {}
    requests = []
    for record, reply in zip(records, chat.ask(questions, on_done), strict=True):
        id, recipe = record["id"], {}
        if reply.status == "ok":
            assert reply.image is not None
            files[id] = reply.image
            recipe = {**base, "source_sha256": file_sha256(reply.image)}
        requests.append(
            ImageRequest(
                id, image_set, reply.status, reply.reason, record["prompt"], recipe=recipe, exchange=reply.digest
            )
        )
    return requests, files


def save_external_images(
    scenario: str,
    shard: str,
    image_set: str,
    requests: list[ImageRequest],
    files: dict[str, Path],
    parameters: dict,
    on_done: Callable[[], object],
) -> None:
    """Save the images of a shard in the study's format and write their manifest.

    Args:
        requests: Of the shard, as `imported_requests` or `hosted_requests` returns them.
        files: The file of each id.
        parameters: Of the stage.
        on_done: Called once per image request.
    """

    def images(missing: list[ImageRequest]) -> list[Image.Image]:
        return [read_image(files[request.id]) for request in missing]

    software = {"source": parameters.get("model") or "imported"}
    make_images(
        Path("results"), scenario, shard, [image_set], requests, parameters["generation"], images, software, on_done
    )


def unreadable_reason(path: Path) -> str:
    """Why a file cannot be read as an image; empty if it can."""
    from PIL import Image

    try:
        read_image(path)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return f"{path} is not a readable image ({type(error).__name__}: {error})"
    return ""


def read_image(path: Path) -> Image.Image:
    """Read an image file completely, so that a broken file fails here."""
    from PIL import Image

    image = Image.open(io.BytesIO(path.read_bytes()))
    image.load()
    return image.convert("RGB")
