"""Command lines and environments of the servers that jobs start, what their logs tell, and settings that do not fit."""

import pytest

from detailscribe.errors import InputError
from detailscribe.llm.endpoints import Redactor
from detailscribe.llm.served.command_line import Weights, command_line, served_name, server_environment
from detailscribe.llm.served.kinds import check_served, is_served, needs_gpu, server_program
from detailscribe.llm.served.server_log import is_out_of_memory, is_port_taken, reason_line
from detailscribe.llm.served.startup import is_version
from tests.unit.llm.served_helpers import ENDPOINT

GGUF = {**ENDPOINT, "kind": "llama_cpp", "model": "some/repository-GGUF", "file": "some-Q4_K_M.gguf", "in_flight": 4}
PYTHON_GGUF = {**GGUF, "command": "python -m llama_cpp.server"}
TRANSFORMERS = {**ENDPOINT, "kind": "transformers"}
NONE = Redactor("")
FILES = Weights("/weights/some-Q4_K_M.gguf", projector="/weights/mmproj.gguf")


def line(endpoint: dict, weights: Weights, **options) -> str:
    return " ".join(command_line({**endpoint, "options": options}, weights, "name", 5))


def test_llama_server_shares_its_context_among_its_slots():
    words = line(GGUF, FILES, context=4096, thinking=False, image_tokens=1280)
    assert words == (
        "llama-server --model /weights/some-Q4_K_M.gguf --alias name --mmproj /weights/mmproj.gguf --parallel 4 "
        "--ctx-size 16384 --image-max-tokens 1280 --reasoning off --host 127.0.0.1 --port 5"
    )


def test_llama_cpp_python_has_flags_of_its_own():
    words = line(PYTHON_GGUF, FILES, context=4096, thinking=False, tensor_parallel=0)
    assert words == (
        "python -m llama_cpp.server --model /weights/some-Q4_K_M.gguf --model_alias name "
        "--clip_model_path /weights/mmproj.gguf --n_ctx 4096 "
        '--chat_template_kwargs {"enable_thinking": false} --host 127.0.0.1 --port 5'
    )
    assert "--n_gpu_layers -1" in line(PYTHON_GGUF, FILES)


def test_transformers_serves_one_commit_and_answers_under_its_own_name():
    weights = Weights("some/repository", "b" * 40)
    words = line({**TRANSFORMERS, "quantization": "bnb-4bit"}, weights, thinking=True, tensor_parallel=0)
    pinned = f"some/repository@{'b' * 40}"
    assert words == (
        f"transformers serve {pinned} --quantization bnb-4bit --reasoning on --device cpu --host 127.0.0.1 --port 5"
    )
    assert served_name(TRANSFORMERS, weights, "name") == pinned and served_name(GGUF, FILES, "name") == "name"


def test_flags_of_the_user_follow():
    flags = {"enforce-eager": True, "enable-prefix-caching": False, "limit-mm-per-prompt": {"image": 1}, "lora": [1, 2]}
    words = line(ENDPOINT, Weights("/w"), flags=flags, machine_flags={"gpu-memory-utilization": 0.8})
    assert words.endswith(
        '--port 5 --enforce-eager --no-enable-prefix-caching --limit-mm-per-prompt {"image": 1} --lora 1 2 '
        "--gpu-memory-utilization 0.8"
    )


def test_the_environment_decides_neither_server_nor_answers(monkeypatch):
    theirs = {
        "LLAMA_ARG_CTX_SIZE": "1",
        "LLAMA_CHAT_TEMPLATE_KWARGS": "{}",
        "VLLM_API_KEY": "theirs",
        "HOST": "0.0.0.0",
        "PORT": "80",
        "CONFIG_FILE": "x",
    }
    for name, value in {**theirs, "N_CTX": "1", "VLLM_CACHE_ROOT": "/cache"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    vllm, llama, python, plain = (
        server_environment(endpoint, "ours", 5, {}) for endpoint in (ENDPOINT, GGUF, PYTHON_GGUF, TRANSFORMERS)
    )
    assert vllm["VLLM_API_KEY"] == llama["LLAMA_API_KEY"] == python["API_KEY"] == "ours"
    assert "ours" not in plain.values(), "`transformers serve` knows no key"
    assert (
        not {"LLAMA_ARG_CTX_SIZE", "LLAMA_CHAT_TEMPLATE_KWARGS"} & llama.keys() and vllm["VLLM_CACHE_ROOT"] == "/cache"
    )
    assert (python["HOST"], python["PORT"]) == ("127.0.0.1", "5") and not {"CONFIG_FILE", "N_CTX"} & python.keys()
    assert vllm["CUDA_VISIBLE_DEVICES"] == "3"
    without = server_environment({**ENDPOINT, "options": {"tensor_parallel": 0}}, "ours", 5, {})
    assert without["CUDA_VISIBLE_DEVICES"] == ""


def test_only_servers_of_the_job_need_its_gpus():
    assert [needs_gpu(each) for each in (ENDPOINT, GGUF, {"kind": "openai"}, {"kind": "offline"})] == [1, 1, 0, 0]
    assert needs_gpu({**ENDPOINT, "options": {"tensor_parallel": 4}}) == 4
    assert [is_served(each) for each in (ENDPOINT, {"kind": "openai"})] == [True, False]
    assert [server_program(each) for each in (GGUF, PYTHON_GGUF)] == ["llama-server", "llama_cpp.server"]


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ({**ENDPOINT, "version": ""}, "local: kind vllm needs `version`; .*vllm --version"),
        ({**TRANSFORMERS, "batch": True}, "`batch` needs kind openai or vllm, got 'transformers'; remove it"),
        ({**ENDPOINT, "file": "x.gguf"}, "file: only kind llama_cpp has it"),
        ({**GGUF, "file": ""}, "name the GGUF file of 'some/repository-GGUF' in `file`"),
        ({**TRANSFORMERS, "chat_template": "x.jinja"}, "transformers has no flag for a template file"),
        ({**TRANSFORMERS, "options": {"context": 5}}, "options: context: transformers has no flag"),
        ({**TRANSFORMERS, "options": {"tensor_parallel": 2}}, "transformers serves from one GPU"),
        ({**ENDPOINT, "options": {"image_tokens": 1280}}, "image_tokens: 1280: write the arguments .*max_pixels"),
        ({**GGUF, "options": {"image_tokens": {"a": 1}}}, "write a whole number"),
        ({**PYTHON_GGUF, "options": {"image_tokens": 5}}, "image_tokens: 5: it has no flag"),
        ({**ENDPOINT, "options": {"flags": {"--api_key": "x"}}}, "flags: --api_key: the job sets it itself"),
        ({**ENDPOINT, "options": {"machine_flags": {"port": 5}}}, "machine_flags: port: the job sets it itself"),
    ],
)
def test_a_setting_that_the_server_has_no_flag_for_is_refused(endpoint, said):
    with pytest.raises(InputError, match=said):
        check_served("local", endpoint)


