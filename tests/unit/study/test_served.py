"""Identity of served models: what asks again and what does not, in parameters, requests and exchanges."""

import json
from datetime import date
from pathlib import Path

import pytest

from detailscribe.errors import InputError, SetupError
from detailscribe.llm import exchange_store
from detailscribe.llm.request import Answer, Request
from detailscribe.llm.served.command_line import command_line
from detailscribe.methods import decompose
from detailscribe.methods.roles import request_for
from detailscribe.operations.preflight import check_models
from detailscribe.study.served import gpus_of, locate_weights
from detailscribe.workflow.parameters import stage_parameters
from tests.unit.study.configured import configured_study

COMMIT = "c" * 40
ENTRY = {
    "kind": "vllm",
    "model": "Qwen/Qwen2.5-VL-32B-Instruct",
    "revision": COMMIT,
    "version": "0.33.0",
    "in_flight": 32,
    "timeout_s": 600,
    "max_retries": 2,
    "input_usd_per_million": 0,
    "output_usd_per_million": 0,
}


def study(**changes):
    roles = {"decompose": {"endpoint": "local", "model": "qwen"}}
    judges = {"main": {"endpoint": "local", "model": "qwen"}}
    return configured_study(endpoints={"local": {**ENTRY, **changes}}, roles=roles, judges=judges)


def digest(**changes) -> str:
    """Digest of a request of the role decompose."""
    role = decompose.parameters(study(**changes))["decompose"] | {"endpoint": "local"}
    return request_for("decompose", role, {"id": "p1"}, {"prompt": "a fox", "topic": "fox"}).digest


@pytest.mark.parametrize(
    "changes",
    [
        {"revision": "d" * 40},
        {"version": "0.33.1"},
        {"quantization": "fp8"},
        {"options": {"thinking": False}},
        {"options": {"thinking": True}},
        {"options": {"image_tokens": {"max_pixels": 1003520}}},
        {"options": {"flags": {"dtype": "float16"}}},
        {"kind": "transformers"},
        {"kind": "llama_cpp", "file": "a.gguf"},
    ],
)
def test_what_decides_an_answer_asks_again(changes):
    assert digest(**changes) != digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"options": {"context": 4096}},
        {"options": {"tensor_parallel": 4}},
        {"options": {"machine_flags": {"gpu-memory-utilization": 0.8}}},
        {"command": "/opt/vllm/bin/vllm serve"},
        {"in_flight": 1, "timeout_s": 5, "start_timeout_s": 5},
        {"base_url": "", "key_env": ""},
        {"options": {}, "quantization": "", "file": ""},
    ],
)
def test_what_belongs_to_the_machine_does_not(changes):
    assert digest(**changes) == digest()


def test_files_and_program_of_a_gguf_model_count():
    gguf = {"kind": "llama_cpp", "file": "a.gguf", "projector": "p.gguf"}
    others = [{"file": "b.gguf"}, {"projector": "q.gguf"}, {"command": "python -m llama_cpp.server"}]
    assert len({digest(**gguf | change) for change in [{}, *others]}) == 4


def folder_with(path: Path, **files: str) -> str:
    path.mkdir()
    for name, text in files.items():
        (path / f"{name}.json").write_text(text)
    return str(path)


def test_the_path_of_the_weights_is_not_part_of_it_but_their_content_and_template_are(tmp_path):
    files = {"config": "{}", "chat_template": "{{ messages }}"}
    one, two = folder_with(tmp_path / "one", **files), folder_with(tmp_path / "two", **files)
    other = folder_with(tmp_path / "other", **files | {"chat_template": "{{ other }}"})
    assert digest(model=one, revision="") == digest(model=two, revision="") != digest(model=other, revision="")
    assert digest(model=one) == digest(), "a copy of the commit"


@pytest.mark.parametrize("model", ["/none/qwen", "lab/mine"])
def test_weights_that_are_neither_here_nor_named_are_asked_for_by_their_place(model):
    with pytest.raises(InputError, match=f"local: model: there is neither a file nor a folder '{model}'.*for a replay"):
        digest(model=model, revision="")


def test_a_gguf_file_counts_by_its_content(tmp_path):
    for name, content in (("a.gguf", b"1"), ("b.gguf", b"1"), ("c.gguf", b"2")):
        (tmp_path / name).write_bytes(content)
    one, two, other = (
        digest(kind="llama_cpp", model=str(tmp_path / f"{name}.gguf"), revision="") for name in ("a", "b", "c")
    )
    assert one == two != other


def test_a_template_of_ones_own_counts_by_its_content(tmp_path):
    (tmp_path / "a.jinja").write_text("a")
    (tmp_path / "b.jinja").write_text("a")
    one, two = (digest(chat_template=str(tmp_path / name)) for name in ("a.jinja", "b.jinja"))
    (tmp_path / "b.jinja").write_text("b")
    assert digest() != one == two != digest(chat_template=str(tmp_path / "b.jinja"))
    with pytest.raises(InputError, match="chat_template: there is no file"):
        digest(chat_template=str(tmp_path / "none"))


