"""Images in responses: read in each form that servers send, bounded in pixels and bytes, broken or blank ones named."""

import base64
import io
import json
import struct
import zlib

import pytest
from PIL import Image

from detailscribe.llm.endpoint_error import EndpointError
from detailscribe.llm.openai_api import connection
from detailscribe.llm.openai_api.images import FORMATS, image_bytes, image_problem
from detailscribe.llm.request import Answer
from detailscribe.miniature.stand_in_content import placeholder_png
from tests.unit.llm.helpers import chat_request
from tests.unit.llm.planted_server import PlantedServer, call_once, planted

PNG = placeholder_png("a fox")
TEXT = base64.b64encode(PNG).decode()
REQUEST = chat_request("a fox", kind="image", role="image")


def drawn(format: str) -> bytes:
    data = io.BytesIO()
    Image.open(io.BytesIO(PNG)).save(data, format)
    return data.getvalue()


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header claims a size, with the pixels of another."""
    header = struct.pack(">II", width, height) + PNG[24:29]
    return PNG[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + PNG[33:]


def asked(body: dict | list) -> Answer | EndpointError:
    with planted(json.dumps(body).encode()) as server:
        return call_once(server.endpoint(), REQUEST)


def reason(result: Answer | EndpointError) -> str:
    """Why a call is asked again and then a failed row."""
    assert isinstance(result, EndpointError) and result.retryable and result.fallback
    assert result.fallback.status == "failed" and result.fallback.image is None
    return result.fallback.reason


@pytest.mark.parametrize(
    "entry",
    [
        {"b64_json": TEXT},
        {"b64_json": f"data:image/png;base64,{TEXT}"},
        {"b64_json": "\n".join(TEXT[at : at + 76] for at in range(0, len(TEXT), 76)) + "\r\n"},
        {"b64_json": TEXT.rstrip("=")},
        {"b64_json": TEXT.replace("+", "-").replace("/", "_").rstrip("=")},
        {"b64_json": None, "url": f"data:image/png;base64,{TEXT}"},
        {"url": f"DATA:image/png;charset=utf-8;BASE64,{TEXT}"},
    ],
    ids=["plain", "data URL", "line breaks", "no padding", "URL-safe", "url that is data", "capitals"],
)
def test_an_image_is_read_in_each_form(entry):
    result = asked({"created": 0, "data": [entry]})
    assert isinstance(result, Answer) and (result.status, result.image) == ("ok", PNG)
    assert TEXT[:200] not in json.dumps(result.body), "the data is kept once"


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"b64_json": TEXT}},
        [{"data": [{"b64_json": TEXT}]}],
        {"data": [{"revised_prompt": "x"}, {"b64_json": TEXT}]},
        {"data": [None, {"b64_json": ""}, {"b64_json": TEXT}]},
    ],
    ids=["an entry without its list", "a list around it", "a later entry", "behind empty entries"],
)
def test_a_paid_image_is_read_wherever_it_stands(body):
    result = asked(body)
    assert isinstance(result, Answer) and (result.status, result.image) == ("ok", PNG)


def test_an_image_behind_an_address_is_fetched_and_its_redirects_are_followed():
    def respond(method, path):
        if method == "POST":
            body = json.dumps({"data": [{"url": f"{server.address}/moved.png"}]}).encode()
            return 200, {"Content-Length": str(len(body))}, [body]
        if path == "/moved.png":
            return 302, {"Location": f"{store.address}/a.png", "Content-Length": "0"}, []
        return 404, {}, []

    with planted(PNG) as store, PlantedServer(respond) as server:
        result = call_once(server.endpoint(), REQUEST)
        assert "authorization" not in store.calls[0]["headers"]
    assert isinstance(result, Answer) and result.image == PNG


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((404, {}, []), "HTTP 404"),
        ((302, {"Location": "file:///etc/hostname"}, []), "could not be read"),
        ((302, {"Location": "/again"}, []), "TooManyRedirects"),
        ((200, {}, (b"x" * 2**16 for _ in range(2**12))), "larger than 1 MiB"),
    ],
    ids=["missing", "another scheme", "circle", "too large"],
)
def test_an_address_without_an_image_is_a_failed_row(monkeypatch, answer, said):
    monkeypatch.setattr(connection, "IMAGE_BYTES", connection.MIB)

    def respond(method, path):
        if method == "GET":
            return answer
        body = json.dumps({"data": [{"url": f"{server.address}/a.png"}]}).encode()
        return 200, {"Content-Length": str(len(body))}, [body]

    with PlantedServer(respond) as server:
        assert said in reason(call_once(server.endpoint(), REQUEST))


@pytest.mark.parametrize(
    "url", ["file:///etc/hostname", "ftp://127.0.0.1/a", "/a.png", "http://", "http://[", 4, ["x"]]
)
def test_another_address_is_a_failed_row(url):
    assert reason(asked({"data": [{"url": url}]}))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("size", [(30_000, 30_000), (2**31 - 1, 2**31 - 1), (10_000, 10_000), (0, 10)])
def test_an_image_of_too_many_pixels_is_a_failed_row(size):
    body = {"data": [{"b64_json": base64.b64encode(png_of_size(*size)).decode()}]}
    assert "image is broken" in reason(asked(body))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("format", FORMATS)
def test_no_changed_byte_is_another_error(format):
    whole = drawn(format)
    for at in range(min(len(whole), 160)):
        for change in (0x01, 0x80, 0xFF):
            data = whole[:at] + bytes([whole[at] ^ change]) + whole[at + 1 :]
            assert image_problem(data)[0] in ("", "failed", "refused")
    for end in range(0, len(whole), max(1, len(whole) // 50)):
        assert image_problem(whole[:end])[0] in ("failed", "", "refused")
    assert image_problem(whole) == ("", "")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1"])
@pytest.mark.parametrize("value", [0, 1])
def test_an_image_of_one_colour_is_refused(mode, value):
    data = io.BytesIO()
    Image.new(mode, (64, 64), value).save(data, "PNG")
    result = asked({"data": [{"b64_json": base64.b64encode(data.getvalue()).decode()}]})
    assert isinstance(result, Answer) and (result.status, result.image) == ("refused", None)
    assert "one colour throughout" in result.reason


@pytest.mark.parametrize("first", [{"b64_json": "!!"}, {"b64_json": "YQ"}, {"b64_json": ""}, {"url": "data:,x"}, {}])
def test_an_entry_without_an_image_is_a_value_error_or_no_image(first):
    try:
        assert image_problem(image_bytes(first, lambda url: b""))[0] == "failed"
    except ValueError as error:
        assert str(error)
