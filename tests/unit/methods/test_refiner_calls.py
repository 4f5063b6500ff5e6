"""A user's refiner at work on one prompt: what it raises or returns, as a failed row or as the end of the job."""

import contextlib

import pytest
from PIL import Image

from detailscribe.engines.gpu.device_errors import DeviceError
from detailscribe.errors import InputError, SetupError
from detailscribe.files.rows import read_rows
from detailscribe.images.image_set import make_images
from detailscribe.images.recipes import ImageRecipes
from detailscribe.methods.refine import refinement_requests
from detailscribe.study.refinements import Refinement

RECORDS = [{"id": "good", "prompt": "A fox."}, {"id": "bad", "prompt": "A hen."}]
MODULE = """
import errno
from PIL import Image
from detailscribe.errors import InputError, SetupError
from detailscribe.images.image_reader import RefusedImage
ALGORITHM, SETTINGS, READS_IMAGE = 1, {}, False
def graph(entry):
    return [entry.refinement({entry.name: {}})]
def request(source, image_set, values, recipes):
    own, bad = {}, source.id == "bad"
    REQUEST
    return recipes.refined_request(source.id, image_set, source.text, own)
def steps(values, full):
    return STEPS
def draw(engine, request):
    bad = request.id == "bad"
    DRAW
    return Image.new("RGB", (8, 8), (200, len(request.id), 0))
"""


def made(tmp_path, monkeypatch, recipes, request="pass", draw="pass", steps="full", module=MODULE) -> dict[str, dict]:
    """Rows by id of the images of a module, of which `bad` may go wrong."""
    monkeypatch.chdir(tmp_path)
    text = module.replace("REQUEST", request).replace("DRAW", draw).replace("STEPS", steps)
    (tmp_path / "mine.py").write_text(text)
    recipes.parameters["refiner"] = {"name": "mine", "algorithm": 1}
    refinement = Refinement("r", "mine.py", "initial", {"r": {}}, reads_image=False)
    requests = refinement_requests(RECORDS, refinement, None, None, recipes)

    def render(group):
        image = group[0].drawn_by.draw(None, group[0])
        assert group[0].drawn_by.steps(group[0]) >= 0
        return [image] * len(group)

    make_images(tmp_path / "results", "s", "0001", ["r"], requests, {"format": "png"}, render, dict)
    return {row["id"]: row for row in read_rows(tmp_path / "results" / "s" / "images" / "r" / "0001.jsonl")}


ROWS = [
    ("request", "assert not bad, 'no'", "AssertionError: no (mine.py, line "),
    ("request", "if bad: raise InputError('no mask of it')", "no mask of it"),
    ("request", "if bad: return None", "request() of mine.py must return the image request of bad in r, got None"),
    ("request", "if bad: source = type(source)('good', *[''] * 3)", "request() of mine.py must return the image requ"),
    ("request", "own = {'x': {1, 2}} if bad else {}", "TypeError: "),
    ("draw", "if bad: raise InputError('no mask of it')", "no mask of it"),
    ("draw", "if bad: open('no-such-mask.png')", "FileNotFoundError: [Errno 2] No such file or directory: 'no-such-m"),
    ("draw", "if bad: Image.new('RGB', (8, 8)).resize((-1, 8))", "ValueError: "),
    ("draw", "if bad: return None", "draw() of mine.py must return a PIL image, got a NoneType"),
    ("draw", "if bad: raise ValueError('odd')", "ValueError: odd (mine.py, line 17)"),
]


@pytest.mark.parametrize(("place", "line", "reason"), ROWS)
def test_what_cannot_be_made_for_one_prompt_is_a_failed_row(tmp_path, monkeypatch, recipes, place, line, reason):
    rows = made(tmp_path, monkeypatch, recipes, **{place: line})
    assert {id: row["status"] for id, row in rows.items()} == {"good": "ok", "bad": "failed"}
    assert rows["bad"]["reason"].startswith(reason), rows["bad"]["reason"]


def test_a_refusal_is_one(tmp_path, monkeypatch, recipes):
    rows = made(tmp_path, monkeypatch, recipes, draw="if bad: raise RefusedImage('not this')")
    assert (rows["bad"]["status"], rows["bad"]["reason"], rows["good"]["status"]) == ("refused", "not this", "ok")


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"request": "if bad: raise SetupError('fetch it')"}, SetupError, "^fetch it$"),
        ({"request": "import no_such_package"}, SetupError, r"^the refiner mine\.py needs the package no_such_package"),
        ({"draw": "if bad: raise SetupError('fetch it')"}, SetupError, "^fetch it$"),
        ({"draw": "import no_such_package"}, SetupError, r"^the refiner mine\.py needs the package no_such_package"),
        ({"draw": "if bad: raise RuntimeError('CUDA error: out of memory')"}, DeviceError, "memory is too small"),
        ({"draw": "if bad: raise MemoryError()"}, DeviceError, "main memory"),
        ({"draw": "if bad: raise OSError(errno.ENOSPC, 'No space left')"}, OSError, "No space left"),
        ({"steps": "values['x']"}, InputError, r"^the refiner mine\.py fails at line 14: KeyError: 'x'; correct it"),
        ({"steps": "None"}, InputError, r"^the refiner mine\.py fails at .*TypeError: 'NoneType' object cannot be int"),
        ({"draw": "return {}['x']"}, SetupError, r"not one image of the shard .* KeyError: 'x' \(mine\.py, line 17\)"),
        ({"request": "return {}['x']"}, SetupError, r"not one image of the .* KeyError: 'x' \(mine\.py, line 11\)"),
        ({"module": MODULE.replace("def draw", "def other")}, InputError, "^the refiner mine.py has no `draw`"),
    ],
)
def test_what_concerns_more_than_a_prompt_ends_the_job(tmp_path, monkeypatch, recipes, changes, error, said):
    with pytest.raises(error, match=said):
        made(tmp_path, monkeypatch, recipes, **changes)


def test_weights_that_are_not_there_are_no_fault_of_the_module(tmp_path, monkeypatch, recipes: ImageRecipes):
    recipes.parameters["model"]["path"] = "some/repository"
    with pytest.raises(InputError, match="revision of the model 'some/repository' is empty"):
        made(tmp_path, monkeypatch, recipes, request="return 1 / 0")


def test_an_image_of_any_mode_is_one(tmp_path, monkeypatch, recipes):
    rows = made(tmp_path, monkeypatch, recipes, draw="if bad: return Image.new('L', (8, 8), 99)")
    assert rows["bad"]["status"] == "ok"
    assert Image.open(tmp_path / "results" / rows["bad"]["file"]).size == (8, 8)


def test_the_traceback_of_a_failed_image_is_in_the_log_once_for_each_place(tmp_path, monkeypatch, recipes, capfd):
    for place in ("request", "draw"):
        line = "if request.id: raise ValueError('odd')" if place == "draw" else "if bad: raise ValueError('odd')"
        with pytest.raises(SetupError) if place == "draw" else contextlib.nullcontext():
            made(tmp_path, monkeypatch, recipes, **{place: line})
        log = capfd.readouterr().err
        assert log.count("Traceback") == log.count(f'mine.py", line {17 if place == "draw" else 11}') == 1, log
