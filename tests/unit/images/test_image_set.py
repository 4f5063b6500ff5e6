"""Image sets: what is made, kept and recorded."""

import json

import pytest
from PIL import Image

from detailscribe.engines.gpu.device_errors import BROKEN, DeviceError
from detailscribe.errors import SetupError
from detailscribe.files.rows import read_rows
from detailscribe.images import image_set
from detailscribe.images.image_file import save_image
from detailscribe.images.image_reader import UNIFORM, RefusedImage
from detailscribe.images.image_set import ImageRequest, make_images
from tests.device_faults import FAULTS, OF_DEVICES, OF_PROMPTS, fault

SAVING = {"format": "jpeg", "quality": 75}


def request(id, image_set="original-1", **recipe):
    return ImageRequest(id, image_set, prompt=f"prompt of {id}", seed=1, recipe={"id": id, "set": image_set, **recipe})


class Painter:
    """Renders one colour per request and records the requests."""

    def __init__(self, fail=()):
        self.asked, self.fail = [], fail

    def __call__(self, requests):
        self.asked += [(request.id, request.image_set) for request in requests]
        for request in requests:
            if request.id in self.fail:
                raise ValueError("cannot render this")
        return [Image.new("RGB", (8, 8), (len(request.id) * 20, 0, 0)) for request in requests]


def make(folder, requests, painter, saving=SAVING, **more):
    sets = sorted({request.image_set for request in requests})
    make_images(folder, "s", "000-of-001", sets, requests, saving, painter, lambda: {"torch": "0"}, **more)
    return {path.parent.name: read_rows(path) for path in folder.glob("s/images/*/*.jsonl")}


def test_intact_images_are_not_rendered_again(tmp_path):
    requests = [request("a"), request("bb"), request("a", "x-k1")]
    first = make(tmp_path, requests, Painter())
    again = Painter()
    assert make(tmp_path, requests, again) == first
    assert again.asked == []
    assert [row["status"] for row in first["original-1"]] == ["ok", "ok"]


def test_only_missing_and_changed_files_are_rendered_again(tmp_path):
    requests = [request("a"), request("bb"), request("ccc")]
    rows = make(tmp_path, requests, Painter())["original-1"]
    (tmp_path / rows[0]["file"]).unlink()
    (tmp_path / rows[1]["file"]).write_bytes(b"other")
    painter = Painter()
    assert make(tmp_path, requests, painter)["original-1"] == rows
    assert painter.asked == [("a", "original-1"), ("bb", "original-1")]


def test_another_recipe_is_another_file_and_the_old_one_is_kept(tmp_path):
    make(tmp_path, [request("a", guidance=4)], Painter())
    make(tmp_path, [request("a", guidance=5)], Painter())
    painter = Painter()
    make(tmp_path, [request("a", guidance=4)], painter)
    assert painter.asked == []
    assert len(list(tmp_path.glob("s/images/original-1/000-of-001/*"))) == 2


def test_two_prompts_with_one_recipe_get_one_row_each(tmp_path):
    requests = [ImageRequest(id, "gpt_refine", prompt="the same", recipe={"prompt": "the same"}) for id in ("a", "bb")]
    for _ in range(2):
        assert [row["id"] for row in make(tmp_path, requests, Painter())["gpt_refine"]] == ["a", "bb"]


def test_one_failure_is_a_row_and_the_others_are_made(tmp_path):
    rows = make(tmp_path, [request("a"), request("bb")], Painter(fail=["a"]))["original-1"]
    assert [(row["status"], row["file"] is None) for row in rows] == [("failed", True), ("ok", False)]
    assert "cannot render this" in rows[0]["reason"]


def test_a_failure_of_one_image_set_leaves_the_other_images_of_its_prompt(tmp_path):
    def render(requests):
        return Painter(fail=["a"] if requests[0].image_set == "x" else [])(requests)

    rows = make(tmp_path, [request("a", "x"), request("a", "y"), request("bb", "x")], render)
    assert [row["status"] for row in rows["x"]] == ["failed", "ok"]
    assert [row["status"] for row in rows["y"]] == ["ok"]


def test_candidates_that_share_steps_are_drawn_together(tmp_path):
    together = [ImageRequest("a", f"x-k{k}", prompt="p1", k=k, recipe={"prompt": "p0", "k": k}) for k in (1, 2)]
    calls = []

    def render(requests):
        calls.append([request.image_set for request in requests])
        return Painter()(requests)

    make(tmp_path, [*together, request("a", "y")], render)
    assert calls == [["x-k1", "x-k2"], ["y"]]


def test_a_skipped_request_is_a_row_with_its_reason(tmp_path):
    skipped = ImageRequest("a", "original-1", "skipped", "critique refused: no")
    rows = make(tmp_path, [skipped, request("bb")], Painter())["original-1"]
    assert (rows[0]["status"], rows[0]["reason"], rows[0]["file"]) == ("skipped", "critique refused: no", None)


def test_a_setup_error_stops_the_job_and_keeps_earlier_images(tmp_path):
    def render(requests):
        if requests[0].id == "bb":
            raise SetupError("no memory")
        return Painter()(requests)

    with pytest.raises(SetupError):
        make(tmp_path, [request("a"), request("bb")], render)
    painter = Painter()
    make(tmp_path, [request("a"), request("bb")], painter)
    assert painter.asked == [("bb", "original-1")]


