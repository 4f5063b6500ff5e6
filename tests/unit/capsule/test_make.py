"""A study becomes the same bytes wherever and whenever it is sealed; what is unfinished or changed is named."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from detailscribe.capsule.contents import contents_check
from detailscribe.capsule.layout import COLUMNS, CONFIG, CONTENTS, CRATE, WORKFLOW, is_member, kind_of
from detailscribe.capsule.make import make_capsule
from detailscribe.errors import InputError, SetupError
from detailscribe.files.output_records import record_outputs
from detailscribe.llm.exchange_store import load_exchange
from detailscribe.study.study import Study
from detailscribe.workflow.parameters import stage_parameters
from tests.paths import REPOSITORY
from tests.stub_study import SCENARIO, StubStudy

SEAL = """
import sys, yaml
from pathlib import Path
from detailscribe.capsule.make import make_capsule
from detailscribe.workflow.parameters import stage_parameters
config = yaml.safe_load(Path("config/config.yaml").read_text())
config["scenarios"]["mine"]["file"] = str(Path("my_prompts.jsonl").absolute())
make_capsule(Path(sys.argv[1]), Path(sys.argv[2]), config, stage_parameters)
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> StubStudy:
    study = StubStudy(tmp_path_factory.mktemp("finished") / "study")
    study.write()
    return study


@pytest.fixture
def study(finished, tmp_path, monkeypatch) -> StubStudy:
    copy = StubStudy(tmp_path / "copy")
    shutil.copytree(finished.folder, copy.folder, dirs_exist_ok=True)
    copy.config["scenarios"][SCENARIO]["file"] = str(copy.folder / "my_prompts.jsonl")
    monkeypatch.chdir(copy.folder)
    return copy


def seal(study: StubStudy, capsule: Path, **options) -> tuple[list[str], dict[str, bytes]]:
    said = make_capsule(capsule, REPOSITORY, study.config | {"capsule": options}, stage_parameters)
    with zipfile.ZipFile(capsule) as archive:
        assert archive.testzip() is None
        return said, {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("images", ["none", "whole", "thumbnails"])
def test_every_member_is_of_the_layout_and_in_the_contents(study, tmp_path, images):
    said, members = seal(study, tmp_path / "a.zip", images=images)
    contents = json.loads(members[CONTENTS])
    assert contents["check"] == contents_check(members[CONTENTS])
    assert contents["files"].keys() == members.keys() - {CONTENTS}
    assert all(map(is_member, members)) and contents["images"] == images
    assert all(contents["files"][name]["bytes"] == len(members[name]) for name in contents["files"])
    pictures = [name for name in members if name.endswith((".jpg", ".jpeg"))]
    of_sets = 3 * len(study.study.image_sets())
    assert len(pictures) == {"none": 0, "whole": of_sets + 3, "thumbnails": of_sets}[images]
    assert contents["left_out"] == {} and contents["date"] == "2026-05-01T10:00:00+00:00"
    assert said[0].startswith(str(tmp_path / "a.zip"))


def test_exchanges_of_a_capsule_are_whole_ones_and_name_no_image_that_is_not_there(study, tmp_path):
    _, members = seal(study, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    paths = sorted((tmp_path / "unpacked/study/resources/exchanges").glob("*/*.json"))
    exchanges = [load_exchange(path) for path in paths]
    hosted = [each for each in exchanges if each["role"] == "image"]
    assert len(hosted) == 3 and all(each["reply"]["image"] is None for each in hosted)
    assert all(each["reply"]["image_sha256"] for each in hosted)
    cleaned = json.loads(members[CONTENTS])["cleaned"]
    assert {name for name in cleaned if "exchanges" in name} == {
        f"study/resources/exchanges/{each['digest'][:2]}/{each['digest']}.json" for each in hosted
    }


def test_the_same_study_gives_the_same_bytes_in_another_folder_zone_language_and_mask(study, tmp_path):
    moved = tmp_path / "some other folder"
    shutil.copytree(study.folder, moved)
    names, runs = ["a.zip", "b.zip"], [(study.folder, {}, 0o022), (moved, {"TZ": "Asia/Tokyo", "LC_ALL": "C"}, 0o077)]
    for name, (folder, variables, mask) in zip(names, runs, strict=True):
        subprocess.run(
            [sys.executable, "-c", SEAL, str(tmp_path / name), str(REPOSITORY)],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY), "PYTHONHASHSEED": str(mask)} | variables,
            preexec_fn=lambda mask=mask: os.umask(mask) and None,
            check=True,
        )
    first, second = ((tmp_path / name).read_bytes() for name in names)
    assert first == second
    with zipfile.ZipFile(tmp_path / names[0]) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {info.external_attr >> 16 for info in archive.infolist()} == {0o100644}


