"""Weights: identity, and errors of the Hugging Face hub."""

import http.server
import shutil
import threading

import pytest

from detailscribe.engines import weights
from detailscribe.engines.weights import fetch_model_file, model_identity
from detailscribe.errors import InputError, SetupError

HUB = "no-such-owner/no-such-model"


def entry(folder, revision="") -> dict:
    return {"path": str(folder), "revision": revision}


class Hub(http.server.BaseHTTPRequestHandler):
    """A hub that refuses as the real one does; the name of the repository selects the error."""

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
    ("name", "message"),
    [
        ("gated", "is gated: accept its licence at https://huggingface.co/lab/gated and set HF_TOKEN"),
        ("missing", "neither a local folder nor a visible repository of the hub: correct `path`"),
        ("rewritten", "has no revision 'v1'"),
        ("other-format", r"has no file model_index\.json"),
    ],
)
def test_refusals_of_the_hub(name, message, monkeypatch, tmp_path):
    from huggingface_hub import constants

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    with pytest.raises(SetupError, match=message) as caught:
        fetch_model_file(f"lab/{name}", "model_index.json", "v1")
    assert "\n" not in str(caught.value)
    server.shutdown()
    server.server_close()


def test_identity_of_a_small_folder_is_its_content(miniature, tmp_path):
    folder = shutil.copytree(miniature / "sd3", tmp_path / "sd3")
    before = model_identity(entry(folder))
    assert before == model_identity(entry(miniature / "sd3", revision="ignored"))
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


def test_identity_of_large_and_remote_models_is_their_revision(miniature, monkeypatch):
    remote = "stabilityai/stable-diffusion-3.5-large"
    assert model_identity(entry(remote, revision="abc")) == f"{remote}@abc"
    with pytest.raises(InputError, match="revision of the model 'stabilityai/.*is empty: a repository"):
        model_identity(entry(remote))
    monkeypatch.setattr(weights, "SMALL_FOLDER_BYTES", 1000)
    folder = miniature / "sd3"
    assert model_identity(entry(folder, revision="abc")) == f"{folder}@abc"
    with pytest.raises(InputError, match="is empty: a folder over 256 MiB"):
        model_identity(entry(folder))
    with pytest.raises(SetupError, match="no model folder"):
        model_identity(entry("/nowhere/at/all"))
