"""Server replies: chat completions and images with mutated fields, bytes, statuses and headers."""

import base64
import contextlib
import gzip
import io
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image

from detailscribe.llm import exchange_store, retry
from detailscribe.llm.client import Chat
from detailscribe.llm.request import Request
from tests.fault_cases.kind import EXPECTED, KEY, Case, Kind, Violation, require
from tests.fault_cases.mutation import at, damaged, mutated, odd_value, paths, put, to_json
from tests.fault_cases.planted_server import PlantedServer, Response

GOOD = 3  # well-formed replies beside the mutated one
TEXT = "<A fox paints a fence.>"
USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
MAX_TOKENS = 10**9


@contextlib.contextmanager
def prepare(folder: Path, seed: int) -> Iterator[Case]:
    """A planted server, and the case that asks it."""
    os.environ["PLANTED_KEY"] = KEY
    before, retry.FIRST_WAIT_S = retry.FIRST_WAIT_S, 0.005
    responses: dict[str, Response] = {}
    answered: list[str] = []

    def respond(method: str, path: str, body: dict) -> Response:
        name = body.get("prompt") or body["messages"][-1]["content"]
        answered.append(name)
        return responses[name]

    try:
        with PlantedServer(respond) as server:

            def case(number: int, random: Random, own: Path) -> None:
                kind = "image" if number % 5 == 0 else "chat"
                mutant, exact = mutated_response(kind, random)
                names = ["mutant", *(f"good {n}" for n in range(GOOD))]
                random.shuffle(names)
                responses.clear(), answered.clear()
                responses.update({name: Response(to_json(good_body(kind))) for name in names} | {"mutant": mutant})
                ask(server.base_url, kind, names, own)
                check(kind, names, own, answered, mutant, exact)

            yield case
    finally:
        retry.FIRST_WAIT_S = before
        del os.environ["PLANTED_KEY"]


def request(kind: str, name: str) -> Request:
    """The request whose reply the server has under a name."""
    return Request("rewrite", "planted", "some-model", [{"role": "user", "content": name}], kind=kind)


def ask(url: str, kind: str, names: list[str], store: Path) -> None:
    """Ask all at once; an error for people goes into a file."""
    endpoint = {"kind": "openai", "base_url": url, "key_env": "PLANTED_KEY", "in_flight": 2, "timeout_s": 1.0}
    endpoint |= {"max_retries": 1, "input_usd_per_million": 2.0, "output_usd_per_million": 8.0}
    try:
        Chat({"planted": endpoint}, store, "live").ask([request(kind, name) for name in names])
    except EXPECTED as error:
        (store / "error.txt").write_text(str(error), encoding="utf-8", errors="replace")
        require(len(str(error)) < 2000, f"a message of {len(str(error))} characters")


def check(kind: str, names: list[str], store: Path, answered: list[str], mutant: Response, exact: bool) -> None:
    """Check what was recorded."""
    for name in names:
        if name not in answered:
            continue
        reply = exchange_store.recorded_reply(store, request(kind, name).digest)
        if name != "mutant":
            require(reply and reply.status == "ok", f"the paid answer to {name!r} is lost")
            require(reply.usage == {"input_tokens": 100, "output_tokens": 20}, f"usage {reply.usage}")
        elif reply is not None:
            check_mutant(kind, reply, mutant, exact)
        else:
            require((store / "error.txt").exists() and not exact, "no row and no error for the mutated reply")
    for path in store.glob("*/*.json"):
        json.loads(path.read_bytes(), parse_constant=refuse_constant)


def refuse_constant(name: str) -> None:
    """JSON that other programs cannot read."""
    raise Violation(f"an exchange holds {name}")


def check_mutant(kind: str, reply: Any, mutant: Response, exact: bool) -> None:
    """Check the recorded reply to the mutated response; `exact`: nothing of meaning was changed."""
    require(reply.status in ("ok", "refused", "failed"), f"status {reply.status!r}")
    require(reply.status == "ok" or reply.reason, "a row without a reason")
    require(not exact or reply.status == "ok", f"a harmless change gives {reply.status}: {reply.reason}")
    for count in (reply.usage or {}).values():
        require(type(count) is int and 0 <= count < MAX_TOKENS, f"usage {reply.usage}")
    if exact:
        require(reply.usage == {"input_tokens": 100, "output_tokens": 20}, f"usage {reply.usage}")
    if reply.status != "ok":
        return
    if kind == "chat":
        require(reply.text.strip(), "an ok reply without text")
        known = strings_of(mutant)
        require(
            all(line in known or "[key]" in line for line in reply.text.split("\n")),
            f"text of nowhere: {reply.text[:80]!r}",
        )
        require(not exact or reply.text == TEXT, f"text {reply.text[:80]!r}")
    else:
        with Image.open(reply.image) as image:
            image.load()
            require(not exact or image.getpixel((3, 2)) == drawn().getpixel((3, 2)), "other pixels")


def strings_of(response: Response) -> str:
    """All text of a JSON response, in one string."""
    data = response.body
    if response.headers.get("Content-Encoding") == "gzip":
        data = gzip.decompress(data)
    value = json.loads(data.decode("utf-8-sig", "replace"))
    return "\n".join([found for path in paths(value) if isinstance(found := at(value, path), str)])


