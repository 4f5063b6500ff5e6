"""Scoring of a shard: each pair once, broken inputs, and scorers that fail."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detailscribe.engines.gpu.device_errors import DeviceError
from detailscribe.errors import SetupError
from detailscribe.files.digests import file_sha256
from detailscribe.files.ledger import Ledger
from detailscribe.miniature.models import blip
from detailscribe.scores import load_metric
from detailscribe.scores.fingerprints import phrase_sources
from detailscribe.scores.scoring import score_images
from tests.device_faults import FAULTS, OF_DEVICES, OF_PROMPTS, fault
from tests.sample_images import smooth_image
from tests.unit.scores.miniature_metrics import miniature_metrics

RECORDS = {id: {"id": id, "topic": f"topic {id}", "prompt": f"prompt {id}"} for id in ("a", "b")}
BROKEN = {"truncated", "empty", "text", "missing"}
PROMPTS = {
    "plain": ("A fox and a parrot perch on a branch.", ["A fox", "a parrot", "a branch"]),
    "empty": ("", []),
    "500 words": ("a fox on a log by " * 100, ["a fox", "a log"] * 100),
    "emoji": ("🦊 🦜 on a 🌳", ["🦊", "a 🌳"]),
    "strange": ("\u202e\x00 𝔘𝔫𝔦 <|endoftext|> [SEP] {{ 7 * 7 }}", ["𝔘𝔫𝔦", "[SEP]"]),
}


class Scorer:
    """A metric that counts its loads and calls; the score is the image's width."""

    ALGORITHM, LIBRARIES, weights = 1, (), "w"
    loads = calls = 0

    @classmethod
    def load(cls, parameters):
        cls.loads += 1
        return cls()

    def score(self, prompts, images):
        type(self).calls += 1
        return [float(image.width) for image in images]


@pytest.fixture
def scorer():
    return type("Fresh", (Scorer,), {"loads": 0, "calls": 0})


def manifest_row(folder, name, width=8):
    path = folder / name
    Image.new("RGB", (width, 8)).save(path)
    return {"status": "ok", "reason": "", "path": path, "sha256": file_sha256(path)}


def test_images_are_scored_once_and_the_scorer_is_loaded_on_demand(tmp_path, scorer):
    sets = {"x": {"a": manifest_row(tmp_path, "a.png", 5), "b": manifest_row(tmp_path, "b.png", 7)}}
    ledger = tmp_path / "ledger.jsonl"
    rows = score_images(RECORDS, sets, {"p": 1}, "", scorer, Ledger(ledger), fingerprints=tmp_path)
    assert [row["score"] for row in rows] == [5.0, 7.0]
    assert score_images(RECORDS, sets, {"p": 1}, "", scorer, Ledger(ledger), fingerprints=tmp_path) == rows
    assert (scorer.loads, scorer.calls) == (1, 2)
    changed = score_images(RECORDS, sets, {"p": 2}, "", scorer, Ledger(ledger), fingerprints=tmp_path)
    assert scorer.calls == 4
    assert changed[0]["fingerprint"] != rows[0]["fingerprint"]


def test_rows_of_a_metric_that_reads_phrases_name_their_source(tmp_path, scorer):
    scorer.score = lambda self, prompts, images, phrases: [float(len(phrases[0]))]
    sets = {"x": {"a": manifest_row(tmp_path, "a.png", 5), "b": manifest_row(tmp_path, "b.png", 7)}}
    phrases = {id: {"id": id, "phrases": ["a fox"], "source": "spacy"} for id in RECORDS}
    ledger = Ledger(tmp_path / "ledger.jsonl")
    rows = score_images(RECORDS, sets, {}, "", scorer, ledger, phrases=phrases, fingerprints=tmp_path)
    assert [(row["score"], row["phrases"]) for row in rows] == [(1.0, "spacy")] * 2
    phrases["b"]["source"] = "user"  # the same phrases: no new score
    again = score_images(RECORDS, sets, {}, "", scorer, ledger, phrases=phrases, fingerprints=tmp_path)
    assert [row["phrases"] for row in again] == ["spacy", "user"] and again[1]["key"] == rows[1]["key"]
    assert scorer.loads == 1 and phrase_sources(again) == "spacy, user" and phrase_sources([{"score": 1}]) == ""


