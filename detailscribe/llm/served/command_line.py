"""Command line and environment of a server that a job starts: vLLM, llama-server, llama_cpp.server, transformers.

The server's API key is in its environment, never in the command line, which `ps` shows to every user.

Source: vLLM `vllm/entrypoints/openai/cli_args.py` and `envs.py` (VLLM_API_KEY); llama.cpp `tools/server/README.md`
(--alias, --ctx-size, --parallel, --reasoning, --image-max-tokens, LLAMA_API_KEY); llama-cpp-python
`llama_cpp/server/settings.py`, `__main__.py` (API_KEY, HOST, PORT, CONFIG_FILE); transformers 5.23 `cli/serve.py`.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from detailscribe.llm.served.kinds import LLAMA_CPP_PYTHON, batch_command, needs_gpu, server_command, server_program

HOST = "127.0.0.1"
VISIBLE, ORDER = "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"
KEY_VARIABLES = {"vllm": "VLLM_API_KEY", "llama-server": "LLAMA_API_KEY", LLAMA_CPP_PYTHON: "API_KEY"}
# Variables that would change which server starts or what it answers: the configuration alone decides.
HIDDEN = re.compile(r"LLAMA_ARG_\w+|LLAMA_CHAT_TEMPLATE_KWARGS|VLLM_API_KEY|LLAMA_API_KEY|VLLM_PORT|VLLM_HOST_IP")
PYTHON_SERVER_SETTINGS = (  # fields of llama_cpp.server's settings, each of which it also reads from the environment
    *("MODEL", "MODEL_ALIAS", "N_CTX", "SEED", "CHAT_FORMAT", "CHAT_TEMPLATE_KWARGS", "CLIP_MODEL_PATH", "LORA_BASE"),
    *("LORA_PATH", "KV_OVERRIDES", "DRAFT_MODEL", "API_KEY", "ROOT_PATH", "SSL_KEYFILE", "SSL_CERTFILE"),
    *("CONFIG_FILE", "HF_MODEL_REPO_ID", "HF_TOKENIZER_CONFIG_PATH", "HF_PRETRAINED_MODEL_NAME_OR_PATH"),
)


@dataclass(frozen=True)
class Weights:
    """Where a server finds its weights.

    Attributes:
        model: Folder, GGUF file, or repository of the hub.
        revision: Commit of the repository; empty for files on this machine.
        projector: File of the image projector of a GGUF model; empty for none.
        chat_template: Absolute path of a chat template in place of the model's own; empty for none.
    """

    model: str
    revision: str = ""
    projector: str = ""
    chat_template: str = ""


def served_name(endpoint: dict, weights: Weights, model: str) -> str:
    """Name by which the server knows the model: the name that the requests use, where the server can be told."""
    if endpoint["kind"] != "transformers":
        return model
    return f"{weights.model}@{weights.revision}" if weights.revision else weights.model


def command_line(endpoint: dict, weights: Weights, model: str, port: int) -> list[str]:
    """Command that starts an endpoint's server.

    Args:
        endpoint: Its config entry.
        weights: Where the weights are.
        model: Name of the model in the requests.
        port: Port on the loopback interface.
    """
    options, program = endpoint.get("options", {}), server_program(endpoint)
    flags = {**options.get("flags", {}), **options.get("machine_flags", {})}
    arguments = {
        "vllm": _vllm,
        "llama-server": _llama_server,
        LLAMA_CPP_PYTHON: _llama_cpp_python,
        "transformers": _transformers,
    }[program](endpoint, weights, model, options)
    bare = program != LLAMA_CPP_PYTHON  # whose flags all take a value
    return [*server_command(endpoint), *arguments, *_flags({"host": HOST, "port": port, **flags}, bare)]


def batch_command_line(endpoint: dict, weights: Weights, model: str, requests: Path, answers: Path) -> list[str]:
    """Command that answers the requests of a file with vLLM, under the flags of its server.

    Args:
        endpoint: Its config entry.
        weights: Where the weights are.
        model: Name of the model in the requests.
        requests: File with a request per line.
        answers: File that gets an answer per line.
    """
    options = endpoint.get("options", {})
    flags = {**options.get("flags", {}), **options.get("machine_flags", {})}
    files = {"input-file": requests, "output-file": answers}
    arguments = _vllm(endpoint, weights, model, options)
    return [*batch_command(endpoint), "--model", *arguments, *_flags({**files, **flags})]


def _vllm(endpoint: dict, weights: Weights, model: str, options: dict) -> list[str]:
    return [
        weights.model,
        *_flags(
            {
                "served-model-name": model,
                "revision": weights.revision or None,
                "quantization": endpoint.get("quantization") or None,
                "chat-template": weights.chat_template or None,
                "max-model-len": options.get("context"),
                "tensor-parallel-size": needs_gpu(endpoint) if needs_gpu(endpoint) > 1 else None,
                "mm-processor-kwargs": options.get("image_tokens"),
                "default-chat-template-kwargs": _thinking(options),
            }
        ),
    ]


def _llama_server(endpoint: dict, weights: Weights, model: str, options: dict) -> list[str]:
    context, slots = options.get("context"), endpoint["in_flight"]
    return _flags(
        {
            "model": weights.model,
            "alias": model,
            "mmproj": weights.projector or None,
            "parallel": slots,
            "ctx-size": context * slots if context else None,  # the slots share it
            "image-max-tokens": options.get("image_tokens"),
            "chat-template-file": weights.chat_template or None,
            "reasoning": _on_off(options),
        }
    )


def _llama_cpp_python(endpoint: dict, weights: Weights, model: str, options: dict) -> list[str]:
    return _flags(
        {
            "model": weights.model,
            "model_alias": model,
            "clip_model_path": weights.projector or None,
            "n_ctx": options.get("context"),
            "n_gpu_layers": -1 if needs_gpu(endpoint) else None,
            "chat_template_kwargs": _thinking(options),
        }
    )


def _transformers(endpoint: dict, weights: Weights, model: str, options: dict) -> list[str]:
    return [
        served_name(endpoint, weights, model),
        *_flags(
            {
                "quantization": endpoint.get("quantization") or None,
                "reasoning": _on_off(options),
                "device": None if needs_gpu(endpoint) else "cpu",
            }
        ),
    ]


def _thinking(options: dict) -> dict | None:
    return {"enable_thinking": options["thinking"]} if "thinking" in options else None


def _on_off(options: dict) -> str | None:
    return ("on" if options["thinking"] else "off") if "thinking" in options else None


def _flags(values: Mapping[str, object], bare: bool = True) -> list[str]:
    """Flags by name: true is a bare flag, false its `--no-` form, a mapping is JSON, a list repeats its values.

    Args:
        bare: If not, true and false are values like others.
    """
    words: list[str] = []
    for name, value in values.items():
        flag = f"--{name.lstrip('-')}"
        if value is None:
            continue
        if isinstance(value, bool) and not bare:
            words += [flag, str(value).lower()]
        elif isinstance(value, bool):
            words.append(flag if value else f"--no-{name.lstrip('-')}")
        elif isinstance(value, dict):
            words += [flag, json.dumps(value, sort_keys=True)]
        else:
            words.append(flag)
            for each in value if isinstance(value, list) else [value]:
                words.append(json.dumps(each, sort_keys=True) if isinstance(each, dict) else str(each))
    return words


def server_environment(endpoint: dict, key: str, port: int, gpus: Mapping[str, int]) -> dict[str, str]:
    """Environment of an endpoint's server: this process's, with the API key.

    Args:
        endpoint: Its config entry.
        key: The server's API key; empty for a program that takes no calls.
        port: Its port.
        gpus: Numbers of the machine's GPUs by UUID. vLLM reads CUDA_VISIBLE_DEVICES as numbers.
            Source: vllm-project/vllm, pull request 46132.
    """
    program = server_program(endpoint)
    names = PYTHON_SERVER_SETTINGS if program == LLAMA_CPP_PYTHON else ()
    kept = {name: value for name, value in os.environ.items() if not HIDDEN.fullmatch(name) and name not in names}
    if program in KEY_VARIABLES and key:
        kept[KEY_VARIABLES[program]] = key
    if program == LLAMA_CPP_PYTHON:  # they win over its flags
        kept |= {"HOST": HOST, "PORT": str(port)}
    visible = kept.get(VISIBLE, "").split(",")
    if not needs_gpu(endpoint):
        kept[VISIBLE] = ""
    elif all(name in gpus for name in visible):
        kept |= {VISIBLE: ",".join(str(gpus[name]) for name in visible), ORDER: "PCI_BUS_ID"}
    return kept | {"PYTHONUNBUFFERED": "1"}
