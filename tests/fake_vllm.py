"""A program `vllm` for tests: takes vLLM's flags, answers its paths, and misbehaves as FAKE_VLLM says.

It has a child process in the same group and one in a session of its own, as engines and workers of real servers are.
FAKE_VLLM: nothing (behave), or one of the words in `main` and `Handler`. FAKE_VLLM_NOTES: a file that gets a line of
JSON with what the program was started with.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

VERSION = "0.33.0"
MODE = os.environ.get("FAKE_VLLM", "")
SLEEPER = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"]
IGNORES = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
OUT_OF_MEMORY = (
    "(EngineCore pid=7) ERROR 11-27 15:47:24 [core.py:718] ValueError: Free memory on device (3.22/4.0 GiB) on startup "
    "is less than desired GPU memory utilization (0.9, 3.6 GiB).\n"
    "(APIServer pid=6) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}\n"
)


class Handler(BaseHTTPRequestHandler):
    """The paths of vLLM's server that the tests ask."""

    calls, model, started = 0, "", 0.0

    def do_GET(self) -> None:
        """Health, version and models."""
        if self.path == "/health":
            time.sleep(600 * (MODE == "hangs" and Handler.calls > 0))
            late = MODE == "slow" and time.monotonic() - Handler.started < 0.6
            self.reply(503 if late or MODE == "never" else 200, {})
        elif self.path == "/version":
            self.reply(200, {"version": os.environ.get("FAKE_VLLM_VERSION", VERSION)})
        elif self.allowed():
            name = "somebody/else" if MODE == "other-at-start" else Handler.model
            self.reply(200, {"object": "list", "data": [{"id": name, "object": "model"}]})

    def do_POST(self) -> None:
        """A chat completion that repeats the last message."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if not self.allowed():
            return
        Handler.calls += 1
        if MODE == "dies" and Handler.calls > 3:
            print("torch.AcceleratorError: CUDA error: an illegal memory access was encountered", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        if MODE == "dies-of-memory" and Handler.calls > 3:
            print("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.", flush=True)
            os._exit(1)
        if MODE in ("hangs", "hangs-once-healthy"):
            time.sleep(600)
        if MODE == "garbage":
            data = b"\x00\xff{]" * 50
            sys.stdout.buffer.write(b"\x1b[31m\xff\xfe\x00 no text at all \x07\r\n")
            sys.stdout.flush()
            self.send_response(200)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            return
        content = body["messages"][-1]["content"]
        text = content if isinstance(content, str) else content[0]["text"]
        self.reply(
            200,
            {
                "id": "chat-1",
                "object": "chat.completion",
                "model": "somebody/else" if MODE == "other-later" and Handler.calls > 3 else body["model"],
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": "stop",
                        "message": {"role": "assistant", "content": f"<answer to {text}>"},
                    }
                ],
                "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
            },
        )

    def allowed(self) -> bool:
        """Whether the call has the key; otherwise it is refused."""
        if self.headers.get("authorization") == f"Bearer {os.environ.get('VLLM_API_KEY')}":
            return True
        self.reply(401, {"error": "Unauthorized"})
        return False

    def reply(self, status: int, value: dict) -> None:
        """Send a JSON value."""
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: object) -> None:
        """Print a line per call, as vLLM does."""
        print("INFO:    ", *arguments, flush=True)


class Server(ThreadingHTTPServer):
    """Server that shares its port as vLLM does."""

    daemon_threads, allow_reuse_port, request_queue_size = True, True, 128


def main() -> int:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser(prog="vllm", allow_abbrev=False)
    parser.add_argument("subcommand", choices=["serve"])
    parser.add_argument("model")
    for name in ("host", "served-model-name", "revision", "quantization", "chat-template", "mm-processor-kwargs"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--default-chat-template-kwargs", type=json.loads)
    parser.add_argument("--gpu-memory-utilization", type=float)
    parser.add_argument("--enforce-eager", action="store_true")
    for name in ("port", "max-model-len", "tensor-parallel-size"):
        parser.add_argument(f"--{name}", type=int)
    options = parser.parse_args()
    if notes := os.environ.get("FAKE_VLLM_NOTES"):
        with open(notes, "a", encoding="utf-8") as file:
            visible = {name: os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")}
            note = {"argv": sys.argv[1:], "pid": os.getpid(), "key": os.environ.get("VLLM_API_KEY"), **visible}
            file.write(json.dumps(note) + "\n")
    print("INFO 11-27 15:00:00 [api_server.py:1] vLLM API server version", VERSION, flush=True)
    subprocess.Popen(SLEEPER)
    subprocess.Popen([*SLEEPER[:-1], IGNORES if MODE == "stubborn" else SLEEPER[-1]], start_new_session=True)
    if MODE == "exits":
        print("ValueError: The model architecture FooForCausalLM is not supported", file=sys.stderr, flush=True)
        return 1
    if MODE == "memory":
        sys.stderr.write(OUT_OF_MEMORY)
        return 1
    if MODE == "port" or (MODE == "port-once" and not Path(os.environ["FAKE_VLLM_ONCE"]).exists()):
        if MODE == "port-once":
            Path(os.environ["FAKE_VLLM_ONCE"]).touch()
        print("OSError: [Errno 98] Address already in use", file=sys.stderr, flush=True)
        return 1
    if MODE == "silent":
        time.sleep(600)
    Handler.model, Handler.started = options.served_model_name, time.monotonic()
    if MODE == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with Server((options.host, options.port), Handler) as server:
        assert server.socket.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
        server.serve_forever(0.05)
    return 0


if __name__ == "__main__":
    sys.exit(main())