def test_a_missing_or_broken_image_is_a_row_without_a_score(tmp_path, scorer):
    broken = tmp_path / "b.jpg"
    Image.new("RGB", (64, 64), (200, 30, 9)).save(broken)
    broken.write_bytes(broken.read_bytes()[:-40])
    sets = {
        "x": {
            "a": {"status": "refused", "reason": "no", "path": None, "sha256": None},
            "b": {"status": "ok", "reason": "", "path": broken, "sha256": "s"},
        }
    }
    rows = score_images(RECORDS, sets, {}, "", scorer, Ledger(tmp_path / "ledger.jsonl"), fingerprints=tmp_path)
    assert [(row["score"], row["status"]) for row in rows] == [(None, "skipped"), (None, "failed")]
    assert "refused" in rows[0]["reason"] and rows[1]["reason"]


def breaking(scorer, name, where):
    """A metric whose device breaks at its load, at the digest of its weights, or at its second image."""

    def broken(*_):
        raise fault(name)

    def score(self, prompts, images):
        type(self).calls += 1
        return broken() if self.calls == 2 else [float(image.width) for image in images]

    parts = {"load": {"load": broken}, "weights": {"weights": property(broken)}, "score": {"score": score}}
    return type("Breaking", (scorer,), parts[where])


@pytest.mark.parametrize("name", OF_DEVICES)
@pytest.mark.parametrize("where", ["load", "weights", "score"])
def test_a_broken_device_ends_the_job_and_the_next_run_goes_on(tmp_path, scorer, name, where):
    sets = {"x": {"a": manifest_row(tmp_path, "a.png", 5), "b": manifest_row(tmp_path, "b.png", 7)}}
    settings, ledger = {"module": "clip_score"}, tmp_path / "ledger.jsonl"
    with pytest.raises(DeviceError) as caught:
        score_images(RECORDS, sets, settings, "", breaking(scorer, name, where), Ledger(ledger), fingerprints=tmp_path)
    message = str(caught.value)
    assert caught.value.kind == FAULTS[name][1] and "what was finished is kept" in message
    if where == "score":
        assert ("at the prompt b of x; " in message) is (caught.value.kind == "broken")
    if FAULTS[name][1] == "memory":
        assert "too small for the metric clip_score" in message and "score on a larger GPU" in message
    rows = score_images(RECORDS, sets, settings, "", scorer, Ledger(ledger), fingerprints=tmp_path)
    assert [row["score"] for row in rows] == [5.0, 7.0]
    assert scorer.calls == (1 if where == "score" else 2), "the score from before the fault is kept"


