"""External images: requested from an image model at an endpoint, or imported from a folder or by a table.

Those that another image model draws here are requests of `methods.generate`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from detailscribe.files.digests import file_sha256
from detailscribe.files.packed import sha256_of
from detailscribe.images.image_reader import (
    FIRST_FRAME,
    UNIFORM,
    RefusedImage,
    UnreadableImage,
    is_uniform,
    read_image,
)
from detailscribe.images.image_set import NOTE, ImageRequest, make_images
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
# Raised when imported files are read in another way. Not part of the recipes, so that an image whose pixels stay keeps
# its key, its bytes and its scores; `reading` in a recipe names what else was done to a file.
READING = 1


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    settings = generation_settings(study)
    saving = {key: settings[key] for key in ("format", "quality") if key in settings}
    return {
        f"external-{name}": {
            **{key: value for key, value in entry.items() if key != "endpoint"},
            **refresh_count(study, name),
            "generation": saving,
            **({} if "endpoint" in entry else {"reading": READING}),
        }
        for name, entry in study.config["external"].items()
        if name not in study.drawn  # which are images of the generate stage
    }


def imported_requests(
    records: list[dict], source: dict, image_set: str, base: dict
) -> tuple[list[ImageRequest], dict[str, Path]]:
    """Image requests for the images of a folder or a table, and the file of each id.

    A prompt without a readable image gets a request with the reason: `refused` if its row of the table names no file
    or all pixels of it are equal, `failed` otherwise.

    Args:
        source: `folder` or `table`.
        base: The other values that decide the images.
    """
    base = {key: value for key, value in base.items() if key != "reading"}
    if "table" in source:
        images = images_from_table(records, Path(source["table"]))
    else:
        images = images_from_folder(records, Path(source["folder"]))
    files: dict[str, Path] = {}
    requests = []
    for record in records:
        image, status, reason, recipe = images[record["id"]], "ok", "", {}
        if image.path is None:
            status, reason = image.status, image.reason
        else:
            try:
                pixels, notes = read_image(image.path)
            except UnreadableImage as error:
                status, reason = "failed", f"{error}; save it as PNG or JPEG"
            else:
                if is_uniform(pixels):
                    status, reason = "refused", f"{image.path}: {UNIFORM}"
                files[record["id"]] = image.path
                recipe = {**base, "source_sha256": file_sha256(image.path)}
                if changed := [note for note in notes if note != FIRST_FRAME]:
                    recipe["reading"] = changed
        requests.append(ImageRequest(record["id"], image_set, status, reason, record["prompt"], recipe=recipe))
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
            recipe = {**base, "source_sha256": sha256_of(reply.image)}
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
        made = []
        for request in missing:
            image, notes = read_image(files[request.id])
            if is_uniform(image):
                raise RefusedImage(UNIFORM)
            made.append(image.copy())
            made[-1].info[NOTE] = ", ".join(notes)
        return made

    software = {"source": parameters.get("model") or "imported"}
    saving = parameters["generation"]
    make_images(Path("results"), scenario, shard, [image_set], requests, saving, images, lambda: software, on_done)
