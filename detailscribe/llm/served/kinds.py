"""Kinds of endpoints whose server a job starts itself: vLLM, llama.cpp, transformers; their settings and GPUs."""

import shlex

from detailscribe.errors import InputError

SERVED_KINDS = ("vllm", "llama_cpp", "transformers")
COMMANDS = {  # how each kind's program is started unless the endpoint has a `command`
    "vllm": ["vllm", "serve"],
    "llama_cpp": ["llama-server"],
    "transformers": ["transformers", "serve"],
}
SERVE, RUN_BATCH = "serve", "run-batch"  # of vLLM: the server, and its program for files
LLAMA_CPP_PYTHON = "llama_cpp.server"  # the other program of the kind llama_cpp; a `command` that holds it starts it
DEFAULT_START_TIMEOUT_S = 1800.0  # a server of a large model reads its weights and compiles
OWN_FLAGS = (  # set by the job; a flag of the user's would contradict it
    *("host", "port", "api-key", "api-key-file", "model", "served-model-name", "alias", "model-alias", "revision"),
    *("uds", "hf-repo", "hf-file", "model-url", "reuse-port", "ssl-keyfile", "ssl-certfile", "config", "config-file"),
    *("input-file", "output-file"),
)


def is_served(endpoint: dict) -> bool:
    """Whether a job starts the endpoint's server itself."""
    return endpoint["kind"] in SERVED_KINDS


def needs_gpu(endpoint: dict) -> int:
    """GPUs that a job needs to ask an endpoint: those of the server that it starts, 0 for a server elsewhere."""
    return endpoint.get("options", {}).get("tensor_parallel", 1) if is_served(endpoint) else 0


def server_command(endpoint: dict) -> list[str]:
    """Program and first arguments of an endpoint's server."""
    command = endpoint.get("command") or COMMANDS[endpoint["kind"]]
    return shlex.split(command) if isinstance(command, str) else list(command)


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
    place, program, options = f"endpoints: {name}", server_program(endpoint), endpoint.get("options", {})
    for key in ("model", "revision", "version"):
        if not isinstance(endpoint.get(key), str) or (key != "revision" and not endpoint[key].strip()):
            raise InputError(f"{place}: kind {endpoint['kind']} needs `{key}`; {_remedy(key, program)}")
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
    for group in ("flags", "machine_flags"):
        for flag in options.get(group, {}):
            if flag.lstrip("-").replace("_", "-") in OWN_FLAGS:
                raise InputError(f"{place}: options: {group}: {flag}: the job sets it itself; remove it")


def _check_image_tokens(place: str, program: str, tokens: object) -> None:
    forms = {"vllm": dict, "llama-server": int}
    if tokens is None or isinstance(tokens, forms.get(program, type(None))):
        return
    remedy = {
        "vllm": "write the arguments of the model's image processor, for Qwen2.5-VL {max_pixels: 1003520}",
        "llama-server": "write a whole number",
    }
    raise InputError(f"{place}: options: image_tokens: {tokens!r}: " + remedy.get(program, "it has no flag; remove it"))


def _remedy(key: str, program: str) -> str:
    if key == "version":
        tells = {"vllm": "vllm --version", "llama-server": "llama-server --version", "transformers": "pip show"}
        return f"the version of {program} that answers ({tells.get(program, 'pip show')} prints it), in quotes"
    if key == "revision":
        return "the commit of the weights"
    return "a repository of the Hugging Face hub, or a path"
