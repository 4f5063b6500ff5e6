"""Weights from the hub: fetched once, by a target of their own; from then on no network is needed."""

import json
import shutil

import pytest
from PIL import Image

from tests.hub_server import COMMIT, REPOSITORY, HubServer
from tests.workflow.small_study import Study

pytestmark = pytest.mark.slow  # several runs of a study each

RECORD = "resources/weights/lab--tiny@main.json"


@pytest.fixture
def repository(miniature, tmp_path):
    """The tiny pipeline as a repository, with the duplicates that real ones have."""
    folder = shutil.copytree(miniature / "sd3", tmp_path / "hub")
    (folder / "all_in_one.safetensors").write_bytes(b"large")
    shutil.copy(
        folder / "vae" / "diffusion_pytorch_model.safetensors",
        folder / "vae" / "diffusion_pytorch_model.fp16.safetensors",
    )
    return folder


def hub_model(fresh) -> dict:
    """The small study with the image model at the hub."""
    model = {"pipeline": "StableDiffusion3Pipeline", "path": REPOSITORY, "revision": "main", "precision": "fp32"}
    model |= {"offload": "none", "compile": "none", "batch": "candidates", "size_px": 32, "max_sequence_length": 32}
    return {"image_model": "distant", "image_models": {"distant": model | {"call": {}, "notice": "tiny"}}}


def test_weights_behind_a_licence_are_fetched_once_recorded_and_used_without_a_network(fresh, repository, tmp_path):
    changes, cache = hub_model(fresh), tmp_path / "cache"
    with HubServer(repository, token="hf_secret") as hub:
        online = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub.address, "HF_HOME": str(cache)}
        output = fresh.snakemake("weights", expect=1, env=online, **changes)
        [message] = [line for line in output.splitlines() if line.startswith("fetch_weights:")]
        assert f"the model {REPOSITORY} is gated: accept its licence" in message and "HF_TOKEN" in message
        assert "Traceback" not in output
        online["HF_TOKEN"] = "hf_secret"
        fresh.snakemake("weights", env=online, **changes)
        assert not {name for name in hub.served if "fp16" in name or "all_in_one" in name}
    record = json.loads((fresh.folder / RECORD).read_text())
    assert (record["repository"], record["revision"], record["commit"]) == (REPOSITORY, "main", COMMIT)
    assert {name for name in record["files"] if name.endswith(".safetensors")} == {
        *(f"text_encoder{number}/model.safetensors" for number in ("", "_2", "_3")),
        *(f"{part}/diffusion_pytorch_model.safetensors" for part in ("transformer", "vae")),
    }

    offline = {"HF_HOME": str(cache)}
    initial = "results/small/images/original-11/000-of-001.jsonl"
    Study(fresh.folder, real=True).snakemake(initial, env=offline, **changes)
    assert {image.size for image in map(Image.open, fresh.results.glob("small/images/*/*/*.jpg"))} == {(32, 32)}
    fresh.snakemake("small_refine", env=offline, **changes)
    images = fresh.images()
    assert len(images) == 4 * (2 + 1 + 3), "seeds, a rewriter and candidates, of which each job makes all"
    with Image.open(fresh.results / next(iter(images))) as image:
        origin = json.loads(image.getexif()[0x010E])
    assert (origin["model"], origin["revision"]) == (REPOSITORY, COMMIT)

    # A batch of candidates runs whole, and one lost image comes back with the same bytes.
    lost = next(file for file in images if "/detailscribe-k1/" in file)
    (fresh.results / lost).unlink()
    fresh.snakemake("small_refine", env=offline, **changes)
    assert fresh.images() == images

    weights = next(cache.rglob("snapshots/*/vae/*.safetensors")).resolve()
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert f"{weights}: not as it was fetched" in fresh.snakemake("verify", env=offline, **changes)
    output = fresh.snakemake("weights", "-R", "fetch_weights", expect=1, env=offline, **changes)
    assert "not as it was fetched; delete it and run" in output
    weights.unlink()
    assert "no longer there" in fresh.snakemake("verify", env=offline, **changes)
    with HubServer(repository, token="hf_secret") as hub:
        fresh.snakemake("weights", "-R", "fetch_weights", env=online | {"HF_ENDPOINT": hub.address}, **changes)
    assert json.loads((fresh.folder / RECORD).read_text()) == record


def test_without_network_or_record_the_way_out_is_named(fresh):
    output = fresh.snakemake("weights", expect=1, **hub_model(fresh))
    assert "is not on this machine and the hub was not reached: connect to the network" in output
