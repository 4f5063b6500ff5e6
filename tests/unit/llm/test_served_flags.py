"""Flags of servers: what the job sets, what has a key of its own, what changes answers; and `command`."""

import pytest

from detailscribe.errors import InputError
from detailscribe.llm.served.command_line import Weights, command_line
from detailscribe.llm.served.flags import named_files
from detailscribe.llm.served.kinds import check_served
from tests.unit.llm.served_helpers import ENDPOINT

LLAMA = {**ENDPOINT, "kind": "llama_cpp", "file": "x.gguf"}
PYTHON = {**LLAMA, "command": "python -m llama_cpp.server"}
TRANSFORMERS = {**ENDPOINT, "kind": "transformers"}
OWN, ANSWERS, NO_NAME = "the job sets it itself", "it changes answers; write it in `flags`", "is not the name of a flag"

FLAGS = [  # (endpoint, group, flag, value, what is said; "": it is accepted)
    *((ENDPOINT, "flags", name, 1, NO_NAME) for name in (5, "", "a b", "port=99", "a\nb", "---x", None, True)),
    *(
        (ENDPOINT, "flags", name, 1, OWN)
        for name in ("port", "--Port", "HOST", "api_key", "revision", "m", "por", "uds")
    ),
    *((each, "machine_flags", "host", "0.0.0.0", OWN) for each in (ENDPOINT, LLAMA, PYTHON, TRANSFORMERS)),
    *(
        (endpoint, group, flag, "x", f"set `{key}` of the endpoint instead")
        for group in ("flags", "machine_flags")
        for endpoint, flag, key in (
            (ENDPOINT, "chat-template", "chat_template"),
            (ENDPOINT, "quantization", "quantization"),
            (ENDPOINT, "q", "quantization"),
            (ENDPOINT, "quant", "quantization"),
            (ENDPOINT, "max_model_len", "options: context"),
            (ENDPOINT, "tensor-parallel-size", "options: tensor_parallel"),
            (ENDPOINT, "mm-processor-kwargs.max_pixels", "options: image_tokens"),
            (LLAMA, "ctx-size", "options: context"),
            (LLAMA, "c", "options: context"),
            (LLAMA, "parallel", "in_flight"),
            (LLAMA, "chat-template-file", "chat_template"),
            (LLAMA, "mmproj", "projector"),
            (PYTHON, "n_ctx", "options: context"),
            (TRANSFORMERS, "quantization", "quantization"),
            (TRANSFORMERS, "reasoning", "options: thinking"),
        )
    ),
    *(
        (endpoint, "machine_flags", flag, "x", ANSWERS)
        for endpoint, flag in (
            *((ENDPOINT, each) for each in ("dtype", "tokenizer", "seed", "kv_cache_dtype", "lora-modules")),
            (
                ENDPOINT,
                "hf-overrides.rope_scaling",
            ),
            *((LLAMA, each) for each in ("cache-type-k", "lora", "chat-template", "temp")),
            *((PYTHON, each) for each in ("chat_format", "rope_freq_base")),
            (TRANSFORMERS, "attn_implementation"),
        )
    ),
    *((ENDPOINT, "flags", "x", value, "is no value of a flag") for value in ([], [1, [2]])),
    *((ENDPOINT, "flags", flag, 1, "") for flag in ("seed", "dtype", "tokenizer", "enforce-eager", "--max-num-seqs")),
    *((ENDPOINT, "machine_flags", flag, 1, "") for flag in ("gpu-memory-utilization", "max-num-seqs", "swap-space")),
    *((LLAMA, "machine_flags", flag, 1, "") for flag in ("n-gpu-layers", "threads", "flash-attn")),
    (PYTHON, "machine_flags", "n_threads", 1, ""),
    (ENDPOINT, "machine_flags", "limit-mm-per-prompt", {"image": 1}, ""),
    (LLAMA, "flags", "chat-template", "chatml", ""),
]


@pytest.mark.parametrize(("endpoint", "group", "flag", "value", "said"), FLAGS, ids=range(len(FLAGS)))
def test_a_flag_is_accepted_or_refused_with_a_way_out(endpoint, group, flag, value, said):
    check = {**endpoint, "options": {group: {flag: value}}}
    if not said:
        check_served("local", check)
        return
    with pytest.raises(InputError) as caught:
        check_served("local", check)
    assert said in str(caught.value) and str(caught.value).startswith(f"endpoints: local: options: {group}: ")
    assert "\n" not in str(caught.value)