@pytest.mark.parametrize("name", OF_PROMPTS)
def test_what_one_image_does_is_one_row(tmp_path, scorer, name):
    sets = {"x": {"a": manifest_row(tmp_path, "a.png", 5), "b": manifest_row(tmp_path, "b.png", 7)}}
    metric, ledger = breaking(scorer, name, "score"), Ledger(tmp_path / "ledger.jsonl")
    rows = score_images(RECORDS, sets, {}, "", metric, ledger, fingerprints=tmp_path)
    assert [row["status"] for row in rows] == ["ok", "failed"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_score_that_is_not_a_finite_number_is_a_failure(tmp_path, scorer, value):
    def score(self, prompts, images):
        return [value if images[0].width == 5 else 1.0]

    scorer.score = score
    sets = {"x": {"a": manifest_row(tmp_path, "a.png", 5), "b": manifest_row(tmp_path, "b.png", 7)}}
    rows = score_images(RECORDS, sets, {}, "", scorer, Ledger(tmp_path / "ledger.jsonl"), fingerprints=tmp_path)
    assert [(row["score"], row["status"]) for row in rows] == [(None, "failed"), (1.0, "ok")]


def test_a_scorer_that_fails_at_every_image_stops_the_job(tmp_path, scorer):
    def score(self, prompts, images):
        raise RuntimeError("no kernel image")

    scorer.score = score
    sets = {"x": {id: manifest_row(tmp_path, f"{id}.png") for id in RECORDS}}
    with pytest.raises(SetupError, match="no image could be scored.*no kernel image"):
        score_images(RECORDS, sets, {}, "", scorer, Ledger(tmp_path / "ledger.jsonl"), fingerprints=tmp_path)


def test_a_broken_set_up_of_a_scorer_stops_the_job(tmp_path):
    class Broken(Scorer):
        @classmethod
        def load(cls, parameters):
            raise SetupError("no weights")

    sets = {"x": {id: manifest_row(tmp_path, f"{id}.png") for id in RECORDS}}
    with pytest.raises(SetupError):
        score_images(RECORDS, sets, {}, "", Broken, Ledger(tmp_path / "ledger.jsonl"))


@pytest.fixture
def files(tmp_path) -> dict[str, Path]:
    """An image of each unusual or broken kind, by kind."""
    good = smooth_image(64, 64)
    files = {}

    def save(name: str, image: Image.Image, suffix: str = "png") -> Path:
        files[name] = tmp_path / f"{name}.{suffix}"
        image.save(files[name])
        return files[name]

    save("good", good, "jpg")
    cut = save("truncated", good.resize((256, 256)), "jpg")
    cut.write_bytes(cut.read_bytes()[:-200])
    save("cmyk", good.convert("CMYK"), "jpg")
    save("grey", good.convert("L"))
    save("grey-16", Image.fromarray(np.asarray(good.convert("L")).astype(np.uint16) * 257))
    save("alpha", good.convert("RGBA"))
    save("grey-alpha", good.convert("LA"))
    save("palette", good.convert("P"))
    save("one-pixel", good.resize((1, 1)))
    save("wide", good.resize((8000, 100)))
    save("tall", good.resize((100, 8000)))
    files["empty"] = tmp_path / "empty.jpg"
    files["empty"].write_bytes(b"")
    files["text"] = tmp_path / "text.png"
    files["text"].write_text("no image")
    files["missing"] = tmp_path / "missing.png"
    return files


@pytest.mark.parametrize("name", ["clip_score", "image_reward", "blip_vqa"])
def test_every_broken_input_is_a_row_and_never_a_crash(miniature, files, tmp_path, name):
    metric, parameters = load_metric(name), miniature_metrics(miniature)[name]
    if name == "blip_vqa":  # with random weights: the trained one is certain that no image shows a fox
        blip.save_blip_vqa(tmp_path / "vqa", blip.vocabulary(["a fox parrot branch"]), blip.Sizes(64, 1, 64, 64, 1, 64))
        parameters |= dict.fromkeys(("model", "vocabulary"), f"local-dir:{tmp_path / 'vqa'}")
    records = {id: {"id": id, "topic": "t", "prompt": text} for id, (text, _) in PROMPTS.items()}
    phrases = {id: {"id": id, "phrases": found} for id, (_, found) in PROMPTS.items()}
    image_sets = {
        kind: dict.fromkeys(
            records,
            {
                "status": "ok",
                "reason": "",
                "path": path,
                "sha256": file_sha256(path) if path.is_file() else "gone",
            },
        )
        for kind, path in files.items()
    }
    image_sets["refused"] = dict.fromkeys(records, {"status": "refused", "reason": "no", "path": None, "sha256": None})
    asked = phrases if name == "blip_vqa" else None
    ledger = Ledger(tmp_path / "ledger.jsonl")
    rows = score_images(records, image_sets, parameters, "", metric, ledger, phrases=asked, fingerprints=tmp_path)
    assert len(rows) == len(records) * len(image_sets)
    for row in rows:
        if row["image_set"] == "refused" or (row["id"] == "empty" and name == "blip_vqa"):
            expected = "skipped"
        else:
            expected = "failed" if row["image_set"] in BROKEN else "ok"
        assert (row["status"], row["score"] is not None, bool(row["reason"])) == (
            expected,
            expected == "ok",
            expected != "ok",
        ), row
    by_kind = {row["image_set"]: row["score"] for row in rows if row["id"] == "plain" and row["status"] == "ok"}
    assert by_kind["grey"] == by_kind["grey-16"] == by_kind["grey-alpha"]
    assert len({f"{score:.3g}" for score in by_kind.values()}) > 3
    backwards = {kind: image_sets[kind] for kind in reversed(image_sets)}
    again = score_images(
        dict(reversed(records.items())),
        backwards,
        parameters,
        "",
        metric,
        Ledger(tmp_path / "other.jsonl"),
        phrases=asked,
        fingerprints=tmp_path,
    )
    assert {(row["id"], row["image_set"]): row for row in again} == {(row["id"], row["image_set"]): row for row in rows}
