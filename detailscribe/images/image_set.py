"""Image sets on disk: intact images are kept, missing ones are made, and a manifest records the outcome of each."""

import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from PIL import Image

from detailscribe.engines.gpu.device_errors import friendly_device_errors
from detailscribe.errors import InputError, SetupError
from detailscribe.files.atomic import atomic_write
from detailscribe.files.digests import KEY_LENGTH, digest, file_sha256
from detailscribe.files.ledger import Ledger
from detailscribe.files.packed import read_bytes
from detailscribe.files.rows import write_rows
from detailscribe.images.image_file import FORMAT_SUFFIXES, is_intact, save_image
from detailscribe.images.image_reader import UNIFORM, RefusedImage, is_black
from detailscribe.study.plugins import PromptError
from detailscribe.study.study import Study

if TYPE_CHECKING:
    from detailscribe.engines.engine import Engine

STAGE = "sets"
ALGORITHM = 1
PREPARE_PROMPTS = 128  # prompts whose texts are prepared at once
NOTE = "note"  # key of `info` under which an image carries what its row says of it as its reason
CARRIED = "carried"  # column of the row of an image that another set's is repeated in
ORIGIN_LENGTH = 2000  # characters of the prompt in a file's metadata: EXIF holds 64 kB; the manifest has all of it


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    return {"sets": {"image_sets": study.image_sets()}}


class Drawing(Protocol):
    """How an image is drawn, and what that takes."""

    @property
    def edits(self) -> bool:
        """Whether `draw` needs an editing pipeline (`engines/pipelines/editing.py`) instead of an `engine.Engine`."""
        ...

    def draw(self, engine: "Engine", request: "ImageRequest") -> Image.Image:
        """The image of a request, with the loaded image model."""
        ...

    def steps(self, request: "ImageRequest") -> int:
        """Denoising steps that `draw` takes."""
        ...


@dataclass(frozen=True)
class ImageRequest:
    """One image that a manifest should hold, or the reason why it cannot.

    `recipe` holds everything that decides the bytes; the key is its digest. `prompt` is the text of the final image,
    `k` the denoising step after which it replaced the original prompt (None: from noise on), `exchange` the recorded
    response that the image came in. `model` names what makes the image, as `name@revision` or the digest of its files.

    `drawn_by` draws it, if it is not drawn from text or by a prompt switch. `source` is the file of the image that it
    starts from, `carried` the row of an image that it repeats unchanged: the same file, at no cost. `state` is what a
    later step that starts from this image needs to know besides prompt and seed; it is written into the row. `error`
    is what a failed request failed with.
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
    drawn_by: Drawing | None = None
    source: Path | None = None
    carried: dict | None = None
    state: dict = field(default_factory=dict)
    error: Exception | None = field(default=None, compare=False)

    @property
    def key(self) -> str:
        """Digest of the recipe, 64 hex characters; of a carried image the key that it has already."""
        return self.carried["key"] if self.carried else digest(self.recipe)

    @property
    def group(self) -> str:
        """Digest of the recipe without k: images of one prompt with one group share denoising steps, or are equal."""
        return digest({name: value for name, value in self.recipe.items() if name != "k"})


def make_images(
    results: Path,
    scenario: str,
    shard: str,
    image_sets: list[str],
    requests: list[ImageRequest],
    saving: dict,
    render: Callable[[list[ImageRequest]], list[Image.Image]],
    software: Callable[[], dict[str, str]],
    on_done: Callable[[], object] = lambda: None,
    prepare: Callable[[list[ImageRequest]], object] = lambda requests: None,
) -> None:
    """Make the requested images of one shard and write the manifest of each image set.

    Args:
        results: Folder that `file` in a manifest is relative to.
        scenario: Its folder below `results`.
        shard: Name of the shard.
        image_sets: The image sets of the job; each gets a manifest, even for an empty shard.
        requests: Image requests of the shard, any order.
        saving: `format` (jpeg or png) and `quality`.
        render: Returns the images of some requests of one prompt and one group (`ImageRequest.group`), in their
            order; raises RefusedImage for a refusal, PromptError for what a plug-in cannot draw. A black image
            counts as a refusal, since safety checkers return it.
        software: Returns the versions and facts of the machine to record in the rows of new images; called for new
            images alone.
        on_done: Called once per request.
        prepare: Called with the missing images of the next prompts, before `render` for the first of them.

    Raises:
        InputError, SetupError, OSError: raised by `render` or on saving; images made before are kept.
        DeviceError: the GPU or the memory failed, so that later prompts would fail, too; images made before are kept.
        SetupError: several images failed for the same reason and the job has none at all.
    """
    folder = results / scenario
    ledgers = {name: Ledger(folder / "ledgers" / "images" / name / f"{shard}.jsonl") for name in image_sets}
    log = _ErrorLog()
    rows: dict[str, list[dict]] = {name: [] for name in image_sets}
    # 1. Keep intact images.
    missing: dict[str, dict[str, list[ImageRequest]]] = {}  # by id and group
    for request in sorted(requests, key=lambda request: (request.id, request.image_set)):
        log.add(request.error)
        ledger = ledgers[request.image_set]
        kept: dict | None
        if request.carried:
            kept = _carry(request, folder / "images" / request.image_set / shard, results, ledger)
        else:
            kept = _without_carried(ledger.get(request.id, request.key)) if request.status == "ok" else _row(request)
        if kept and (request.carried or request.status != "ok" or is_intact(results, kept)):
            rows[request.image_set].append(kept)
            on_done()
        else:
            missing.setdefault(request.id, {}).setdefault(request.group, []).append(request)
    # 2. Make the others, prompt by prompt.
    ids = list(missing)
    for number, id in enumerate(ids):
        if number % PREPARE_PROMPTS == 0:
            near = [missing[other] for other in ids[number : number + PREPARE_PROMPTS]]
            with friendly_device_errors():
                prepare([request for groups in near for group in groups.values() for request in group])
        for group in missing[id].values():
            try:
                with friendly_device_errors(f"the prompt {id}"):
                    made = [
                        _save(image, request, folder / "images" / request.image_set / shard, results, saving, software)
                        for request, image in zip(group, render(group), strict=True)
                    ]
            except (InputError, SetupError, OSError):
                raise
            except PromptError as error:
                log.add(error)
                made = [_row(request, "failed", str(error)) for request in group]
            except RefusedImage as error:
                made = [_row(request, "refused", str(error)) for request in group]
            except Exception as error:  # noqa: BLE001 - one bad prompt never stops the others
                log.add(error)
                made = [_row(request, "failed", f"{type(error).__name__}: {error}") for request in group]
            for request, row in zip(group, made, strict=True):
                if row["status"] == "ok":
                    ledgers[request.image_set].add(row)
                rows[request.image_set].append(row)
                on_done()
    # 3. Write the manifests.
    every = [row for name in image_sets for row in rows[name]]
    errors = [row["reason"] for row in every if row["status"] == "failed"]
    if len(errors) > 1 and len(set(errors)) == 1 and not any(row["status"] == "ok" for row in every):
        raise SetupError(f"not one image of the shard could be made; the first error was {errors[0]}")
    for name in image_sets:
        (folder / "images" / name / shard).mkdir(parents=True, exist_ok=True)
        write_rows(folder / "images" / name / f"{shard}.jsonl", sorted(rows[name], key=lambda row: row["id"]))


class _ErrorLog:
    """Tracebacks of errors that end up as reasons of rows, in the log of the job: one for each place in the code."""

    def __init__(self) -> None:
        self._seen: set[tuple] = set()

    def add(self, error: Exception | None) -> None:
        """Print an error's traceback, unless another was raised at the same place."""
        cause = (error.__cause__ if isinstance(error, PromptError) else None) or error
        if cause is None:
            return
        frames = traceback.extract_tb(cause.__traceback__)
        place = (type(cause), *((frames[-1].filename, frames[-1].lineno) if frames else ()))
        if place not in self._seen:
            self._seen.add(place)
            traceback.print_exception(cause, file=sys.stderr)


