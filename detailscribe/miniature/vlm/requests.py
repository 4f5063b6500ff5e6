"""Which requests the small vision-language model answers, and in which words it is asked.

Its world is small, and so are its instructions: it is asked in words of its own (`tokens`), not in those of the
templates, which it cannot read. Prompts of other worlds go to the rules of `stand_in`.
"""

from detailscribe.llm.request import Request
from detailscribe.miniature.stand_in_words import can_check, refusal
from detailscribe.miniature.vlm.tokens import critique_question, mark_question, pair_question, part_question
from detailscribe.miniature.world.captions import parse_prompt

MODEL = "miniature-vlm"  # as configs name it
SERVED = "miniature-vlm-1"  # as answers record it; raised with its weights or its words


def question_for(request: Request) -> str | None:
    """What the model is asked for a request; None if the request is not of its world, or not one of its tasks."""
    fields = request.fields
    prompt = fields.get("prompt", "")
    if request.model != MODEL or fields.get("structured"):
        return None
    if request.role == "judge_part":
        return part_question(fields["part"]) if can_check(fields["part"]) else None
    if not is_caption(prompt):
        return None
    if request.role == "critique":
        return critique_question(prompt, tuple(fields.get("components") or ()))
    if request.role == "judge" and fields.get("scale", "grade") == "grade":
        return mark_question(prompt)
    return pair_question(prompt) if request.role == "judge_pair" else None


def declines(request: Request) -> bool:
    """Whether the model is asked as a judge for what it cannot read: then no rule may answer in its place."""
    return request.model == MODEL and request.role.startswith("judge") and question_for(request) is None


def refusal_of_question(question: str) -> str | None:
    """Why the model does not answer a question in its own words; None if it can read it.

    Args:
        question: As of `tokens.critique_question` and its neighbours.
    """
    task, _, text = question.partition(": ")
    if task == "part":
        return None if can_check(text) else refusal(text)
    prompt = text.partition(" parts: ")[0]
    return None if is_caption(prompt) else refusal(prompt)


def is_caption(prompt: str) -> bool:
    """Whether a prompt is one sentence of this world that names a background, as the model has learned to read it."""
    scene = parse_prompt(prompt)
    return prompt.endswith(".") and prompt.count(".") == 1 and scene is not None and bool(scene.background)
