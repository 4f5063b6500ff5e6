"""How fast questions are asked and replayed, against one-by-one calls as the released code makes them.

A local server answers after 200 ms. 1000 decompositions are asked through the chat layer at 64 in flight and, as the
baseline, one after the other through the plain client; of the baseline a sample is timed and scaled, since every call
takes the same. Then the same questions are answered from the store, in new processes, digests and parsing included.
"""

import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

QUESTIONS, SAMPLE, IN_FLIGHT, LATENCY_S, ROUNDS = 1000, 100, 64, 0.2, 3
SERVER = """
import asyncio, json, sys

REPLY = {"id": "x", "object": "chat.completion", "created": 0, "model": "some-model"}
MESSAGE = {"role": "assistant", "content": "<(concept: x) = (fox holds brush) + (brush touches fence)>"}
REPLY |= {"choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}]}
REPLY |= {"usage": {"prompt_tokens": 300, "completion_tokens": 40, "total_tokens": 340}}
DATA = json.dumps(REPLY).encode()
HEAD = b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(DATA)

async def serve(reader, writer):
    try:
        while head := await reader.readuntil(b"\\r\\n\\r\\n"):
            length = next(line for line in head.lower().split(b"\\r\\n") if line.startswith(b"content-length"))
            await reader.readexactly(int(length.split(b":")[1]))
            await asyncio.sleep(float(sys.argv[1]))
            writer.write(HEAD + DATA)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


def records() -> list[dict]:
    """The prompts."""
    return [{"id": f"p-{n}", "topic": f"fence {n}", "prompt": f"A fox paints fence {n}."} for n in range(QUESTIONS)]


def role() -> dict:
    """The role `decompose` with this project's own template."""
    import yaml

    template = yaml.safe_load((ROOT / "config/templates/decompose.yaml").read_text(encoding="utf-8"))
    return {"endpoint": "server", "model": "some-model", "template": template, "options": {}, "reply": "brackets"}


def seconds(url: str, store: Path, mode: str, of: list[dict]) -> float:
    """Seconds to decompose some prompts through the chat layer."""
    from detailscribe.llm.client import Chat
    from detailscribe.methods.decompose import decompose

    endpoint = {"kind": "openai", "base_url": url, "key_env": "", "in_flight": IN_FLIGHT, "timeout_s": 60}
    endpoint |= {"max_retries": 2, "input_usd_per_million": 2.5, "output_usd_per_million": 10}
    started = time.perf_counter()
    rows = decompose(of, role(), Chat({"server": endpoint}, store, mode))
    took = time.perf_counter() - started
    assert len(rows) == len(of) and {row["status"] for row in rows} == {"ok"}
    return took


def one_by_one(url: str) -> float:
    """Seconds a call, one after the other, nothing kept."""
    from openai import OpenAI

    from detailscribe.methods.roles import request_for, template_values

    messages = [
        request_for("decompose", role(), record, template_values(record)).messages for record in records()[:SAMPLE]
    ]
    with OpenAI(api_key="none", base_url=url) as client:
        client.chat.completions.create(model="some-model", messages=messages[0])  # connects
        started = time.perf_counter()
        for each in messages:
            client.chat.completions.create(model="some-model", messages=each)
        return (time.perf_counter() - started) / SAMPLE


def main() -> None:
    """Run the benchmark."""
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(LATENCY_S)], stdout=subprocess.PIPE, text=True)
    try:
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        with tempfile.TemporaryDirectory() as folder:
            print(f"{SAMPLE} calls one by one ...", flush=True)
            alone = one_by_one(url) * QUESTIONS
            seconds(url, Path(folder) / "warm", "live", records()[:IN_FLIGHT])
            print(f"{QUESTIONS} questions at {IN_FLIGHT} in flight, {ROUNDS} times ...", flush=True)
            asked = [seconds(url, Path(folder) / str(n), "live", records()) for n in range(ROUNDS)]
            code = (
                f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'benchmarks')!r}]\n"
                "import chat, pathlib\n"
                f"print(chat.seconds({url!r}, pathlib.Path({str(Path(folder) / '0')!r}), 'replay', chat.records()))\n"
            )
            runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True) for _ in range(ROUNDS)]
            replayed = [float(run.stdout) for run in runs]
    finally:
        server.kill()
        server.wait()
    took, again = statistics.median(asked), statistics.median(replayed)
    print(f"\n{'':34}{'seconds':>10}{'a second':>10}")
    for what, time_s in (
        (f"one by one ({SAMPLE} timed, scaled)", alone),
        (f"{IN_FLIGHT} in flight, median of {ROUNDS}", took),
        ("no overhead at all", LATENCY_S * -(-QUESTIONS // IN_FLIGHT)),
        (f"from the store, median of {ROUNDS}", again),
    ):
        print(f"{what:34}{time_s:10.2f}{QUESTIONS / time_s:10.0f}")
    found = {
        "speedup_vs_sequential": round(alone / took, 1),
        "replay_per_second": round(QUESTIONS / again),
        "questions": QUESTIONS,
        "in_flight": IN_FLIGHT,
        "latency_s": LATENCY_S,
        "sequential_s": round(alone, 2),
        "sequential_sample": SAMPLE,
        "concurrent_s": [round(each, 2) for each in asked],
        "replay_s": [round(each, 3) for each in replayed],
        "python": platform.python_version(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
