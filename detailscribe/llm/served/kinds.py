"""Kinds of endpoints whose server a job starts itself: vLLM, llama.cpp, transformers; their settings and GPUs."""

import shlex
from pathlib import Path

from detailscribe.errors import InputError
from detailscribe.llm.served.flags import check_command, check_flags

SERVED_KINDS = ("vllm", "llama_cpp", "transformers")
COMMANDS = {  # how each kind's program is started unless the endpoint has a `command`
    "vllm": ["vllm", "serve"],
    "llama_cpp": ["llama-server"],
    "transformers": ["transformers", "serve"],
}
SERVE, RUN_BATCH = "serve", "run-batch"  # of vLLM: the server, and its program for files
LLAMA_CPP_PYTHON = "llama_cpp.server"  # the other program of the kind llama_cpp; a `command` that holds it starts it
DEFAULT_START_TIMEOUT_S = 1800.0  # a server of a large model reads its weights and compiles
TEXTS = ("model", "revision", "version", "quantization", "file", "projector", "chat_template")
PATHS = ("model", "file", "projector", "chat_template")
ADDRESS = ("base_url", "key_env", "default_query")  # keys of services that are there already


def is_served(endpoint: dict) -> bool:
    """Whether a job starts the endpoint's server itself."""
    return endpoint["kind"] in SERVED_KINDS


def needs_gpu(endpoint: dict) -> int:
    """GPUs that a job needs to ask an endpoint: those of the server that it starts, 0 for a server elsewhere."""
    return endpoint.get("options", {}).get("tensor_parallel", 1) if is_served(endpoint) else 0


def server_command(endpoint: dict) -> list[str]:
    """Program and first arguments of an endpoint's server.

    Raises:
        InputError: its `command` cannot be read, or names no program.
    """
    command = endpoint.get("command") or COMMANDS[endpoint["kind"]]
    try:
        words = shlex.split(command) if isinstance(command, str) else list(command)
    except ValueError as error:
        raise InputError(
            f"command: {command!r} cannot be read ({error}); write it as a list of words, [PROGRAM, serve]"
        ) from None
    if not words or not words[0].strip() or any("\0" in word for word in words):
        raise InputError(f"command: {command!r} names no program; write it as {' '.join(COMMANDS[endpoint['kind']])!r}")
    return words


def batch_command(endpoint: dict) -> list[str]:
    """Program and first arguments of vLLM for files: `run-batch` in place of the `serve` that ends its command."""
    return [*server_command(endpoint)[:-1], RUN_BATCH]


def server_program(endpoint: dict) -> str:
    """The server: vllm, llama-server, llama_cpp.server or transformers. One kind may have several programs."""
    if endpoint["kind"] != "llama_cpp":
        return endpoint["kind"]
    return LLAMA_CPP_PYTHON if LLAMA_CPP_PYTHON in server_command(endpoint) else "llama-server"


def check_served(name: str, endpoint: dict) -> None:
    """Check what the schema cannot: settings that the endpoint's server has no flag for.

    Raises:
        InputError: names the endpoint, the key, the value and the remedy.
    """
    place, options = f"endpoints: {name}", endpoint.get("options", {})
    try:
        program, words = server_program(endpoint), server_command(endpoint)
    except InputError as error:
        raise InputError(f"{place}: {error}") from None
    for key in ("model", "revision", "version"):
        if not isinstance(endpoint.get(key), str) or (key != "revision" and not endpoint[key].strip()):
            raise InputError(f"{place}: kind {endpoint['kind']} needs `{key}`; {key_remedy(key, program)}")
    _check_texts(place, endpoint)
    check_command(place, program, _server_words(program, words))
    if endpoint.get("batch") and program != "vllm":
        raise InputError(f"{place}: `batch` needs kind openai or vllm, got {endpoint['kind']!r}; remove it")
    if endpoint.get("batch") and server_command(endpoint)[-1] != SERVE:
        raise InputError(f"{place}: command: {endpoint['command']!r} must end with `serve`, or remove `batch`")
    for key, usable in {"file": endpoint["kind"] == "llama_cpp", "projector": endpoint["kind"] == "llama_cpp"}.items():
        if endpoint.get(key) and not usable:
            raise InputError(f"{place}: {key}: only kind llama_cpp has it; remove it")
    if endpoint["kind"] == "llama_cpp" and not (endpoint.get("file") or endpoint["model"].endswith(".gguf")):
        raise InputError(f"{place}: name the GGUF file of {endpoint['model']!r} in `file`")
    if endpoint.get("chat_template") and program not in ("vllm", "llama-server"):
        raise InputError(f"{place}: chat_template: {program} has no flag for a template file; remove it")
    _check_image_tokens(place, program, options.get("image_tokens"))
    if program == "transformers" and "context" in options:
        raise InputError(f"{place}: options: context: transformers has no flag for it; remove it")
    if program == "transformers" and needs_gpu(endpoint) > 1:
        raise InputError(f"{place}: options: tensor_parallel: transformers serves from one GPU; set 1, or 0 for none")
    check_flags(place, program, options)


