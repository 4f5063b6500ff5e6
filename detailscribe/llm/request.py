"""Request, Answer and Reply: a model request, a provider's answer, and the recorded reply."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from detailscribe.files.digests import digest
from detailscribe.files.packed import sha256_of

IMAGE_SIGNATURES = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff", "gif": b"GIF8", "webp": b"RIFF"}


@dataclass(frozen=True)
class Request:
    """One request to a model.

    Attributes:
        role: Its purpose: decompose, critique, refine, rewrite, judge, judge_part, judge_remark, judge_pair,
            write_prompts, image.
        endpoint: Name of the endpoint in the config.
        model: Model name as the endpoint knows it.
        messages: `{"role", "content"}` with text content only.
        images: Image files, attached to the last user message.
        options: Body parameters, sent unchanged, such as `temperature`.
        draw: Sample index 0, 1, ...: the same request repeated for another sample.
        refresh: How often the config has had this role queried again; 0, the first time, does not enter the digest.
        images_first: The images stand before the text of their message: questions about one image then begin alike, and
            a server that caches prefixes encodes it once. Part of the digest if true.
        served: Identity of a model that the job serves itself (`served.identity`); empty for any other, and then not
            part of the digest.
        fields: The template's values, for readers and for the offline stand-in; not part of the digest.
        kind: `chat`, or `image` for a request that returns an image.
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
    images_first: bool = False
    served: dict = field(default_factory=dict)

    @cached_property
    def identity(self) -> dict:
        """Exactly what determines the answer; image files by their SHA-256."""
        identity = {
            "kind": self.kind,
            "model": self.model,
            "messages": list(self.messages),
            "images": [sha256_of(path) for path in self.images],
            "options": self.options,
            "draw": self.draw,
        }
        identity |= {"refresh": self.refresh} if self.refresh else {}
        identity |= {"images_first": True} if self.images_first else {}
        return identity | ({"served": self.served} if self.served else {})

    @cached_property
    def digest(self) -> str:
        """SHA-256 of `identity`, 64 hex characters."""
        return digest(self.identity)


@dataclass(frozen=True)
class Answer:
    """A provider's answer, before it is recorded.

    Attributes:
        status: ok, refused or failed.
        usage: `{"input_tokens", "output_tokens"}`, None if the server does not report them.
        image: Bytes of a PNG, JPEG, GIF or WebP file, for requests of kind `image`.
        body: The server's whole response (`response_body.redacted_body`); None if there was none.
        billed: Whether the server may bill it; False for a request that it rejected, or that was never sent.
        tries: Usages of the unusable answers that were paid for before this one.
    """

    status: str
    reason: str = ""
    text: str = ""
    finish_reason: str = ""
    usage: dict | None = None
    served_model: str = ""
    image: bytes | None = None
    body: object = None
    billed: bool = True
    tries: tuple[dict | None, ...] = ()


@dataclass(frozen=True)
class Reply:
    """A recorded answer, as the rest of the package uses it; `digest` identifies its exchange."""

    digest: str
    status: str
    reason: str
    text: str
    usage: dict | None
    served_model: str
    date: str
    image: Path | None
    finish_reason: str = ""


def image_format(data: bytes) -> str | None:
    """png, jpeg, gif or webp, by the first bytes; None for anything else."""
    return next((name for name, signature in IMAGE_SIGNATURES.items() if data.startswith(signature)), None)
