"""A small study to pack: exchanges with and without image or large body, an image with ledger and seconds, prompts."""

import hashlib
from pathlib import Path

from detailscribe.files.ledger import Ledger
from detailscribe.files.rows import write_rows
from detailscribe.images.seconds import LEDGERS
from detailscribe.llm import exchange_store
from detailscribe.llm.request import Answer, Request
from detailscribe.miniature.stand_in_content import placeholder_png
from detailscribe.operations.archive.members import STORE

PIXELS, KEY = b"pixels", hashlib.sha256(b"key").hexdigest()
ROW = {"id": "a", "status": "ok", "file": f"mine/images/original-1/000-of-001/a-{KEY[:16]}.jpg", "key": KEY}
ROW |= {"sha256": hashlib.sha256(PIXELS).hexdigest(), "prompt": "c", "exchange": "0" * 64, "software": {"torch": "2.1"}}

SECONDS = {"id": "a", "key": KEY, "seconds": 2.5, "steps": 28, "images": 1, "processor": "card", "first": False}


def record(folder, question, **answer) -> str:
    request = Request("critique", "here", "m", [{"role": "user", "content": question}], kind=answer.pop("kind", "chat"))
    given = {"status": "ok", "text": "<fine>", "usage": {"input_tokens": 1, "output_tokens": 1}, "served_model": "m"}
    return exchange_store.record_answer(folder / STORE, request, Answer(**given | answer), {}).digest


def make_study(folder: Path) -> Path:
    """A study with a decomposition, two judgements and two images, hosted and generated; a further exchange."""
    digests = [record(folder, str(n), body={"logprobs": ["token"] * 5000 * (n == 0)}) for n in range(3)]
    hosted = record(folder, "image", kind="image", image=placeholder_png("x"), text="")
    record(folder, "of another study")
    results = folder / "results" / "mine"
    write_rows(results / "decompositions" / "000-of-001.jsonl", [{"id": "a", "exchange": digests[0]}])
    write_rows(results / "scores" / "judge-main" / "000-of-001.jsonl", [{"id": "a", "exchange": digests[1:]}])
    write_rows(results / "images" / "hosted" / "000-of-001.jsonl", [{"id": "a", "exchange": hosted}])
    write_rows(results / "critiques" / "c" / "000-of-001.jsonl", [{"id": "a", "exchange": None}])
    generated = folder / "results" / ROW["file"]
    generated.parent.mkdir(parents=True)
    generated.write_bytes(PIXELS)
    Ledger(results / "ledgers" / "images" / "original-1" / "000-of-001.jsonl").add(ROW)
    Ledger(results / LEDGERS / "original-1" / "000-of-001.jsonl").add(SECONDS)
    write_rows(folder / "resources" / "written" / "some.jsonl", [{"topic": "a/b.png", "prompt": "c"}])
    (folder / "resources" / "written" / "some.exchanges.txt").write_text(f"{digests[0]}\n")
    return folder