def _check_texts(place: str, endpoint: dict) -> None:
    """Check texts that become paths and words of a command line, and numbers that become whole ones."""
    for key in ADDRESS:
        if endpoint.get(key):
            empty = "{}" if key == "default_query" else '""'
            raise InputError(
                f"{place}: {key}: it is of a service that is there already, and the job starts the server of kind "
                f"{endpoint['kind']}; remove it, or set it to {empty}"
            )
    for key in TEXTS:
        text = endpoint.get(key) or ""
        if not text.isprintable() or text.startswith("-"):
            raise InputError(f"{place}: {key}: {text[:80]!r} has a character that it cannot have; correct it")
    for key in PATHS:
        check_path(f"{place}: {key}", endpoint.get(key) or "")
    numbers = {f"options: {key}": value for key, value in endpoint.get("options", {}).items()}
    for key, value in {**numbers, "in_flight": endpoint["in_flight"]}.items():
        if isinstance(value, float):
            raise InputError(f"{place}: {key}: {value!r} is written with a point; write {value:.0f}")


def check_path(place: str, text: str) -> None:
    """Check that a text can be a path of this machine, whether or not something is there.

    Raises:
        InputError: it is too long, names an unknown user, or leads through a folder that this user may not read.
    """
    try:
        Path(text).expanduser().exists()
    except (OSError, RuntimeError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).rstrip(".")
        raise InputError(f"{place}: {text[:80]!r} is no path that can be used here ({reason}); correct it") from None


def _server_words(program: str, words: list[str]) -> list[str]:
    """The words of a command that the server itself reads: those after its name, or after `serve`."""
    last = {"llama-server": "llama-server", LLAMA_CPP_PYTHON: LLAMA_CPP_PYTHON}.get(program, SERVE)
    found = [number for number, word in enumerate(words) if Path(word).name == last]
    return words[found[-1] + 1 :] if found else []


def _check_image_tokens(place: str, program: str, tokens: object) -> None:
    forms = {"vllm": dict, "llama-server": int}
    if tokens is None or isinstance(tokens, forms.get(program, type(None))):
        return
    remedy = {
        "vllm": "write the arguments of the model's image processor, for Qwen2.5-VL {max_pixels: 1073296}, for "
        "Qwen3-VL {size: {longest_edge: 1048576, shortest_edge: 65536}}, which are pixels",
        "llama-server": "write a whole number",
    }
    raise InputError(f"{place}: options: image_tokens: {tokens!r}: " + remedy.get(program, "it has no flag; remove it"))


def key_remedy(key: str, program: str) -> str:
    """What to write for `model`, `revision` or `version`."""
    if key == "version":
        tells = {"vllm": "vllm --version", "llama-server": "llama-server --version", "transformers": "pip show"}
        return f"the version of {program} that answers ({tells.get(program, 'pip show')} prints it), in quotes"
    if key == "revision":
        return "the commit of the weights; for files of your own a name that you change with them"
    return "a repository of the Hugging Face hub, or a path"
