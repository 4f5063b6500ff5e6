"""A program `vllm` for tests: takes vLLM's flags, answers its paths, and misbehaves as FAKE_VLLM says.

Its commands are `serve` and `run-batch`. It has a child process in the same group and one in a session of its own, as
engines and workers of real servers are. FAKE_VLLM: nothing (behave), or one of the words in `main`, `Handler` and
`run_batch`. FAKE_VLLM_NOTES: a file that gets a line of JSON with what the program was started with. FAKE_VLLM_SAYS: a
file with a JSON object of [status, body] by path, and at "log" what it prints before it ends. In these texts, {KEY} and
{HALF} stand for the server's key; a body "drip" never ends.
"""

import argparse
import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

VERSION = "0.33.0"
MAX_LOGPROBS = 20  # unless it is told more
MODE = os.environ.get("FAKE_VLLM", "")
KEY = os.environ.get("VLLM_API_KEY", "")
SAYS = json.loads(Path(os.environ["FAKE_VLLM_SAYS"]).read_text()) if os.environ.get("FAKE_VLLM_SAYS") else {}
SLEEPER = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"]
IGNORES = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
OUT_OF_MEMORY = (
    "(EngineCore pid=7) ERROR 11-27 15:47:24 [core.py:718] ValueError: Free memory on device (3.22/4.0 GiB) on startup "
    "is less than desired GPU memory utilization (0.9, 3.6 GiB).\n"
    "(APIServer pid=6) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}\n"
)
ENGINE_DEAD = (
    "(EngineCore pid=7) ERROR 11-27 15:50:24 [core.py:718] EngineCore encountered a fatal error.\n"
    "(EngineCore pid=7) ERROR 11-27 15:50:24 [core.py:718] RuntimeError: CUDA error: device-side assert triggered\n"
    "(APIServer pid=6) ERROR 11-27 15:50:24 [async_llm.py:704] vllm.v1.engine.exceptions.EngineDeadError: EngineCore "
    "encountered an issue. See stack trace (above) for the root cause.\n"
)


class Handler(BaseHTTPRequestHandler):
    """The paths of vLLM's server that the tests ask."""

    calls, model, started = 0, "", 0.0

    def do_GET(self) -> None:
        """Health, version and models."""
        if self.path in SAYS:
            self.reply_raw(*SAYS[self.path])
        elif self.path == "/health":
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
        if self.path in SAYS:
            self.reply_raw(*SAYS[self.path])
            return
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
        if body.get("top_logprobs", 0) > MAX_LOGPROBS:
            message = f"Requested sample logprobs of {body['top_logprobs']}, which is greater than max allowed: 20"
            self.reply(400, {"error": {"message": message, "type": "BadRequestError", "param": None, "code": 400}})
            return
        self.reply(200, completion(body, other=MODE == "other-later" and Handler.calls > 3))

    def allowed(self) -> bool:
        """Whether the call has the key; otherwise it is refused."""
        if self.headers.get("authorization") == f"Bearer {os.environ.get('VLLM_API_KEY')}":
            return True
        self.reply(401, {"error": "Unauthorized"})
        return False

    def reply_raw(self, status: int, body: str) -> None:
        """Send a text, or bytes without end."""
        data = body.replace("{KEY}", KEY).encode("utf-8", "surrogatepass")
        self.send_response(status)
        self.send_header("content-length", str(10**9 if body == "drip" else len(data)))
        self.end_headers()
        self.wfile.write(data)
        while body == "drip":
            time.sleep(0.05)
            self.wfile.write(b" ")
            self.wfile.flush()

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