@pytest.mark.parametrize("endpoint", [ENDPOINT, GGUF, PYTHON_GGUF, TRANSFORMERS])
def test_usable_settings_are_accepted(endpoint):
    check_served("local", endpoint)


LOGS = [  # last lines of real servers, shortened
    (
        "(EngineCore_DP0 pid=17) ERROR 09-28 15:47:24 [core.py:718] ValueError: Free memory on device (3.2/4.0 GiB) on "
        "startup is less than desired GPU memory utilization (0.9, 3.6 GiB).\n(APIServer pid=1) RuntimeError: Engine "
        "core initialization failed. See root cause above. Failed core proc(s): {}\n",
        "ValueError: Free memory on device",
        True,
    ),
    (
        "alloc_tensor_range: failed to allocate CUDA0 buffer of size 12306\nsrv load_model: failed to load model\n",
        "al",
        True,
    ),
    (
        "Traceback (most recent call last):\n  File \"a.py\", line 1\n    raise X\nKeyError: 'qwen9'\n    ^^^\n",
        "KeyError: 'q",
        False,
    ),
    ("INFO 11-27 15:00:00 [api_server.py:1] Loading weights\n\n", "Loading weights", False),
    (
        "done_getting_tensors: tensor 'a' cannot be used with preferred buffer type CPU_REPACK, using CPU "
        "instead\nllama_perf_context_print: graphs reused = 6\n",
        "llama_perf_context_print",
        False,
    ),
    ("\x1b[31mERROR:\x1b[0m    Application startup failed. Exiting.\r\n", "ERROR: Application startup failed", False),
    ("", "", False),
]


@pytest.mark.parametrize(("text", "said", "memory"), LOGS)
def test_the_line_of_a_log_that_says_why(tmp_path, text, said, memory):
    (tmp_path / "log").write_text(text)
    assert reason_line(tmp_path / "log", NONE).startswith(said) and is_out_of_memory(tmp_path / "log") is memory


@pytest.mark.parametrize(
    "text",
    [
        "OSError: [Errno 98] Address already in use",
        "ERROR:    [Errno 98] error while attempting to bind on address ('127.0.0.1', 8000): address already in use",
        "E start: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 8033",
    ],
)
def test_a_taken_port_in_the_words_of_each_server(tmp_path, text):
    (tmp_path / "log").write_text(f"before\n{text}\n")
    assert is_port_taken(tmp_path / "log")


def test_a_log_of_any_bytes_is_one_printable_line(tmp_path):
    (tmp_path / "log").write_bytes(bytes(range(256)) * 4000)
    said = reason_line(tmp_path / "log", NONE)
    assert said.isprintable() and len(said) <= 250 and reason_line(tmp_path / "none", NONE) == ""


def test_a_build_of_a_version_is_the_version():
    assert is_version("0.33.0", "0.33.0+cu130") and is_version("b6123", "b6123-4f1a9c")
    assert not is_version("0.33.0", "0.33.01") and not is_version("0.33", "0.33.0")


def test_true_and_false_are_values_for_the_python_server():
    flags = {"flash_attn": True, "machine_flags_apart": False}
    python = " ".join(command_line({**PYTHON_GGUF, "options": {"flags": flags}}, Weights("m.gguf"), "m", 5))
    assert "--flash_attn true" in python and "--machine_flags_apart false" in python
    llama = " ".join(command_line({**GGUF, "options": {"flags": flags}}, Weights("m.gguf"), "m", 5))
    assert "--flash_attn --no-machine_flags_apart" in llama
