"""Readings of a real vision-language model's logits, through the client, equal those computed by hand."""

import importlib
import math

import numpy as np
import pytest
from PIL import Image

from detailscribe.llm.client import Chat
from detailscribe.methods.roles import render_messages
from detailscribe.scores.judges.marks import judge_images
from tests.open.tiny_vlm import build_tiny_vlm
from tests.unit.scores.judges.test_marks_by_probability import parameters

EVERY_TOKEN = 10_000
WORDS = ["<4>", "<5>", "yes", "Yes", " no", "no"]
# Tokens of each mark: single bytes and words of the vocabulary.
GRADES = {1: ["1"], 2: ["2"], 3: ["3"], 4: ["4", "<4>"], 5: ["5", "<5>"]}
ANSWERS = {1: ["yes", "Yes"], 0: ["no", " no"]}
JUDGES = {
    "expected": ({"template": "judge_rubric", "scale": "grade"}, GRADES),
    "p_yes": ({"template": "judge_yes_no", "scale": "yes_no"}, ANSWERS),
}
RECORDS = [
    {"id": f"fox-{n}", "topic": "tie knot", "prompt": prompt}
    for n, prompt in enumerate(["A fox ties a knot.", "A hen stirs a pot with a spoon."])
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    importlib.import_module("detailscribe.engines.torch_setup")  # a CPU build of torch needs it before transformers
    folder = tmp_path_factory.mktemp("models") / "tiny"
    build_tiny_vlm(folder, WORDS)
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Pictures of noise, by prompt."""
    folder, generator = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    found = {}
    for record in RECORDS:
        path = folder / f"{record['id']}.png"
        Image.fromarray(generator.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(path)
        found[record["id"]] = {"status": "ok", "reason": "", "path": path, "sha256": "unused"}
    return found


def by_hand(server, judge, record, path, marks):
    """Value, entropy and mass outside the marks, from the logits of the same input written down as text."""
    values = {"prompt": record["prompt"], "topic": record["topic"], "scale": judge["scale"], "structured": False}
    system, user = (each["content"] for each in render_messages(judge["template"], reading=judge["reading"], **values))
    text = f"system: {system}user: <image>{user}assistant: "  # the chat template's line breaks follow a block
    with Image.open(path) as image:
        logits = server.logits(text, [image.convert("RGB")]).numpy()
    probabilities = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    ids = {value: server.processor.tokenizer.convert_tokens_to_ids(tokens) for value, tokens in marks.items()}
    mass = {value: float(probabilities[numbers].sum()) for value, numbers in ids.items()}
    total = sum(mass.values())
    shares = {value: each / total for value, each in mass.items()}
    entropy = -sum(share * math.log2(share) for share in shares.values())
    return sum(value * share for value, share in shares.items()), entropy, 1 - total


@pytest.mark.parametrize("reading", JUDGES)
def test_readings_are_the_softmax_of_the_model_s_logits(model, pictures, tmp_path, reading):
    from tests.logit_server import LogitServer

    changes, marks = JUDGES[reading]
    judge = parameters(**changes, reading=reading, options={"top_logprobs": EVERY_TOKEN})
    with LogitServer(model, [token for tokens in marks.values() for token in tokens]) as server:
        endpoint = {"kind": "openai", "base_url": server.base_url, "key_env": "", "in_flight": 1, "timeout_s": 60}
        endpoint |= {"max_retries": 0, "input_usd_per_million": 0, "output_usd_per_million": 0}
        chat = Chat({"server": endpoint}, tmp_path / "exchanges", "live")
        rows = judge_images(RECORDS, {"a": pictures}, judge, chat, fingerprints=tmp_path / "fingerprints")
        for record, row in zip(RECORDS, rows, strict=True):
            value, entropy, outside = by_hand(server, judge, record, pictures[record["id"]]["path"], marks)
            assert row["status"] == "ok"
            assert row["score"] == pytest.approx(value, abs=1e-6)
            assert row["entropy"] == pytest.approx(entropy, abs=1e-6)
            assert row["outside"] == pytest.approx(outside, abs=1e-6)
            assert min(marks) < value < max(marks) and 0 < outside < 1
    assert len({row["score"] for row in rows}) == len(RECORDS)
    again = Chat(chat.endpoints, tmp_path / "exchanges", "replay")
    assert judge_images(RECORDS, {"a": pictures}, judge, again, fingerprints=tmp_path / "fingerprints") == rows