def completion(body: dict, other: bool = False) -> dict:
    """A chat completion that repeats the last message; `other`: under the name of another model.

    With `logprobs` it is the mark 4, which has half of the probability; 5 has a quarter, `yes` an eighth.
    """
    content = body["messages"][-1]["content"]
    text = content if isinstance(content, str) else next(part["text"] for part in content if part["type"] == "text")
    message = {"role": "assistant", "content": f"<answer to {text}>"}
    found = None
    if body.get("logprobs") and MODE != "no-logprobs":
        message["content"] = "4"
        top = [
            {"token": each, "logprob": log, "bytes": list(each.encode())}
            for each, log in (("4", math.log(0.5)), (" 5", math.log(0.25)), ("yes", math.log(0.125)), ("2", -9999.0))
        ]
        found = {"content": [top[0] | {"top_logprobs": top[: body.get("top_logprobs", 0)]}]}
    return {
        "id": "chat-1",
        "object": "chat.completion",
        "model": "somebody/else" if other else body["model"],
        "choices": [{"index": 0, "finish_reason": "stop", "message": message, "logprobs": found}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }


def run_batch(requests: Path, answers: Path, model: str) -> int:
    """Answer the requests of a file, each answer as it comes, or as versions before 0.33 all at the end."""
    print("INFO 11-27 15:00:01 [run_batch.py:1] Reading batch from", requests, flush=True)
    rows = [json.loads(line) for line in requests.read_text(encoding="utf-8").splitlines()]
    assert all(row["method"] == "POST" and row["url"] == "/v1/chat/completions" for row in rows)
    total = len(rows)
    print(f"Running batch:   0% Completed | 0/{total} [00:00<?, ?req/s]", file=sys.stderr, flush=True)
    if MODE == "hangs":
        time.sleep(600)
    if MODE == "log-removed":
        Path("/proc/self/fd/1").readlink().unlink()
        time.sleep(0.3)
    if MODE == "folder":
        answers.mkdir()
        return 0
    lines: list[bytes] = []
    for number, row in enumerate(rows):
        error, status, body = None, 200, completion(row["body"], MODE == "other-later" and number >= 3)
        if row["body"]["model"] != model or (MODE == "errors" and number < 2) or MODE == "rejects":
            status, body = 500 if MODE == "errors" and number else 400, None
            error = {"error": {"message": "this model's maximum context length is 8 tokens", "code": status}}
        if MODE == "engine-stops" and number == 3:
            sys.stderr.write(ENGINE_DEAD)
            return 1
        if MODE == "engine-dies" and number >= 3:
            status, body, error = 500, None, {"error": {"message": "EngineCore encountered an issue.", "code": 500}}
        if MODE == "odd-status":
            status = [None, [1], 999999, -1, True][number % 5]
        response = {"status_code": status, "request_id": f"vllm-batch-{number}", "body": body}
        line = {"id": f"vllm-{number}", "custom_id": row["custom_id"], "response": response, "error": error}
        lines.append(json.dumps(line).encode() + b"\n")
        if MODE in ("at-the-end", "engine-dies"):
            continue
        if MODE == "garbage":
            others = [json.dumps({**line, "custom_id": each}).encode() for each in ("f" * 64, 7, None)]
            lines += [b"\xff\xfe\x00{]\n", b"[]\n", b"\n", lines[-1], *(each + b"\n" for each in others)]
        if MODE == "truncated" and number == total - 1:
            lines[-1] = lines[-1][:-40]
        with open(answers, "ab") as file:
            file.write(b"".join(lines))
        lines = []
        time.sleep(0.05 * (MODE == "streams"))
        if MODE == "dies" and number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        if MODE == "dies-of-memory" and number == 2:
            print("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.", flush=True)
            return 1
        if MODE == "dies-at-the-end" and number == total - 1:
            return 3
    if MODE == "engine-dies":
        sys.stderr.write(ENGINE_DEAD)
    with open(answers, "ab") as file:
        file.write(b"".join(lines))
    print(f"Running batch: 100% Completed | {total}/{total} [00:01<00:00]", file=sys.stderr, flush=True)
    return 0


def main() -> int:
    """Serve until a signal comes, or run a batch."""
    parser = argparse.ArgumentParser(prog="vllm", allow_abbrev=False)
    parser.add_argument("subcommand", choices=["serve", "run-batch"])
    is_batch = sys.argv[1:2] == ["run-batch"]
    parser.add_argument("--model" if is_batch else "model", **({"required": True} if is_batch else {}))
    if is_batch:
        parser.add_argument("-i", "--input-file", required=True, type=Path)
        parser.add_argument("-o", "--output-file", required=True, type=Path)
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
    what = "batch processing API" if is_batch else "API server"
    version = os.environ.get("FAKE_VLLM_VERSION", VERSION)
    print(f"INFO 11-27 15:00:00 [api_server.py:1] vLLM {what} version", version, flush=True)
    subprocess.Popen(SLEEPER)
    subprocess.Popen([*SLEEPER[:-1], IGNORES if MODE == "stubborn" else SLEEPER[-1]], start_new_session=True)
    if words := SAYS.get("log"):
        print(words.replace("{KEY}", KEY).replace("{HALF}", KEY[:20]), end="", flush=True)
        return 1
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
    if MODE == "slow" and is_batch:
        time.sleep(0.6)
    if is_batch:
        return run_batch(options.input_file, options.output_file, options.served_model_name)
    Handler.model, Handler.started = options.served_model_name, time.monotonic()
    if MODE == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with Server((options.host, options.port), Handler) as server:
        assert server.socket.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
        server.serve_forever(0.05)
    return 0


if __name__ == "__main__":
    sys.exit(main())
