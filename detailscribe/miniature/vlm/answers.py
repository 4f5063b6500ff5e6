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
    reader, model = processor(), _model()
    content: list[dict] = [*({"type": "image"} for _ in images), {"type": "text", "text": question}]
    text = reader.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    inputs = reader(text=text, images=[image.convert("RGB") for image in images], return_tensors="pt")
    with torch.inference_mode():
        made = model.generate(
            **inputs.to(model.device), max_new_tokens=MOST_TOKENS, output_logits=True, return_dict_in_generate=True
        )
    ids = made.sequences[0, inputs["input_ids"].shape[1] :].tolist()
    ended = ids[-1] == model.generation_config.eos_token_id
    kept = ids[:-1] if ended else ids
    logs = torch.log_softmax(torch.cat(list(made.logits))[: len(kept)].double(), -1)
    content_tokens = [_token(token, row) for token, row in zip(kept, logs, strict=True)]
    text = reader.tokenizer.decode(kept)
    choice = {
        "message": {"role": "assistant", "content": text},
        "finish_reason": "stop" if ended else "length",
        "logprobs": {"content": content_tokens},
    }
    usage = {"prompt_tokens": inputs["input_ids"].shape[1], "completion_tokens": len(ids)}
    return text, {"choices": [choice], "usage": usage}


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
