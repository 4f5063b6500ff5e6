"""A request to a model, the answer of a provider, and the recorded reply."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from detailscribe.files.digests import digest, file_sha256

KINDS = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff", "gif": b"GIF8", "webp": b"RIFF"}


@dataclass(frozen=True)
class Request:
    """One question to a model.

    Attributes:
        role: What it is for: decompose, critique, refine, rewrite, judge, write_prompts, image.
        endpoint: Name of the endpoint in the config.
        model: The model's name as the endpoint knows it.
        messages: `{"role", "content"}` with text content only.
        images: Image files, attached to the last user message.
        options: Body parameters sent as they are, such as `temperature`.
        draw: 0, 1, ...: the same question asked again for another sample.
        refresh: How often the config has had this role asked anew; 0 is the first time and leaves the digest alone.
        fields: The template's values, kept for readers and for the offline stand-in; no part of the digest.
        kind: `chat`, or `image` for a request that is answered by an image.
    """

    role: str
    endpoint: str
    model: str
    messages: Sequence[dict]
    images: Sequence[Path] = ()
    options: dict = field(default_factory=dict)
    draw: int = 0
    fields: dict = field(default_factory=dict)
    kind: str = "chat"
    refresh: int = 0

    @cached_property
    def identity(self) -> dict:
        """Exactly what changes the answer; image files by their SHA-256."""
        identity = {
            "kind": self.kind,
            "model": self.model,
            "messages": list(self.messages),
            "images": [file_sha256(Path(path)) for path in self.images],
            "options": self.options,
            "draw": self.draw,
        }
        return identity | {"refresh": self.refresh} if self.refresh else identity

    @cached_property
    def digest(self) -> str:
        """SHA-256 of `identity`, 64 hex characters."""
        return digest(self.identity)


@dataclass(frozen=True)
class Answer:
    """What a provider brings back, before it is recorded.

    Attributes:
        status: ok, refused or failed.
        usage: `{"input_tokens", "output_tokens"}`, None where the server does not say.
        image: Bytes of a PNG, JPEG, GIF or WebP file, for requests of kind `image`.
    """

    status: str
    reason: str = ""
    text: str = ""
    finish_reason: str = ""
    usage: dict | None = None
    served_model: str = ""
    image: bytes | None = None


@dataclass(frozen=True)
class Reply:
    """An answer as the rest of the package sees it; `digest` names its exchange."""

    digest: str
    status: str
    reason: str
    text: str
    usage: dict | None
    served_model: str
    date: str
    image: Path | None
    finish_reason: str = ""


def image_kind(data: bytes) -> str | None:
    """png, jpeg, gif or webp by the first bytes; None for anything else."""
    return next((kind for kind, magic in KINDS.items() if data.startswith(magic)), None)
