"""Flags of servers that jobs start: those that the job sets, that have a key of their own, and that change answers.

What changes answers is part of the identity of a served model (`identity.py`), so that no such flag may hide among the
settings of the machine. Flags that are in no table count as what their place says: `flags` or `machine_flags`.
Source: vLLM 0.33 `vllm serve --help=all`; llama.cpp `tools/server/README.md`; llama-cpp-python
`llama_cpp/server/settings.py`; transformers 5.23 `cli/serve.py`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from detailscribe.errors import InputError

OWN_FLAGS = (  # set by the job; a flag of the user's would contradict it
    *("host", "port", "api-key", "api-key-file", "model", "served-model-name", "alias", "model-alias", "revision"),
    *("uds", "hf-repo", "hf-file", "model-url", "reuse-port", "ssl-keyfile", "ssl-certfile", "config", "config-file"),
    *("input-file", "output-file", "docker-repo", "hf-model-repo-id", "m", "a", "mu", "hf", "hfr", "hff", "dr"),
)
THINKING = "options: thinking"
KEYS = {  # flags of each program that a key of the endpoint sets, with the key
    "vllm": {
        "quantization": "quantization",
        "q": "quantization",
        "chat-template": "chat_template",
        "max-model-len": "options: context",
        "tensor-parallel-size": "options: tensor_parallel",
        "tp": "options: tensor_parallel",
        "mm-processor-kwargs": "options: image_tokens",
    },
    "llama-server": {
        "ctx-size": "options: context",
        "c": "options: context",
        "np": "in_flight",
        "mm": "projector",
        "parallel": "in_flight",
        "mmproj": "projector",
        "image-max-tokens": "options: image_tokens",
        "chat-template-file": "chat_template",
        "reasoning": THINKING,
    },
    "llama_cpp.server": {"n-ctx": "options: context", "clip-model-path": "projector"},
    "transformers": {"quantization": "quantization", "reasoning": THINKING},
}
ANSWERS = {  # flags of any program that change answers: of the weights, the template, the numbers, the sampling
    *("dtype", "torch-dtype", "kv-cache-dtype", "cache-type-k", "cache-type-v", "ctk", "ctv", "type-k", "type-v"),
    *("attn-implementation", "structured-outputs-config", "guided-decoding-backend"),
    *("tokenizer", "tokenizer-mode", "tokenizer-revision", "code-revision", "skip-tokenizer-init"),
    *("hf-overrides", "hf-config-path", "config-format", "model-impl", "model-class-overrides"),
    *("hf-tokenizer-config-path", "hf-pretrained-model-name-or-path", "override-kv", "kv-overrides", "mmproj-url"),
    *("lora", "lora-base", "lora-path", "lora-scaled", "lora-modules", "enable-lora", "control-vector"),
    *("control-vector-scaled", "control-vector-layer-range", "rope-scaling", "rope-theta", "rope-scale"),
    *("rope-freq-base", "rope-freq-scale", "rope-scaling-type", "yarn-orig-ctx", "yarn-ext-factor", "yarn-attn-factor"),
    *("yarn-beta-slow", "yarn-beta-fast", "chat-template", "chat-format", "chat-template-kwargs", "jinja", "no-jinja"),
    *("default-chat-template-kwargs", "chat-template-content-format", "trust-request-chat-template", "response-role"),
    *("reasoning", "reasoning-parser", "reasoning-format", "reasoning-budget", "reasoning-config", "tool-call-parser"),
    *("mm-processor-kwargs", "image-min-tokens", "image-max-tokens", "video-pruning-rate", "mm-encoder-attn-dtype"),
    *("seed", "default-seed", "generation-config", "override-generation-config", "logprobs-mode", "logits-processors"),
    *("temp", "temperature", "top-k", "top-p", "min-p", "top-n-sigma", "typical", "samplers", "sampling-seq"),
    *("repeat-penalty", "repeat-last-n", "presence-penalty", "frequency-penalty", "dry-multiplier", "mirostat"),
    *("logit-bias", "ignore-eos", "predict", "n-predict", "grammar", "grammar-file", "json-schema", "json-schema-file"),
    *("context-shift", "speculative-config", "draft-model", "model-draft", "quantization", "quantization-config"),
}
# Flags that replace what `thinking` sets, or may contradict it.
TEMPLATE_KWARGS = {"vllm": "default-chat-template-kwargs", "llama_cpp.server": "chat-template-kwargs"}
TEMPLATE_KWARGS["llama-server"] = TEMPLATE_KWARGS["llama_cpp.server"]
ABBREVIATING = ("vllm", "llama_cpp.server")  # programs that take the beginning of a flag's name for the flag
# Flags that name a place of the machine, whose content changes no answer.
PLACES = ("download-dir", "allowed-local-media-path", "media-path", "slot-save-path", "log-file", "uvicorn-log-config")
SHOWN = 80  # characters of a name or value in a message
NAME = re.compile(r"-{0,2}[A-Za-z0-9][\w.-]*")


def check_flags(place: str, program: str, options: Mapping[str, object]) -> None:
    """Check the `flags` and `machine_flags` of an endpoint.

    Args:
        place: Beginning of a message: the endpoint's place in the config.
        program: Name of its server.
        options: Its config entry `options`.

    Raises:
        InputError: names the flag, and what to write instead.
    """
    for group in ("flags", "machine_flags"):
        flags = options.get(group) or {}
        assert isinstance(flags, Mapping)
        for flag, value in flags.items():
            where = f"{place}: options: {group}: {flag}"
            if not isinstance(flag, str) or not NAME.fullmatch(flag):
                where = f"{place}: options: {group}: {str(flag)[:SHOWN]!r}"
                raise InputError(f"{where} is not the name of a flag; write it as `gpu-memory-utilization: 0.9`")
            _check_value(where, value)
            if problem := flag_problem(program, flag, group == "machine_flags"):
                raise InputError(f"{where}: {problem}")
            if "thinking" in options and _plain(flag) == TEMPLATE_KWARGS.get(program):
                raise InputError(
                    f"{where}: it contradicts or replaces `thinking`; remove `thinking`, and write "
                    "enable_thinking beside the others in this flag"
                )


def _check_value(where: str, value: object) -> None:
    """Check the value of a flag: a text, a number, true, false or null, a mapping, or a list of such.

    Raises:
        InputError: it is a list in a list, which no server takes.
    """
    if isinstance(value, list) and (not value or any(isinstance(each, list) for each in value)):
        raise InputError(f"{where}: {str(value)[:SHOWN]} is no value of a flag; write a list of texts or numbers")


def check_command(place: str, program: str, words: Iterable[str]) -> None:
    """Check the flags that follow the name of the server in a `command`.

    Raises:
        InputError: one of them is the job's, has a key of its own, or changes answers.
    """
    for word in words:
        if word.startswith("-") and (problem := flag_problem(program, word.partition("=")[0], True)):
            raise InputError(f"{place}: command: {word[:SHOWN]!r}: {problem}")


def flag_problem(program: str, flag: str, is_of_machine: bool) -> str:
    """What is wrong with a flag, and the remedy; "" if nothing is.

    Args:
        is_of_machine: Whether it stands where nothing may change answers.
    """
    name, keys = _plain(flag), KEYS[program]
    if name not in OWN_FLAGS and name not in keys and name not in ANSWERS and program in ABBREVIATING:
        name = next((each for each in (*OWN_FLAGS, *keys) if each.startswith(name)), name)
    if name in OWN_FLAGS:
        return "the job sets it itself; remove it"
    if name in keys:
        return f"set `{keys[name]}` of the endpoint instead"
    if is_of_machine and name in ANSWERS:
        return "it changes answers; write it in `flags`, which are part of what a recorded answer was asked of"
    return ""


def named_files(flags: Mapping[str, object]) -> Iterator[tuple[str, str, Path]]:
    """Files and folders of this machine that flags name: (flag, the text that names it, path), in a fixed order.

    A value counts if it has a slash or a dot, and is a path that exists, or is one after `NAME=`, as of LoRA adapters.
    """
    for flag in sorted(each for each in flags if _plain(each) not in PLACES):
        for text in _texts(flags[flag]):
            for part in dict.fromkeys((text, text.partition("=")[2])):
                if ("/" in part or "." in part) and "\0" not in part and _exists(Path(part)):
                    yield _plain(flag), part, Path(part)
                    break


def _exists(path: Path) -> bool:
    try:
        return path.exists() and path.resolve() != Path.cwd()
    except OSError:
        return False


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _plain(flag: str) -> str:
    """A flag's name in one spelling, without the parts after a dot, by which vLLM takes single entries of a mapping."""
    return flag.lstrip("-").replace("_", "-").lower().partition(".")[0]
