"""Provider of the offline stand-in (endpoint kind `offline`): rule-based answers without network, key or cost."""

from detailscribe.images.image_reader import UnreadableImage
from detailscribe.llm.request import Answer, Request
from detailscribe.miniature import stand_in
from detailscribe.miniature.stand_in_content import placeholder_png


class OfflineProvider:
    """Answers requests by the rules of `stand_in`.

    Args:
        name: Name of the endpoint.
        endpoint: Its config entry.
    """

    def __init__(self, name: str, endpoint: dict):
        self.name, self.endpoint = name, endpoint

    async def answer(self, request: Request) -> Answer:
        """Answer a request by rule."""
        text, finish_reason, image = "", "stop", None
        if request.kind == "image":
            finish_reason, image = "", placeholder_png(request.messages[-1]["content"], request.draw)
        else:
            try:
                text = stand_in.answer_text(request)
            except (OSError, UnreadableImage) as error:
                return Answer("failed", f"the image could not be read ({error})")
        usage = {"input_tokens": 0, "output_tokens": 0}
        return Answer("ok", "", text, finish_reason, usage, stand_in.MODEL, image)

    async def close(self) -> None:
        """Nothing to close."""