COMMANDS = [
    (ENDPOINT, "'", 'command: "\'" cannot be read (No closing quotation); write it as a list of words'),
    (ENDPOINT, "  ", "command: '   ' names no program; write it as 'vllm serve'".replace("   ", "  ")),
    (ENDPOINT, "/opt/it's/vllm serve", "cannot be read"),
    (ENDPOINT, [""], "names no program"),
    (ENDPOINT, ["vllm", "se\0rve"], "names no program"),
    (ENDPOINT, "vllm serve --port 5", "command: '--port': the job sets it itself"),
    (ENDPOINT, "vllm serve --quantization=awq", "set `quantization` of the endpoint instead"),
    (ENDPOINT, "vllm serve --dtype float16", "it changes answers"),
    (LLAMA, "/opt/llama-server -c 5", "set `options: context`"),
    (LLAMA, "llama-server --temp 0", "it changes answers"),
    (PYTHON, "python -m llama_cpp.server --n_ctx 5", "set `options: context`"),
    (TRANSFORMERS, "transformers serve --dtype bf16", "it changes answers"),
    (ENDPOINT, ["/opt/it's/vllm", "serve"], ""),
    (ENDPOINT, "apptainer exec --nv --env seed=1 image.sif vllm serve", ""),
    (ENDPOINT, "vllm serve --max-num-seqs 4", ""),
    (TRANSFORMERS, "/env/bin/transformers serve", ""),
]


@pytest.mark.parametrize(("endpoint", "command", "said"), COMMANDS, ids=range(len(COMMANDS)))
def test_a_command_starts_a_program_and_changes_no_answer(endpoint, command, said):
    if not said:
        check_served("local", {**endpoint, "command": command})
        return
    with pytest.raises(InputError) as caught:
        check_served("local", {**endpoint, "command": command})
    assert said in str(caught.value) and str(caught.value).startswith("endpoints: local: command: ")


KWARGS = [
    (ENDPOINT, "default-chat-template-kwargs", True),
    (PYTHON, "chat_template_kwargs", True),
    (LLAMA, "chat-template-kwargs", True),
    (LLAMA, "default-chat-template-kwargs", False),
]


@pytest.mark.parametrize(("endpoint", "flag", "refused"), KWARGS)
def test_thinking_is_said_in_one_place(endpoint, flag, refused):
    options = {"thinking": False, "flags": {flag: {"enable_thinking": True}}}
    check_served("local", {**endpoint, "options": {"flags": options["flags"]}})
    if not refused:
        check_served("local", {**endpoint, "options": options})
        return
    with pytest.raises(InputError, match="contradicts or replaces `thinking`; remove `thinking`"):
        check_served("local", {**endpoint, "options": options})


SETTINGS = [
    ({"base_url": "http://u:secret@x/v1"}, "base_url: it is of a service that is there already"),
    ({"key_env": "X"}, "key_env: it is of a service"),
    ({"default_query": {"a": "b"}}, "remove it, or set it to {}"),
    ({"model": "~nouser/x"}, "model: '~nouser/x' is no path that can be used here"),
    ({"model": "x" * 5000}, "(File name too long)"),
    ({"model": "-x/y"}, "has a character that it cannot have"),
    ({"model": "a\nb"}, "model: 'a\\nb' has a character"),
    ({"version": "0.33\n"}, "version: '0.33\\n' has a character"),
    ({"chat_template": "x" * 300}, "chat_template: "),
    ({"options": {"context": 4096.0}}, "options: context: 4096.0 is written with a point; write 4096"),
    ({"in_flight": 2.0}, "in_flight: 2.0 is written with a point; write 2"),
    ({"base_url": "", "key_env": "", "default_query": {}}, ""),
]


@pytest.mark.parametrize(("changes", "said"), SETTINGS, ids=range(len(SETTINGS)))
def test_a_setting_that_cannot_be_used_is_one_sentence(changes, said):
    if not said:
        check_served("local", {**ENDPOINT, **changes})
        return
    with pytest.raises(InputError) as caught:
        check_served("local", {**ENDPOINT, **changes})
    assert said in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_mappings_in_a_list_are_json():
    flags = {"lora-modules": [{"name": "a", "path": "/x"}, "b=/y"]}
    words = command_line({**ENDPOINT, "options": {"flags": flags}}, Weights("/w"), "m", 5)
    assert words[-3:] == ["--lora-modules", '{"name": "a", "path": "/x"}', "b=/y"]


def test_files_that_flags_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.json", "auto", "lora/adapter.bin"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    flags = {"x": "a.json", "lora_modules": ["one=lora/", {"path": str(tmp_path / "lora")}], "dtype": "auto"}
    flags |= {"y": 5, "z": "none.json", "here": ".", "odd": "a\0.b"}
    found = [(flag, text) for flag, text, _ in named_files(flags)]
    assert found == [("lora-modules", "lora/"), ("lora-modules", str(tmp_path / "lora")), ("x", "a.json")]