def test_the_template_that_counts_is_the_one_that_is_served(tmp_path, monkeypatch):
    workflow, run = tmp_path / "workflow", tmp_path / "run"
    for folder in (workflow, run):
        folder.mkdir()
    monkeypatch.chdir(run)
    (workflow / "a.jinja").write_text("beside the workflow")
    entry = ENTRY | {"chat_template": "a.jinja"}
    for kind, flag in (("vllm", "--chat-template"), ("llama_cpp", "--chat-template-file")):
        weights = locate_weights(entry, workflow)
        words = command_line(entry | {"kind": kind}, weights, "m", 5)
        assert words[words.index(flag) + 1] == str(workflow / "a.jinja")
    (run / "a.jinja").write_text("of the run")
    assert locate_weights(entry, workflow).chat_template == str(run / "a.jinja"), "as in `Study.resolve`"
    for path in (run, workflow):
        (path / "a.jinja").unlink()
    with pytest.raises(SetupError, match="there is no file .*a.jinja: correct the endpoint's `chat_template`"):
        locate_weights(entry, workflow)


def test_a_file_that_a_flag_names_counts_by_its_content(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lora").mkdir()
    flags = {"lora-modules": "mine=lora/", "enable-lora": True}
    without = digest(options={"flags": flags | {"lora-modules": "mine=other/"}})
    seen = {without, digest(options={"flags": flags})}
    for text in ("a", "b"):
        (tmp_path / "lora" / "adapter.bin").write_text(text)
        seen.add(digest(options={"flags": flags}))
    assert len(seen) == 4
    monkeypatch.setattr("detailscribe.study.served.SMALL_FOLDER_BYTES", 0)
    (tmp_path / "lora" / "adapter.bin").write_text("longer")
    assert digest(options={"flags": flags}) not in seen, "of a large folder, names and sizes"


def test_a_flag_that_names_a_place_of_the_machine_is_no_content(tmp_path, monkeypatch):
    (tmp_path / "hub").mkdir()
    places = {"download-dir": str(tmp_path / "hub"), "allowed_local_media_path": "/"}
    before = digest(options={"flags": places})
    (tmp_path / "hub" / "new").write_text("x")
    assert digest(options={"flags": places}) == before
    with pytest.raises(InputError, match="local: options: flags: other: / has more than 5000 files.*machine_flags"):
        digest(options={"flags": {"other": "/"}})


def test_flags_that_name_no_file_leave_the_identity_as_it_was():
    served = decompose.parameters(study(options={"flags": {"dtype": "float16", "seed": 1}}))["decompose"]["served"]
    assert served["flags"] == {"dtype": "float16", "seed": 1} and "flag_files" not in served


def test_a_large_folder_needs_a_name_and_counts_by_its_template_too(tmp_path, monkeypatch):
    monkeypatch.setattr("detailscribe.engines.weights.SMALL_FOLDER_BYTES", 0)
    folder = folder_with(tmp_path / "large", config="{}", chat_template="a")
    with pytest.raises(InputError, match="local: revision of .* is empty"):
        digest(model=folder, revision="")
    before = digest(model=folder, revision="mine-1")
    assert before != digest(model=folder, revision="mine-2")
    (tmp_path / "large" / "chat_template.json").write_text("b")
    assert before != digest(model=folder, revision="mine-1")


def test_the_record_of_fetched_weights_pins_a_branch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    weights = folder_with(tmp_path / "fetched", config="{}")
    branch = digest(revision="main")
    record = tmp_path / "resources" / "weights" / "Qwen--Qwen2.5-VL-32B-Instruct@main.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"commit": COMMIT, "folder": weights, "files": {"config.json": "x"}}))
    assert digest(revision="main") == digest() != branch
    assert locate_weights({**ENTRY, "revision": "main"}).model == weights


def test_it_is_in_the_parameters_and_in_the_exchange(tmp_path):
    parameters = stage_parameters(study(options={"thinking": False}, quantization="fp8"))
    identity = {"server": "vllm", "version": "0.33.0", "weights": f"commit:{COMMIT}"}
    identity |= {"quantization": "fp8", "thinking": False}
    assert parameters["decompose"]["served"] == parameters["judge-main"]["served"] == identity
    request = Request("judge", "local", "qwen", [{"role": "user", "content": "x"}], served=identity)
    reply = exchange_store.record_answer(tmp_path, request, Answer("ok", text="yes"), ENTRY)
    exchange = exchange_store.load_exchange(exchange_store.exchange_path(tmp_path, reply.digest))
    assert exchange["request"]["served"] == identity


def test_requests_and_parameters_of_other_endpoints_are_as_before():
    messages = [{"role": "user", "content": "Prompt: a fox"}]
    recorded = {  # digests of the version before jobs served models
        "f1ce92f35068482a77dd311030307f4d1e22d4414bfe993ed00fe1d606adfc63": {"options": {"temperature": 0}, "draw": 1},
        "b7f7f17330564dc9ac9ad5db6715dc3ac87f0e34b9eb89df366b84d265b9cce0": {"refresh": 2},
    }
    for known, values in recorded.items():
        assert Request("rewrite", "e", "gpt-4o", messages, **values).digest == known
    assert not any("served" in values for values in stage_parameters(configured_study()).values())


def test_jobs_of_served_models_take_gpus_and_others_none():
    assert (gpus_of(study(), "decompose"), gpus_of(study(), "judge", "main")) == (1, 1)
    assert gpus_of(study(options={"tensor_parallel": 2}), "decompose") == 2
    assert (gpus_of(study(), "critique", "detailscribe"), gpus_of(study(), "external", "hosted")) == (0, 0)


def test_no_preflight_asks_a_server_that_does_not_run_yet():
    settings = {"warn_days": 90, "allow_models": []}
    findings = check_models([("local", "qwen")], {"local": ENTRY}, "live", settings, {}, date(2026, 11, 27))
    assert (findings.notes, findings.problems) == ([], [])


def test_weights_are_found_where_they_are(tmp_path):
    folder = folder_with(tmp_path / "w", config="{}")
    assert locate_weights(ENTRY | {"model": folder}).model == folder and not locate_weights(ENTRY).projector
    assert (locate_weights(ENTRY).model, locate_weights(ENTRY).revision) == (ENTRY["model"], COMMIT)
    (tmp_path / "w" / "m.gguf").write_text("x")
    (tmp_path / "w" / "p.gguf").write_text("x")
    entry = ENTRY | {"kind": "llama_cpp", "model": folder, "file": "m.gguf", "projector": "p.gguf"}
    assert locate_weights(entry).model.endswith("w/m.gguf") and locate_weights(entry).projector.endswith("w/p.gguf")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"revision": "main"}, "not pinned .revision 'main'"),
        ({"kind": "llama_cpp", "file": "x.gguf"}, "the file x.gguf of .* is not on this machine: .*hf download"),
        ({"model": "/no/such/folder"}, "neither a file nor a folder '/no/such/folder'"),
    ],
)
def test_weights_that_are_not_there_are_a_sentence(changes, said):
    with pytest.raises(SetupError, match=said):
        locate_weights(ENTRY | changes)


