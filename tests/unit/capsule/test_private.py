"""What is private cannot get into a capsule: planted in every kind of file, it is not in any member."""

import gzip
import zipfile
from pathlib import Path

import pytest

from detailscribe.capsule.layout import is_member
from detailscribe.capsule.make import make_capsule
from detailscribe.errors import SetupError
from detailscribe.workflow.parameters import stage_parameters
from tests.paths import REPOSITORY
from tests.stub_study import StubStudy
from tests.unit.capsule.plants import NAMES, all_bytes, config, exchange, plant_all, rows, text, traces


def seal(study: StubStudy, capsule: Path, monkeypatch, **options) -> dict[str, bytes]:
    monkeypatch.chdir(study.folder)
    make_capsule(capsule, REPOSITORY, study.config | {"capsule": options}, stage_parameters)
    with zipfile.ZipFile(capsule) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> tuple[bytes, dict[str, bytes]]:
    folder = tmp_path_factory.mktemp("planted")
    study = StubStudy(folder / "study")
    study.write()
    plant_all(study)
    whole = all_bytes(study, study.folder)
    with pytest.MonkeyPatch.context() as monkeypatch:
        pages = seal(study, folder / "pages.zip", monkeypatch, images="thumbnails", report=True)
        members = {f"{name} with pages": data for name, data in pages.items()}
        members |= seal(study, folder / "capsule.zip", monkeypatch, images="whole")
    for name in [name for name in members if name.endswith(".gz")]:
        members[f"{name} unpacked"] = gzip.decompress(members[name])
    return whole, members


@pytest.mark.parametrize("number", range(len(NAMES)), ids=NAMES)
def test_what_is_planted_is_in_no_member(planted, number):
    whole, members = planted
    assert any(trace in whole for trace in traces(number)), "the study itself does not hold it"
    found = [name for name, data in members.items() if any(each in data + name.encode() for each in traces(number))]
    assert not found


def test_the_capsule_of_a_planted_study_still_holds_its_results(planted):
    _, members = planted
    assert all(is_member(name.removesuffix(" unpacked").removesuffix(" with pages")) for name in members)
    assert "study/results/mine/report/index.html with pages" in members
    for part in (
        "scores/clip_score",
        "critiques/detailscribe",
        "human/ratings.csv",
        "tables/main.csv",
        "images/hosted",
    ):
        assert any(f"results/mine/{part}" in name for name in members), part
    assert members["study/results/mine/human/ratings.csv"].startswith(b"rater,id,image_set,rating,file\nrater_1,")
    assert sum(name.startswith("study/resources/exchanges/") for name in members) >= 120


def test_what_is_left_out_or_changed_is_named(planted):
    _, members = planted
    contents = members["capsule.json"].decode()
    for name in ("figures/main.svg", "tables/main.md", "tables/main.tex", "figures/main.png", "images/gpt_refine/"):
        assert f"study/results/mine/{name}" in contents.partition('"left_out"')[2].partition("}")[0], name
    assert "study/results/mine/dropped.tsv" in contents.partition('"cleaned"')[2].partition("}")[0]


# What goes in word for word: a find stops the making.
STOPS = {
    "prompt": (text("results/mine/prompts.jsonl", "", "otter", "/home/annmarsh/otter"), "prompts"),
    "answer": (exchange(lambda e, p: e["reply"].update(text=p), "sk-ABCDEFGHIJ1234567890"), "exchange"),
    "critique": (rows("critiques/detailscribe/*.jsonl", "https://ann:secret@host/", "critique"), "critiques"),
    "label": (config(lambda c, p: c["labels"]["methods"].update(sd=p), "/Users/annmarsh"), "config.yaml"),
    "token": (exchange(lambda e, p: e["reply"].update(text=p), "Bearer abcdefghijklmnop1234"), "exchange"),
}


@pytest.mark.parametrize(("plant", "place"), STOPS.values(), ids=STOPS)
def test_a_private_text_stops_the_making_and_is_named_by_its_place_alone(tmp_path, monkeypatch, plant, place):
    study = StubStudy(tmp_path / "study")
    study.write()
    plant(study, "")
    with pytest.raises(SetupError, match=place) as error:
        seal(study, tmp_path / "capsule.zip", monkeypatch)
    assert not any(word in str(error.value) for word in ("annmarsh", "secret", "ABCDEF", "abcdef"))
    assert not (tmp_path / "capsule.zip").exists()


@pytest.mark.parametrize(
    ("name", "value"), [("MY_API_KEY", "correct horse battery"), ("HF_TOKEN", "plain-words-token")]
)
def test_the_value_of_a_secret_variable_in_an_answer_stops_the_making(tmp_path, monkeypatch, name, value):
    from detailscribe.capsule.shown import private_texts

    monkeypatch.setenv(name, value)
    private_texts._known_here.cache_clear()
    study = StubStudy(tmp_path / "study")
    study.write()
    exchange(lambda e, p: e["reply"].update(text=f"It says {p}."), value)(study, "")
    try:
        with pytest.raises(SetupError, match=name):
            seal(study, tmp_path / "capsule.zip", monkeypatch)
    finally:
        private_texts._known_here.cache_clear()


def test_a_request_with_an_option_of_the_users_is_left_out_unless_the_configuration_names_it(tmp_path, monkeypatch):
    study = StubStudy(tmp_path / "study", prompts=1, shards=1)
    study.write()
    study.rename_request(options={"user": "ann_marsh", "temperature": 0})
    members = seal(study, tmp_path / "a.zip", monkeypatch)
    assert not [name for name in members if name.startswith("study/resources/exchanges/")]
    assert b"ann_marsh" not in b"".join(members.values())
    assert b"capsule: options" in members["capsule.json"] and b"user" in members["capsule.json"]
    allowed = seal(study, tmp_path / "b.zip", monkeypatch, options=["user"])
    assert [name for name in allowed if name.startswith("study/resources/exchanges/")]
