"""What decides about a connection: the configuration, and of the environment proxies and certificates only."""

import asyncio
import json
import socket

import pytest

from detailscribe.errors import SetupError
from detailscribe.llm.endpoint_error import EndpointError
from detailscribe.llm.endpoints import endpoint_key, public_url, server_url
from detailscribe.llm.openai_api.environment import is_loopback, proxy_variable
from detailscribe.llm.openai_api.provider import OpenAIProvider
from detailscribe.llm.request import Answer
from detailscribe.operations.model_list import ModelsNotListed, list_models
from detailscribe.study.validation import check_study
from tests.chat_replies import chat_body
from tests.unit.llm.helpers import chat_request
from tests.unit.llm.planted_server import call_once, planted
from tests.unit.study.configured import configured_study

FINE = json.dumps(chat_body("<fine>")).encode()
SECRET = "hidden-password"
PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    """An environment without proxies and certificates."""
    for name in (*PROXIES, "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


def endpoint(**changes) -> dict:
    """A config entry for a host that does not exist."""
    values = {
        "kind": "openai",
        "base_url": "http://somewhere.invalid/v1",
        "key_env": "",
        "in_flight": 1,
        "timeout_s": 5,
    }
    return values | changes


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.mark.parametrize(
    ("changes", "variables", "said"),
    [
        ({}, {"ALL_PROXY": f"socks5://me:{SECRET}@127.0.0.1:9"}, r"ALL_PROXY \(socks5://\).*socksio"),
        ({}, {"HTTPS_PROXY": f"ftp://me:{SECRET}@127.0.0.1:9"}, r"HTTPS_PROXY \(ftp://\).*correct or unset it"),
        ({}, {"http_proxy": "http://127.0.0.1:nine"}, r"http_proxy \(http://\)"),
        ({}, {"SSL_CERT_FILE": "/gone/ca.pem"}, r"SSL_CERT_FILE \(/gone/ca.pem\).*correct or unset SSL_CERT_FILE"),
        ({"base_url": "http://127.0.0.1:8000/v1\n"}, {}, "`base_url` 'http://127.0.0.1:8000/v1.n' holds a line break"),
        ({"base_url": "http://127.0.0.1:80 00/v1"}, {}, "holds a line break or a blank"),
        ({"base_url": "127.0.0.1:8000/v1"}, {}, "does not begin with http:// or https://"),
        ({"base_url": "ftp://127.0.0.1/v1"}, {}, "does not begin with http:// or https://"),
        ({"base_url": f"https://me:{SECRET}@x.example/v1?api-version=1"}, {}, "put it into `default_query`"),
        ({"base_url": "http://127.0.0.1:99999/v1"}, {}, "is not an address"),
        ({"base_url": "http://[::1/v1"}, {}, "is not an address"),
        ({"base_url": "http:///v1"}, {}, "names no host"),
        ({"key_env": "TEST_KEY"}, {"TEST_KEY": f"{SECRET}\nmore"}, "variable TEST_KEY holds a line break"),
        ({"key_env": "TEST_KEY"}, {"TEST_KEY": f"{SECRET}ä"}, "variable TEST_KEY holds a line break or another"),
        ({"key_env": "TEST_KEY"}, {"TEST_KEY": " \n"}, "set the environment variable TEST_KEY"),
    ],
)
def test_what_no_client_can_be_made_with_is_named_in_a_sentence(monkeypatch, changes, variables, said):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SetupError, match=said) as error:
        OpenAIProvider("mine", endpoint(**changes))
    message = str(error.value)
    assert message.startswith("Endpoint 'mine'") and SECRET not in message and "\n" not in message