@pytest.mark.parametrize("model", ["-x", "a\nb", "x" * 300])
def test_a_name_that_no_server_can_be_given_is_refused(model):
    roles = {"decompose": {"endpoint": "local", "model": model}}
    with pytest.raises(InputError, match="roles: decompose: model: .* is no name that vllm can be given"):
        configured_study(endpoints={"local": ENTRY}, roles=roles)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"endpoints": {"local": ENTRY | {"quantization": "a\0b"}}},
            r"local: quantization: 'a\\x00b' has the character",
        ),
        (
            {"endpoints": {"local": ENTRY | {"options": {"flags": {"x": ["\ud800"]}}}}},
            "flags: x: 0: .* has the character",
        ),
        ({"endpoints": {"local": ENTRY | {"options": {"flags": {"x\0": 1}}}}}, "has the character"),
        (
            {"image_models": {"miniature": {"path": "~nouser/x"}}},
            "image_models: miniature: path: '~nouser/x' is no path",
        ),
        ({"scenarios": {"long": "x" * 5000}}, "scenarios: long: .* is no path that can be used here .File name too lo"),
    ],
)
def test_a_text_that_nothing_can_hold_is_refused_wherever_it_stands(changes, said):
    with pytest.raises(InputError, match=said):
        configured_study(**changes)


def test_a_served_model_draws_no_images():
    with pytest.raises(InputError, match="external: hosted: endpoint 'local' serves text"):
        configured_study(endpoints={"local": ENTRY}, external={"hosted": {"endpoint": "local", "model": "qwen"}})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": None}, "version"),
        ({"options": {"contxt": 5}}, "contxt"),
        ({"start_timeout_s": 0}, "0"),
        ({"kind": "openai"}, "base_url"),
        ({}, ""),
    ],
)
def test_the_schema_knows_served_endpoints(changes, said):
    from snakemake.exceptions import WorkflowError
    from snakemake.utils import validate

    from tests.paths import REPOSITORY

    config = json.loads(json.dumps(configured_study().config))
    config["endpoints"]["local"] = {key: value for key, value in {**ENTRY, **changes}.items() if value is not None}
    try:
        validate(config, str(REPOSITORY / "config" / "config.schema.yaml"), set_default=False)
    except WorkflowError as error:
        assert said and said in str(error)
    else:
        assert not said