def _save(
    image: Image.Image,
    request: ImageRequest,
    folder: Path,
    results: Path,
    saving: dict,
    software: Callable[[], dict[str, str]],
) -> dict:
    if is_black(image):
        return _row(request, "refused", UNIFORM)
    path = folder / f"{request.id}-{request.key[:KEY_LENGTH]}{FORMAT_SUFFIXES[saving['format']]}"
    origin = {
        "key": request.key,
        "prompt": (request.prompt or "")[:ORIGIN_LENGTH],
        "seed": request.seed,
        "k": request.k,
    }
    origin["model"], _, origin["revision"] = request.model.partition("@")
    save_image(image, path, saving, origin)
    return _row(
        request,
        reason=str(image.info.get(NOTE, "")),
        file=str(path.relative_to(results)),
        sha256=file_sha256(path),
        software=software(),
    )


def _carry(request: ImageRequest, folder: Path, results: Path, ledger: Ledger) -> dict:
    """The row of an image that is another one's file, with a copy of that file in the folder of its own set."""
    carried = request.carried
    assert carried
    path = folder / Path(carried["file"]).name
    file = str(path.relative_to(results))
    row = _row(request, file=file, sha256=carried["sha256"], software=carried.get("software"))
    if not is_intact(results, row):  # not there, or a copy of the image as it was before
        with atomic_write(path) as temporary:
            temporary.write_bytes(read_bytes(results / carried["file"]))
    if ledger.get(request.id, request.key) != row:
        ledger.add(row)
    return row


def _without_carried(row: dict | None) -> dict | None:
    """A finished row as that of an image that is requested itself; it may be the copy of one with the same key."""
    return {key: value for key, value in row.items() if key != CARRIED} if row else None


def _row(
    request: ImageRequest,
    status: str = "",
    reason: str = "",
    file: str | None = None,
    sha256: str | None = None,
    software: dict | None = None,
) -> dict:
    row = {
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
    row |= {"state": request.state} if request.state else {}
    return row | ({CARRIED: True} if request.carried else {})