@pytest.mark.parametrize("name", OF_DEVICES)
def test_a_broken_device_ends_the_job_and_the_next_run_goes_on(tmp_path, name):
    requests = [request(id) for id in ("a", "bb", "ccc", "dddd")]

    def render(requests):
        if requests[0].id == "ccc":
            raise fault(name)
        return Painter()(requests)

    with pytest.raises(DeviceError) as caught:
        make(tmp_path, requests, render)
    assert caught.value.kind == FAULTS[name][1] and "what was finished is kept" in str(caught.value)
    assert ("at the prompt ccc; " in str(caught.value)) is (caught.value.kind == BROKEN)
    assert not list(tmp_path.glob("s/images/*/*.jsonl")), "a manifest would take the later prompts for failed ones"
    painter = Painter()
    rows = make(tmp_path, requests, painter)["original-1"]
    assert painter.asked == [("ccc", "original-1"), ("dddd", "original-1")]
    assert [row["status"] for row in rows] == ["ok"] * 4


@pytest.mark.parametrize("name", OF_PROMPTS)
def test_what_one_prompt_does_is_one_row(tmp_path, name):
    def render(requests):
        if requests[0].id == "bb":
            raise fault(name)
        return Painter()(requests)

    rows = make(tmp_path, [request(id) for id in ("a", "bb", "ccc")], render)["original-1"]
    assert [row["status"] for row in rows] == ["ok", "failed", "ok"]


@pytest.mark.parametrize("name", ["illegal address", "memory", "cause", "python"])
def test_a_device_that_breaks_while_texts_are_prepared_ends_the_job(tmp_path, name):
    def prepare(requests):
        raise fault(name)

    with pytest.raises(DeviceError):
        make(tmp_path, [request("a"), request("bb")], Painter(), prepare=prepare)


def test_failing_at_every_prompt_is_an_error_and_not_a_table_of_losses(tmp_path):
    with pytest.raises(SetupError, match="not one image of the shard could be made.*cannot render this"):
        make(tmp_path, [request("a"), request("bb")], Painter(fail=["a", "bb"]))


def test_failures_are_rows_where_one_image_exists(tmp_path):
    make(tmp_path, [request("a")], Painter())
    rows = make(tmp_path, [request("a"), request("bb"), request("ccc")], Painter(fail=["bb", "ccc"]))["original-1"]
    assert [row["status"] for row in rows] == ["ok", "failed", "failed"]


def test_an_empty_shard_gets_its_manifests(tmp_path):
    make_images(tmp_path, "s", "000-of-001", ["x-k0", "x-k1"], [], SAVING, Painter(), dict)
    assert [read_rows(path) for path in tmp_path.glob("s/images/*/*.jsonl")] == [[], []]


def test_a_prompt_of_any_length_fits_its_file(tmp_path):
    text = "狐" * 60_000
    [row] = make(tmp_path, [ImageRequest("a", "x", prompt=text, recipe={"prompt": text})], Painter())["x"]
    assert row["status"] == "ok" and row["prompt"] == text


@pytest.mark.parametrize("format", ["jpeg", "png"])
@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("lab/model@c0ffee", {"model": "lab/model", "revision": "c0ffee"}),
        ("sha256:1", {"model": "sha256:1", "revision": ""}),
    ],
)
def test_files_hold_their_origin_and_open_in_pillow(tmp_path, format, model, names):
    image_request = ImageRequest(
        "a", "x", prompt="a baker’s dozen, 狐", seed=2628670643, k=2, recipe={"steps": 28}, model=model
    )
    [row] = make(tmp_path, [image_request], Painter(), {"format": format, "quality": 75})["x"]
    with Image.open(tmp_path / row["file"]) as image:
        image.load()
        text = image.getexif()[0x010E] if format == "jpeg" else image.text["detailscribe"]
    assert text.isascii()
    origin = {"key": image_request.key, "prompt": "a baker’s dozen, 狐", "seed": 2628670643, "k": 2}
    assert json.loads(text) == origin | names


def test_the_default_file_is_pillows_default_jpeg(tmp_path):
    image = Image.effect_noise((64, 64), 60).convert("RGB")
    save_image(image, tmp_path / "ours.jpg", SAVING, {})
    image.save(tmp_path / "pillow.jpg")
    with Image.open(tmp_path / "ours.jpg") as ours, Image.open(tmp_path / "pillow.jpg") as pillow:
        assert ours.tobytes() == pillow.tobytes()
        assert ours.quantization == pillow.quantization


def test_texts_are_prepared_some_prompts_ahead_and_only_for_missing_images(tmp_path, monkeypatch):
    monkeypatch.setattr(image_set, "PREPARE_PROMPTS", 2)
    make(tmp_path, [request("a")], Painter())
    events = []

    def render(requests):
        events.append(("render", *(request.id for request in requests)))
        return Painter()(requests)

    requests = [request(id) for id in ("a", "b", "c", "d")] + [request("c", "x-k1")]
    make(
        tmp_path,
        requests,
        render,
        prepare=lambda requests: events.append(("prepare", *(request.id for request in requests))),
    )
    assert events == [
        ("prepare", "b", "c", "c"),
        ("render", "b"),
        ("render", "c"),
        ("render", "c"),
        ("prepare", "d"),
        ("render", "d"),
    ]


def test_a_black_image_and_what_renders_as_a_refusal_are_refused(tmp_path):
    def render(requests):
        if requests[0].id == "a":
            raise RefusedImage("withheld")
        return [Image.new("RGB", (8, 8), (0, 0, 9 * (request.image_set != "original-1"))) for request in requests]

    rows = make(tmp_path, [request("a"), request("b"), request("b", "x-k1")], render)
    assert [(row["id"], row["status"], row["reason"], row["file"]) for row in rows["original-1"]] == [
        ("a", "refused", "withheld", None),
        ("b", "refused", UNIFORM, None),
    ]
    assert [row["status"] for row in rows["x-k1"]] == ["ok"]
