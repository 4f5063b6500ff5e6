"""Provider of endpoint kind `offline`: answers without network, key or cost.

By the model's name: the rules of `stand_in`, the small vision-language model for what it can read (otherwise the
rules), or a critic of planted skill.
"""

from detailscribe.errors import SetupError
from detailscribe.images.image_reader import UnreadableImage, read_image
from detailscribe.llm.request import Answer, Request
from detailscribe.miniature import planted_critic, stand_in
from detailscribe.miniature.stand_in_content import placeholder_png
from detailscribe.miniature.vlm.requests import SERVED, declines, question_for

NO_USAGE = {"input_tokens": 0, "output_tokens": 0}


class OfflineProvider:
    """Answers requests in this process.

    Args:
        name: Name of the endpoint.
        endpoint: Its config entry.
    """

    def __init__(self, name: str, endpoint: dict):
        self.name, self.endpoint = name, endpoint

    async def answer(self, request: Request) -> Answer:
        """Answer a request."""
        if request.kind == "image":
            image = placeholder_png(request.messages[-1]["content"], request.draw)
            return Answer("ok", "", "", "", dict(NO_USAGE), stand_in.MODEL, image)
        try:
            if question := question_for(request):
                return _by_model(request, question)
            if declines(request):
                return Answer("refused", stand_in.refusal_of(request), "", "stop", dict(NO_USAGE), SERVED)
            if planted_critic.is_planted(request):
                return Answer("ok", "", planted_critic.answer(request), "stop", dict(NO_USAGE), request.model)
            return Answer("ok", "", stand_in.answer_text(request), "stop", dict(NO_USAGE), stand_in.MODEL)
        except (OSError, UnreadableImage) as error:
            return Answer("failed", f"the image could not be read ({error})")

    async def close(self) -> None:
        """Nothing to close."""


def _by_model(request: Request, question: str) -> Answer:
    """The small vision-language model's answer, with its whole response.

    Raises:
        SetupError: torch or transformers is missing.
    """
    try:
        from detailscribe.miniature.vlm.answers import answer
    except ImportError as error:
        raise SetupError(
            f"the demo's vision-language model needs torch and transformers, which are missing ({error}); run the demo "
            "in the main environment, without --software-deployment-method"
        ) from error
    text, body = answer(question, [read_image(path).image for path in request.images])
    if request.role.startswith("judge") and not request.options.get("logprobs"):
        text = f"<{text}>"  # as the templates ask for where no probability is read
    choice, counted = body["choices"][0], body["usage"]
    usage = {"input_tokens": counted["prompt_tokens"], "output_tokens": counted["completion_tokens"]}
    return Answer("ok", "", text, choice["finish_reason"], usage, SERVED, body=body)
