"""Model replies: an answer among special tokens, thoughts and lists is read; a thought that never ends is not."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from random import Random

from detailscribe.llm.request import Reply, Request
from detailscribe.methods import reply_parsing
from detailscribe.methods.roles import prompt_in_reply, read_reply
from tests.fault_cases.kind import Case, Kind, require
from tests.fault_cases.mutation import flipped

PROMPT = "A goat paints a fence, and a hen holds the bucket."
CONCEPT = "paint", ["a goat holds a brush", "the brush touches the fence"]
DECOYS = ["<A decoy of a whale.>", "<2>", "<no>", "<(concept: decoy) = (a) + (b)>", '{"score": 2}']
ENDS = [
    *("", "\n", "<|im_end|>", "</s>", "<|eot_id|>", "<end_of_turn>", "<|end|>", "<|endoftext|>", "<eos>", "<|return|>"),
    *(
        "<|im_end|>\n<|endoftext|>",
        "<|end_of_text|>",
        "[/INST]</s>",
        "<|eom_id|>",
        "<|im_end|>\n\n",
        "<｜end▁of▁sentence｜>",
    ),
]
STARTS = ["", "<|im_start|>assistant\n", "<|start_header_id|>assistant<|end_header_id|>\n\n", "<start_of_turn>model\n"]
LEADS = [
    "",
    "Sure! Here it is:\n\n",
    "**Answer:** ",
    "- Step 1\n- Step 2\n\n",
    "1. First\n2. Second\n\n",
    "```\ncode\n```\n",
]
THOUGHTS = [
    *(("<think>", "</think>"), ("<THINK>", "</THINK>"), ("[THINK]", "[/THINK]"), ("<thought>", "</thought>")),
    *(("<thinking>", "</thinking>"), ("<reasoning>", "</reasoning>"), ("◁think▷", "◁/think▷")),
    *(("<seed:think>", "</seed:think>"), ("<|START_THINKING|>", "<|END_THINKING|>")),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
]
ANSWERS = {
    "prompt": f"<{PROMPT}>",
    "whole": PROMPT,
    "grade": "<4>",
    "yes_no": "<yes>",
    "decomposition": "<(concept: paint) = (a goat holds a brush) + (the brush touches the fence)>",
}
EXPECTED = {"prompt": PROMPT, "whole": PROMPT, "grade": 4.0, "yes_no": 1.0, "decomposition": CONCEPT}
REQUEST = Request("critique", "e", "m", [{"role": "user", "content": "What is wrong? Answer in the given form."}])


@contextlib.contextmanager
def prepare(folder: Path, seed: int) -> Iterator[Case]:
    """The case."""
    yield case


def case(number: int, random: Random, own: Path) -> None:
    """Read a reply with a known answer, without one, or with random bytes."""
    role = random.choice(list(ANSWERS))
    way = random.choice(["answer", "answer", "unfinished", "noise"])
    opened, closed = random.choice([("", ""), *THOUGHTS])
    thought = "Let me look. Maybe " + " or ".join(random.sample(DECOYS, 3)) + "? Wait."
    if way == "unfinished":
        opened = opened or "<think>"
        finish = random.choice(["stop", "length"])
        status, reason, value = read(role, random.choice(STARTS) + opened + thought, finish)
        require(status != "ok", f"half a thought is read as {value!r}")
        require(reason, "no reason")
        return
    lead = "" if role == "whole" else random.choice(LEADS)
    inside = f"{opened}{thought}{closed}\n" if opened else ""
    text = random.choice(STARTS) + inside + lead + ANSWERS[role] + random.choice(ENDS)
    if way == "noise":
        text = flipped(text.encode(), random, random.choice([1, 3, 30])).decode("utf-8", "replace") * random.choice(
            [1, 500]
        )
        status, reason, value = read(role, text, "stop")
        require(status in ("ok", "refused", "failed", "unparsed"), f"status {status}")
        require((status == "ok") is (value is not None), f"{status} with {value!r}")
        require(status == "ok" or (reason and len(reason) < 500 and "\n" not in reason), f"reason {reason!r}")
        return
    status, reason, value = read(role, text, "stop")
    require(status == "ok", f"{text!r} gives {status}: {reason}")
    require(value == EXPECTED[role], f"{text!r} is read as {value!r}")


def read(role: str, text: str, finish: str) -> tuple[str, str, object]:
    """Status, reason and value of a reply."""
    reply = Reply("0" * 64, "ok", "", text, {"input_tokens": 9, "output_tokens": 99}, "m", "", None, finish)
    if role in ("prompt", "whole"):
        return prompt_in_reply(reply, {"reply": "brackets" if role == "prompt" else "whole"}, REQUEST)
    parse = {
        "grade": reply_parsing.judge_score,
        "yes_no": reply_parsing.yes_or_no,
        "decomposition": reply_parsing.parse_decomposition,
    }
    return read_reply(reply, REQUEST, parse[role], role)


KIND = Kind("model_replies", 150, 20, prepare)