@pytest.mark.parametrize(
    "variables",
    [
        {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"},
        {"ALL_PROXY": "socks5://127.0.0.1:9"},
        {"SSL_CERT_FILE": "/gone/ca.pem"},
        {
            "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
            "OPENAI_CUSTOM_HEADERS": "Authorization: Bearer other\nX-Other: 1",
        },
        {"OPENAI_API_KEY": "other", "OPENAI_ADMIN_KEY": "other"},
    ],
    ids=["proxy", "socks", "certificates", "address", "key"],
)
def test_a_server_on_this_machine_is_asked_directly_and_as_configured(monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with planted(FINE) as server:
        result = call_once(server.endpoint(), chat_request())
        headers = server.calls[0]["headers"]
    assert isinstance(result, Answer) and result.text == "<fine>"
    assert headers["authorization"] == "Bearer none" and "x-other" not in headers


def test_an_empty_address_is_openai_whatever_the_environment_says(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    provider = OpenAIProvider("mine", endpoint(base_url=""))
    assert str(provider.client.base_url) == "https://api.openai.com/v1/"
    asyncio.run(provider.close())


def test_an_unreachable_server_behind_a_proxy_names_the_variable(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://me:{SECRET}@127.0.0.1:{free_port()}")
    result = call_once(endpoint(base_url="http://192.0.2.7:8000/v1"), chat_request())
    assert isinstance(result, EndpointError) and not result.retryable and SECRET not in str(result)
    assert "could not be reached at http://192.0.2.7:8000 through the proxy of HTTP_PROXY" in str(result)
    assert "add the host to NO_PROXY" in str(result)


@pytest.mark.parametrize(
    ("url", "variables", "name"),
    [
        ("http://192.0.2.7/v1", {"HTTP_PROXY": "http://p:1"}, "HTTP_PROXY"),
        ("http://192.0.2.7/v1", {"http_proxy": "http://p:1"}, "http_proxy"),
        ("https://host.example/v1", {"ALL_PROXY": "http://p:1"}, "ALL_PROXY"),
        ("https://host.example/v1", {"HTTP_PROXY": "http://p:1"}, ""),
        ("http://192.0.2.7:80/v1", {"HTTP_PROXY": "http://p:1", "NO_PROXY": "192.0.2.7"}, ""),
        ("http://localhost:80/v1", {"HTTP_PROXY": "http://p:1"}, ""),
        ("http://127.8.9.1/v1", {"HTTP_PROXY": "http://p:1"}, ""),
    ],
)
def test_the_variable_of_a_proxy(monkeypatch, url, variables, name):
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    assert proxy_variable(url) == name


@pytest.mark.parametrize(
    ("url", "is_here"),
    [
        ("http://127.0.0.1:1/v1", True),
        ("http://[::1]/v1", True),
        ("http://me:x@localhost/v1", True),
        ("http://0.0.0.0:8000/v1", True),
        ("http://a.localhost/v1", True),
        ("http://192.168.0.2/v1", False),
        ("http://localhost.example/v1", False),
    ],
)
def test_which_addresses_are_this_machine(url, is_here):
    assert is_loopback(url) == is_here


def test_the_default_query_goes_with_each_call_and_azure_reads_its_key(monkeypatch):
    monkeypatch.setenv("TEST_KEY", "some-key-123")
    with planted(FINE) as server:
        url = f"{server.address}/openai/deployments/mine"
        values = {"base_url": url, "key_env": "TEST_KEY", "default_query": {"api-version": "2024-10-21"}}
        assert isinstance(call_once(server.endpoint(**values), chat_request()), Answer)
        call = server.calls[0]
    assert call["path"] == "/openai/deployments/mine/chat/completions?api-version=2024-10-21"
    assert call["headers"]["api-key"] == "some-key-123"
    plain = {"base_url": "https://x.example/v1", "key_env": "K"}
    assert endpoint_key(plain) == endpoint_key(plain | {"default_query": {"a": "b"}}), "records of batches stay valid"


def test_addresses_are_shown_without_credentials():
    assert server_url("mine", endpoint(base_url="HTTP://127.0.0.1:1/v1")) == "HTTP://127.0.0.1:1/v1"
    assert public_url(endpoint(base_url=f"https://me:{SECRET}@x.example:81/v1")) == "https://x.example:81"
    assert public_url(endpoint(base_url="http://x.example:port/v1")) == "its address"


def test_a_list_of_models_is_read_as_foreign_text():
    rows = [{"id": "a", "shutdown_date": 7}, {"id": ["b"]}, 3, {"id": "c", "shutdown_date": "2027-01-01"}]
    with planted(json.dumps({"data": rows}).encode()) as server:
        assert list_models("mine", server.endpoint()) == {"a": None, "c": "2027-01-01"}


@pytest.mark.parametrize("body", [b"[" * 200_000, b"[]", b'{"data": {}}', b"<html>"])
def test_an_unreadable_list_of_models_is_a_note(body):
    with planted(body) as server, pytest.raises(ModelsNotListed):
        list_models("mine", server.endpoint())


def test_a_configuration_with_an_address_that_is_none_is_refused_at_the_start():
    with pytest.raises(SetupError, match="Endpoint 'vllm': `base_url` '127.0.0.1:8000/v1' does not begin with http"):
        check_study(configured_study(endpoints={"vllm": {"base_url": "127.0.0.1:8000/v1"}}))
    check_study(configured_study(endpoints={"vllm": {"base_url": "", "default_query": {"api-version": "1"}}}))


def test_an_error_that_a_proxy_may_have_sent_names_its_variable(monkeypatch):
    page = b"<html><head><title>ERROR: The requested URL could not be retrieved</title></head></html>"
    with planted(page, 503) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.address)
        result = call_once(endpoint(base_url="http://192.0.2.7:8000/v1"), chat_request())
        assert len(proxy.calls) == 1
    assert isinstance(result, EndpointError) and "through the proxy of HTTP_PROXY" in str(result)
    assert "ERROR: The requested URL could not be retrieved" in str(result)
