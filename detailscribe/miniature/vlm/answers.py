"""Answers of the small vision-language model in this process, with the probabilities of their tokens.

The record has the shape of an OpenAI-compatible server's response, so that judges read it in the same way.
"""

from functools import lru_cache
from typing import Any

import torch
from PIL import Image

from detailscribe.engines import torch_setup
from detailscribe.miniature.shipped import load_part
from detailscribe.miniature.vlm.processor import processor

MOST_TOKENS = 160  # of an answer
TOP_TOKENS = 10  # alternatives that are recorded of each


def answer(question: str, images: list[Image.Image]) -> tuple[str, dict[str, Any]]:
    """The most probable answer, token by token.

    Args:
        question: As of `tokens.critique_question` and its neighbours.
        images: One, or two to compare; read at 96 x 96 pixels.

    Returns:
        The text, and the response with `choices`, `usage` and the log-probabilities of the answer's tokens.
    """
    return answers([question], [images])[0]


def answers(questions: list[str], images: list[list[Image.Image]]) -> list[tuple[str, dict[str, Any]]]:
    """Answers to several questions in one batch; their last digits depend on it, so a study asks one by one."""
    reader, model = processor(), _model()
    texts = []
    for question, shown in zip(questions, images, strict=True):
        content: list[dict] = [*({"type": "image"} for _ in shown), {"type": "text", "text": question}]
        texts.append(reader.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True))
    every = [image.convert("RGB") for shown in images for image in shown]
    inputs = reader(text=texts, images=every, return_tensors="pt", padding=True, padding_side="left")
    with torch.inference_mode():
        made = model.generate(
            **inputs.to(model.device), max_new_tokens=MOST_TOKENS, output_logits=True, return_dict_in_generate=True
        )
    asked = inputs["attention_mask"].sum(1).tolist()
    said = made.sequences[:, inputs["input_ids"].shape[1] :].tolist()
    logs = torch.log_softmax(torch.stack(made.logits, 1).double(), -1)
    return [_response(*each) for each in zip(asked, said, logs, strict=True)]


def _response(asked: int, ids: list[int], logs: torch.Tensor) -> tuple[str, dict[str, Any]]:
    """Text and response of an answer.

    Args:
        asked: Tokens of the question.
        ids: Of the answer, with what follows its end.
        logs: (tokens, vocabulary), float64.
    """
    reader = processor().tokenizer
    ended = reader.eos_token_id in ids
    kept = ids[: ids.index(reader.eos_token_id)] if ended else ids
    text = reader.decode(kept)
    choice = {
        "message": {"role": "assistant", "content": text},
        "finish_reason": "stop" if ended else "length",
        "logprobs": {"content": [_token(token, row) for token, row in zip(kept, logs, strict=False)]},
    }
    return text, {"choices": [choice], "usage": {"prompt_tokens": asked, "completion_tokens": len(kept) + ended}}


def _token(token: int, logs: torch.Tensor) -> dict:
    """A token as a server's `logprobs` describe it."""
    top = logs.topk(TOP_TOKENS)
    alternatives = [_entry(*pair) for pair in zip(top.indices.tolist(), top.values.tolist(), strict=True)]
    return {**_entry(token, float(logs[token])), "top_logprobs": alternatives}


def _entry(token: int, log: float) -> dict:
    return {"token": processor().tokenizer.convert_ids_to_tokens(token), "logprob": round(max(log, -9999.0), 6)}


@lru_cache
def _model() -> Any:
    return load_part("vlm").model.to(torch_setup.default_device())
