"""Where weights come from, what they are called, and what can go wrong with the hub."""

import hashlib
import http.server
import shutil
import threading

import pytest

from detailscribe.engines import download, weights
from detailscribe.engines.weights import fetch, model_identity
from detailscribe.errors import InputError, SetupError
from detailscribe.scores import clip_score

HUB = "no-such-owner/no-such-model"


def entry(folder, revision="") -> dict:
    return {"path": str(folder), "revision": revision}


class Hub(http.server.BaseHTTPRequestHandler):
    """A hub that refuses in the ways of the real one, told apart by the name of the repository."""

    ANSWERS = {
        "gated": (403, "GatedRepo"),
        "missing": (404, "RepoNotFound"),
        "rewritten": (404, "RevisionNotFound"),
        "other-format": (404, "EntryNotFound"),
    }

    def do_HEAD(self):
        status, code = self.ANSWERS[self.path.split("/")[2]]
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD

    def log_message(self, *_):
        pass


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("gated", "is gated: accept its licence at https://huggingface.co/lab/gated and set HF_TOKEN"),
        ("missing", "neither a folder here nor a repository that the hub shows: correct `path`"),
        ("rewritten", "has no revision 'v1'"),
        ("other-format", r"has no file model_index\.json"),
    ],
)
def test_refusals_of_the_hub(name, sentence, monkeypatch, tmp_path):
    from huggingface_hub import constants

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    with pytest.raises(SetupError, match=sentence) as caught:
        fetch(f"lab/{name}", "model_index.json", "v1")
    assert "\n" not in str(caught.value)
    server.shutdown()
    server.server_close()


def test_clip_names_the_repository_that_its_weights_come_from():
    known = {"model": "ViT-B-32-quickgelu", "pretrained": "openai", "revision": "abc"}
    [place] = clip_score.weights(known)
    assert place["repository"].count("/") == 1
    assert (place["revision"], place["files"]) == ("abc", ["open_clip_model.safetensors"])
    assert clip_score.weights(known | {"pretrained": "/a/file.safetensors"}) == []


def test_a_file_by_its_address_is_recorded_and_checked(tmp_path, monkeypatch):
    import torch

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    (tmp_path / "there.pth").write_bytes(b"weights")
    address = f"file://{tmp_path}/there.pth"
    record = download.fetch_address(address)
    assert record["files"] == {"there.pth": hashlib.sha256(b"weights").hexdigest()}
    assert (weights.check_records(), download.fetch_address(address)) == ((1, []), record)
    kept = tmp_path / "torch" / "checkpoints" / "there.pth"
    kept.write_bytes(b"others")
    assert weights.check_records() == (1, [f"{kept}: not as it was fetched; delete it and {weights.FETCH_AGAIN}"])
    with pytest.raises(SetupError, match="not as it was fetched"):
        download.fetch_address(address)
    kept.unlink()
    assert "no longer there" in weights.check_records()[1][0]
    assert download.fetch_address(address) == record
    with pytest.raises(SetupError, match=r"nowhere\.pth could not be fetched"):
        download.fetch_address(f"file://{tmp_path}/nowhere.pth")


def test_identity_of_a_small_folder_is_its_content(miniature, tmp_path):
    folder = shutil.copytree(miniature / "sd3", tmp_path / "sd3")
    before = model_identity(entry(folder))
    assert before == model_identity(entry(miniature / "sd3", revision="of no account"))
    (folder / ".cache").mkdir()
    (folder / ".cache" / "note").write_text("left by a download")
    assert model_identity(entry(folder)) == before

    changed = folder / "vae" / "diffusion_pytorch_model.safetensors"
    content = bytearray(changed.read_bytes())
    content[-1] ^= 1
    changed.write_bytes(content)
    other = model_identity(entry(folder))
    assert other != before
    content[-1] ^= 1
    changed.write_bytes(content)
    changed.rename(changed.with_name("renamed.safetensors"))
    assert model_identity(entry(folder)) not in (before, other)


def test_identity_of_large_and_distant_models_is_their_revision(miniature, monkeypatch):
    distant = "stabilityai/stable-diffusion-3.5-large"
    assert model_identity(entry(distant, revision="abc")) == f"{distant}@abc"
    with pytest.raises(InputError, match="revision of the model 'stabilityai/.*is empty: a repository"):
        model_identity(entry(distant))
    monkeypatch.setattr(weights, "SMALL_FOLDER_BYTES", 1000)
    folder = miniature / "sd3"
    assert model_identity(entry(folder, revision="abc")) == f"{folder}@abc"
    with pytest.raises(InputError, match="is empty: a folder over 256 MiB"):
        model_identity(entry(folder))
    with pytest.raises(SetupError, match="no model folder"):
        model_identity(entry("/nowhere/at/all"))