def test_the_configuration_in_a_capsule_makes_the_same_study_from_its_own_files(study, tmp_path, monkeypatch):
    import yaml

    _, members = seal(study, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    monkeypatch.chdir(tmp_path / "unpacked/study")
    config = yaml.safe_load(members[CONFIG])
    again = Study(config, REPOSITORY)
    assert again.image_sets() == study.study.image_sets() and again.config["exchanges"] == "replay"
    sealed = {name: json.loads(data) for name, data in members.items() if "/results/parameters/" in name}
    now = stage_parameters(again)
    assert {Path(name).stem for name in sealed} == now.keys()
    differing = [
        Path(name).stem for name, values in sealed.items() if json.loads(json.dumps(now[Path(name).stem])) != values
    ]
    assert differing == []


def test_an_unfinished_scenario_is_left_out_and_named(study, tmp_path):
    study.config["scenarios"]["second"] = study.config["scenarios"][SCENARIO]
    study.config["study"] = [SCENARIO, "second"]
    said, members = seal(study, tmp_path / "a.zip")
    contents = json.loads(members[CONTENTS])
    assert contents["scenarios"] == [SCENARIO] and "generate" in contents["unfinished"]["second"]
    assert any("second" in line and "unfinished" in line for line in said)
    assert "study/results/tables/main.csv" not in members and "results/tables" in contents["left_out"]
    assert b"second" not in members[CONFIG]


def test_a_study_without_a_finished_scenario_names_what_is_missing(study, tmp_path):
    next(Path(f"results/{SCENARIO}/critiques/detailscribe").iterdir()).unlink()
    with pytest.raises(InputError, match=rf"{SCENARIO} lacks, or has out of date: critique.*snakemake {SCENARIO}"):
        seal(study, tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()


def test_pages_are_made_from_what_the_capsule_shows(study, tmp_path):
    _, members = seal(study, tmp_path / "a.zip", images="thumbnails", report=True)
    page = members[f"study/results/{SCENARIO}/report/index.html"].decode()
    assert "withheld.invalid" in page and "zoe_quill" not in page and str(study.folder) not in page
    prompts = [name for name in members if f"{SCENARIO}/report/prompts/" in name]
    assert len(prompts) == 3 and b"exchanges: replay" in members[f"study/results/{SCENARIO}/report/index.html"]


def test_pages_without_images_are_refused(study, tmp_path):
    with pytest.raises(InputError, match="capsule: report: .*thumbnails or whole"):
        seal(study, tmp_path / "a.zip", report=True)


def damage_exchange(folder: Path) -> None:
    path = sorted(folder.glob("resources/exchanges/*/*.json"))[0]
    path.write_text(path.read_text().replace("otter", "heron").replace('"batch"', ' "batch"'))


def lose_exchange(folder: Path) -> None:
    sorted(folder.glob("resources/exchanges/*/*.json"))[0].unlink()


def change_table(folder: Path) -> None:
    path = Path(f"results/{SCENARIO}/tables/main.csv")
    record_outputs(Path("results"), [path])
    path.write_text(path.read_text().replace("0.5", "0.9"))


def change_image(folder: Path) -> None:
    path = sorted(folder.glob(f"results/{SCENARIO}/images/*/*/*.jpg"))[0]
    path.write_bytes(path.read_bytes() + b"x")


def lose_image(folder: Path) -> None:
    sorted(folder.glob(f"results/{SCENARIO}/images/*/*/*.jpg"))[0].unlink()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (damage_exchange, "damaged"),
        (lose_exchange, "missing"),
        (change_table, "main.csv was changed since"),
        (change_image, "was changed since"),
        (lose_image, "cannot be read"),
    ],
)
def test_what_was_changed_is_not_sealed(study, tmp_path, change, message):
    change(study.folder)
    with pytest.raises(SetupError, match=f"{message}.*snakemake verify"):
        seal(study, tmp_path / "a.zip", images="whole")
    assert not (tmp_path / "a.zip").exists()


def test_the_metadata_are_those_of_the_study_and_of_the_code(study, tmp_path):
    _, members = seal(study, tmp_path / "a.zip", license="CC-BY-4.0")
    graph = {each["@id"]: each for each in json.loads(members[CRATE])["@graph"]}
    root = graph["./"]
    assert root["license"]["@id"] == "https://spdx.org/licenses/CC-BY-4.0"
    assert graph[WORKFLOW]["license"]["@id"] == "https://spdx.org/licenses/MIT"
    assert root["datePublished"] == graph["#run"]["endTime"] == "2026-05-01T10:00:00+00:00"
    assert root["mainEntity"]["@id"] == WORKFLOW and root["citation"]["@id"].startswith("https://aclanthology.org/")
    assert "https://w3id.org/ro/wfrun/workflow/0.5" in {each["@id"] for each in root["conformsTo"]}
    assert graph["https://pypi.org/project/torch/"]["softwareVersion"] == "2.13.0 and 2.13.0+cpu"
    described = {part["@id"] for part in root["hasPart"]}
    assert all(any(name == part or name.startswith(part) for part in described) for name in members if name != CRATE)
    files = json.loads(members[CONTENTS])["files"]
    table = graph[f"study/results/{SCENARIO}/tables/main.csv"]
    assert table["sha256"] == files[table["@id"]]["sha256"]


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        (f"study/results/mine/scores/{'a' * 99}/000-of-001.jsonl", True),
        ("study/results/mine/scores/../000-of-001.jsonl", False),
        ("study/results/mine/images/original-1/000-of-001/a-0123456789abcdef.jpg", True),
        ("study/results/mine/images/original-1/000-of-001/a-0123456789abcdef.exe", False),
        ("study/resources/exchanges/ab/cd" + "0" * 62 + ".json", False),
        ("study/logs/generate.log", False),
        ("results/mine/prompts.jsonl", False),
        ("study//etc/passwd", False),
        ("README.md", True),
    ],
)
def test_names_of_members(name, is_one):
    assert is_member(name) == is_one


def test_each_folder_of_rows_has_columns():
    from detailscribe.study.stages import ROW_FOLDERS

    assert {each.folder for each in ROW_FOLDERS} <= COLUMNS.keys()
    assert all(
        kind_of(f"study/results/mine/{each.folder}/x/000-of-001.jsonl")
        or each.folder in ("decompositions", "noun_phrases", "parts")
        for each in ROW_FOLDERS
    )