def drawn() -> Image.Image:
    """The image that the server gives."""
    image = Image.radial_gradient("L").resize((24, 16))
    return Image.merge("RGB", (image, image.rotate(90), image.rotate(180)))


def encoded(form: str = "PNG") -> str:
    """The image as base64."""
    buffer = io.BytesIO()
    drawn().save(buffer, form)
    return base64.b64encode(buffer.getvalue()).decode()


def good_body(kind: str) -> dict:
    """A well-formed response."""
    if kind == "image":
        usage = {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120}
        return {"created": 1, "model": "some-model", "data": [{"b64_json": encoded()}], "usage": usage}
    message = {"role": "assistant", "content": TEXT, "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    body = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "some-model", "choices": [choice]}
    details = {"prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0}}
    return body | {"usage": USAGE | details, "system_fingerprint": "fp_1", "service_tier": "default"}


def mutated_response(kind: str, random: Random) -> tuple[Response, bool]:
    """A mutated response, and whether nothing of meaning was changed."""
    body = good_body(kind)
    choice = random.random()
    if choice < 0.12:
        return harmless(kind, body, random), True
    if choice < 0.55:
        return Response(to_json(mutated(body, random, random.choice([1, 1, 2, 4])))), False
    if choice < 0.65:  # a count, of any kind
        count = random.choice(sorted(body["usage"]))
        return Response(to_json(put(body, ("usage", count), odd_value(random)))), False
    if choice < 0.75:  # the key in a text
        texts = [path for path in paths(body) if isinstance(at(body, path), str)]
        text = random.choice([KEY, f"wrong key {KEY}!", f"Bearer {KEY}", KEY + "x" * 5000])
        return Response(to_json(put(body, random.choice(texts), text))), False
    if choice < 0.9:
        error = {"error": {"message": f"it failed for {KEY}", "type": "server_error", "code": "x", "param": None}}
        error = mutated(error, random, random.choice([0, 0, 1, 2]))
        status = random.choice([200, 200, 204, 302, 400, 401, 402, 403, 404, 408, 409, 422, 429, 500, 502, 503, 599])
        wait = random.choice(["0.01", "-1", "nan", "inf", "1e400", "soon", "Fri, 31 Dec 9999 23:59:59 GMT", KEY])
        target = random.choice(["http://example.invalid/", "/v1/other", "//x", "file:///etc/passwd", KEY])
        headers = {} if status != 302 else {"Location": target}
        return Response(to_json(error), status, headers | ({"Retry-After": wait} if status == 429 else {})), False
    if choice < 0.92:
        data = to_json(body)
        return Response(data[:60], drip_s=0.2, headers={"Content-Length": str(len(data))}), False
    if choice < 0.93:
        bomb = gzip.compress(b'{"choices": "' + b"a" * (400 * 2**20) + b'"}', compresslevel=1)
        return Response(bomb, headers={"Content-Encoding": "gzip"}), False
    if kind == "image" and choice < 0.98:
        data = damaged(base64.b64decode(encoded(random.choice(["PNG", "JPEG", "WEBP"]))), random)
        return Response(to_json(put(body, ("data", 0, "b64_json"), base64.b64encode(data).decode()))), False
    return Response(damaged(to_json(body), random)), False


def harmless(kind: str, body: dict, random: Random) -> Response:
    """A response that means the same as the well-formed one."""
    data = to_json(body)
    ways = [
        lambda: Response(b" \n" * random.randrange(1000) + data + b"\r\n"),
        lambda: Response(gzip.compress(data), headers={"Content-Encoding": "gzip"}),
        lambda: Response(to_json(body | {"added": odd_finite(random)})),
        lambda: Response(json.dumps(body, sort_keys=True, indent=1).encode()),
        lambda: Response(data, headers={"Content-Type": random.choice(["text/plain", "application/problem+json"])}),
        lambda: Response(to_json(dict(reversed(list(body.items()))))),
    ]
    if kind == "chat":
        ways += [
            lambda: Response(
                to_json(put(body, ("choices", 0, "message", "content"), [{"type": "text", "text": TEXT}]))
            ),
            lambda: Response(to_json(put(body, ("usage", "completion_tokens"), 20.0))),
            lambda: Response(to_json(put(body, ("choices", 0, "message", "reasoning_content"), "I think"))),
        ]
    else:
        text = encoded()
        lines = "\n".join(text[start : start + 76] for start in range(0, len(text), 76))
        forms = [f"data:image/png;base64,{text}", lines, text.rstrip("=")]
        ways += [lambda: Response(to_json(put(body, ("data", 0, "b64_json"), random.choice(forms))))]
        ways += [lambda: Response(to_json(put(body, ("data",), [{"url": f"data:image/png;base64,{text}"}])))]
    return random.choice(ways)()


def odd_finite(random: Random) -> Any:
    """An odd value that is valid JSON."""
    while True:
        value = odd_value(random)
        texts_fine = not (isinstance(value, str) and "\ud800" in value)
        if texts_fine and not (isinstance(value, float) and not math.isfinite(value)) and value != 10**400:
            return value


KIND = Kind("replies", 300, 20, prepare)
