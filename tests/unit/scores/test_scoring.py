"""Scores of a shard: broken inputs, fingerprints, and independence of what is installed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detailscribe.errors import InputError
from detailscribe.files.digests import file_sha256
from detailscribe.files.ledger import Ledger
from detailscribe.miniature import blip
from detailscribe.scores import load_metric
from detailscribe.scores.fingerprints import fingerprint, one_fingerprint, recipe_of
from detailscribe.scores.scoring import score_images
from tests.paths import REPOSITORY
from tests.pictures import picture


def entries(miniature) -> dict[str, dict]:
    reward, vqa = (f"local-dir:{miniature / name}" for name in ("image_reward", "blip_vqa"))
    return {
        "clip_score": {"model": f"local-dir:{miniature / 'clip'}", "pretrained": "", "revision": ""},
        "image_reward": {"model": reward, "vocabulary": reward, "revision": ""},
        "blip_vqa": {"model": vqa, "vocabulary": vqa, "revision": "", "size_px": 64},
    }


@pytest.fixture
def files(tmp_path) -> dict[str, Path]:
    """A picture of each awkward kind, by what is wrong with it."""
    good = picture(64, 64)
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
    files["text"].write_text("no picture")
    files["missing"] = tmp_path / "missing.png"
    return files


BROKEN = {"truncated", "empty", "text", "missing"}
PROMPTS = {
    "plain": ("A fox and a parrot perch on a branch.", ["A fox", "a parrot", "a branch"]),
    "empty": ("", []),
    "500 words": ("a fox on a log by " * 100, ["a fox", "a log"] * 100),
    "emoji": ("🦊 🦜 on a 🌳", ["🦊", "a 🌳"]),
    "strange": ("\u202e\x00 𝔘𝔫𝔦 <|endoftext|> [SEP] {{ 7 * 7 }}", ["𝔘𝔫𝔦", "[SEP]"]),
}


@pytest.mark.parametrize("name", ["clip_score", "image_reward", "blip_vqa"])
def test_every_broken_input_is_a_row_and_never_a_crash(miniature, files, tmp_path, name):
    metric, parameters = load_metric(name), entries(miniature)[name]
    if name == "blip_vqa":  # with random weights: the trained one is sure that it sees no fox in any of these pictures
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


HIDDEN = """
import importlib.util, json, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torchvision":
            raise ModuleNotFoundError(f"No module named {name}", name=name)

found = importlib.util.find_spec
if sys.argv[1] == "hidden":
    sys.meta_path.insert(0, Absent())
    importlib.util.find_spec = lambda name, package=None: None if name == "torchvision" else found(name, package)
from detailscribe.scores import load_metric
from PIL import Image
scores = {}
for name, entry in json.loads(sys.argv[2]).items():
    scorer = load_metric(name).load(entry)
    phrases = [[["a fox", "a branch"]]] if name == "blip_vqa" else []
    scores[name] = scorer.score(["A fox on a branch."], [Image.open(sys.argv[3])], *phrases)[0]
print("SCORES", json.dumps([scores, "torchvision" in sys.modules]))
"""


def test_scores_do_not_depend_on_whether_torchvision_is_installed(miniature, tmp_path):
    picture(101, 47).save(tmp_path / "a.png")
    # open_clip itself imports torchvision, so that clip_score is not to be had without it.
    wanted = json.dumps({name: entry for name, entry in entries(miniature).items() if name != "clip_score"})
    found = []
    for kind in ("there", "hidden"):
        run = subprocess.run(
            [sys.executable, "-c", HIDDEN, kind, wanted, tmp_path / "a.png"],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        )
        assert run.returncode == 0, run.stderr[-2000:]
        found.append(json.loads(run.stdout.split("SCORES ")[1]))
    assert not found[1][1]
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-5)


def row(score, made_by):
    return {"id": "a", "image_set": "x", "score": score, "fingerprint": made_by}


def test_scores_of_two_fingerprints_are_refused_with_both_named(tmp_path):
    recipes = [{"weights": "w", "libraries": {"torch": version}} for version in ("2.13.0", "2.12.0")]
    first, second = (fingerprint(recipe, tmp_path) for recipe in recipes)
    assert one_fingerprint("clip_score", [], tmp_path) == ""
    assert one_fingerprint("clip_score", [row(1, first), row(None, second), row(None, None)], tmp_path) == first
    with pytest.raises(InputError) as caught:
        one_fingerprint("clip_score", [row(1, first), row(2, second), row(0, first)], tmp_path)
    message = str(caught.value)
    assert f"{first[:12]} (2 scores) and {second[:12]} (1)" in message
    assert "libraries.torch (2.13.0 / 2.12.0)" in message and "run again" in message
    with pytest.raises(InputError, match="name a dated model"):
        one_fingerprint("judge-main", [row(1, first), row(2, "unknown")], tmp_path)


def test_a_fingerprint_holds_what_decides_and_not_where_it_lies():
    metric = load_metric("clip_score")
    one = {"module": "clip_score", "model": "local-dir:/here", "pretrained": "", "revision": "", "algorithm": 2}
    other = one | {"model": "local-dir:/there", "revision": "x", "libraries": {"torch": "planned"}}
    assert recipe_of(metric, one, "w") == recipe_of(metric, other, "w")
    assert recipe_of(metric, one, "w") != recipe_of(metric, one, "v")
    assert recipe_of(metric, one, "w") != recipe_of(metric, one | {"size_px": 3}, "w")
    assert "+" not in recipe_of(metric, one, "w")["libraries"]["torch"]
    assert recipe_of(metric, one, "w")["recipe"]["prefix"] == "A photo depicts "
