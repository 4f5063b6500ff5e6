"""Text of a chat message: content as a text or as a list of parts, refusals, and thoughts that stand in its place."""

from collections.abc import Callable

THINKING_FIELDS = ("reasoning_content", "reasoning", "thinking", "reasoning_details")
THINKING_PARTS = ("thinking", "reasoning", "redacted_thinking", "reasoning_text", "summary_text", "thought")


def read_content(message: dict, redact: Callable[[str], str]) -> tuple[str, str]:
    """Text and refusal of a message; of a list of parts, the texts joined, without the parts that are thoughts.

    Args:
        message: Of a body without secrets.
        redact: `Redactor.redact`, for a secret that two parts hold together.
    """
    texts, refusals = list[str](), [_text(message.get("refusal"))]
    content = message.get("content")
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict) and part.get("type") not in THINKING_PARTS and part.get("thought") is not True:
            refusals.append(_text(part.get("refusal")))
            text = part.get("text")
            texts.append(_text(text.get("value") if isinstance(text, dict) else text))
    refusal = next((text for text in refusals if text.strip()), "")
    return redact("".join(texts)), refusal or ("no reason given" if message.get("refusal") is True else "")


def thinking_field(message: dict) -> str:
    """Name of the field that holds a model's thoughts; empty if there is none."""
    name = next((name for name in THINKING_FIELDS if message.get(name)), "")
    content = message.get("content")
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    return name or next((f"content: {part['type']}" for part in parts if part.get("type") in THINKING_PARTS), "")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
