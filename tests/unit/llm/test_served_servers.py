"""Servers that a job starts: one for all its requests, ended with it, and what is said when one misbehaves."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from detailscribe.errors import InputError, SetupError
from detailscribe.files import kept_process
from detailscribe.llm import exchange_store
from detailscribe.llm.client import Chat
from detailscribe.llm.endpoint_error import EndpointError
from detailscribe.llm.providers import create_provider
from detailscribe.llm.served import servers as servers_module
from detailscribe.llm.served import startup
from detailscribe.llm.served.ports import claim_port, listens
from tests.unit.llm.served_helpers import ENDPOINT, MODEL, FakeVllm, served_question


@pytest.fixture
def vllm(tmp_path, monkeypatch):
    """The fake program; nothing of it may be left after any test."""
    fake = FakeVllm(tmp_path, monkeypatch)
    yield fake
    assert fake.left(within_s=5.0) == ""


def test_one_server_answers_all_requests_of_a_job_and_a_replayed_job_starts_none(vllm):
    with vllm.servers() as servers:
        assert not vllm.notes(), "the first request starts it"
        first, again = vllm.ask(servers, 1, 2), vllm.ask(servers, 2, 3)
        assert [reply.text for reply in first + again] == [f"<answer to Prompt: {n}>" for n in (1, 2, 2, 3)]
        (note,) = vllm.notes()
        assert len(vllm.processes()) == 4, "keeper, server and its two children"
    assert vllm.left() == "", "the block has waited for the end"
    argv = " ".join(note["argv"])
    assert argv.startswith(f"serve some/repository --served-model-name {MODEL} --revision {'a' * 40} --host 127.0.0.1")
    assert "starting vllm" in vllm.said[0] and "is ready after" in vllm.said[1]
    with vllm.servers() as servers:
        replay = Chat({"local": ENDPOINT}, vllm.folder / "store", "replay", servers=servers)
        assert replay.ask([served_question(n) for n in (1, 2)]) == first
        assert vllm.ask(servers, 1, 2, 3)[:2] == first
    assert len(vllm.notes()) == 1


def test_the_processes_of_a_server_are_measured_before_it_ends_with_its_job(vllm):
    measured: list[list[int]] = []
    with vllm.servers(measure=measured.append) as servers:
        vllm.ask(servers, 1)
        (note,) = vllm.notes()
        assert not measured
    assert len(measured) == 1 and note["pid"] in measured[0]
    with pytest.raises(ValueError, match="the job failed"), vllm.servers(measure=measured.append) as servers:
        vllm.ask(servers, 2)
        raise ValueError("the job failed")
    assert len(measured) == 1, "a job that fails ends at once"


def test_the_key_is_random_and_is_in_no_command_line_log_or_exchange(vllm):
    keys = set()
    for number in (1, 2):
        with vllm.servers() as servers:
            vllm.ask(servers, number)
            shown = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
        key = vllm.notes()[-1]["key"]
        keys.add(key)
        kept = [path.read_text() for path in vllm.folder.rglob("*") if path.is_file() and path.name != "notes"]
        assert len(key) >= 32 and not any(key in text for text in [shown, *kept, *vllm.said, *vllm.noted])
        assert key not in os.environ.values()
    assert len(keys) == 2


def test_another_program_cannot_ask_the_server(vllm):
    with vllm.servers() as servers:
        vllm.ask(servers, 1)
        port = vllm.ports()[0]
        assert startup.get(port, "/v1/models", "wrong")[0] == 401
        assert startup.get(port, "/v1/models", vllm.notes()[0]["key"])[0] == 200


def test_two_jobs_never_share_a_port_and_a_port_is_held_until_the_server_has_ended(vllm):
    with vllm.servers() as one, vllm.servers() as two:
        vllm.ask(one, 1)
        vllm.ask(two, 2)
        assert len(set(vllm.ports())) == 2
    ports = [claim_port() for _ in range(100)]
    assert len({port.number for port in ports}) == 100
    for port in ports:
        port.release()


def state(vllm) -> list[str]:
    """What jobs left in the temporary folder of the user."""
    return [path.name for place in vllm.folder.glob("detailscribe*") for path in place.rglob("*")]


def test_a_job_leaves_no_file_of_its_server_and_the_next_removes_those_of_a_killed_one(vllm):
    with vllm.servers() as servers:
        vllm.ask(servers, 1, 2)
        [port] = vllm.ports()
        assert {str(port), f"{port}.state"} < set(state(vllm)), "the limits of the calls are with the port"
        held = claim_port()
        assert str(port) in state(vllm), "what another job holds is not removed"
    assert state(vllm) == [str(held.number)]
    os.close(held.lock)  # as if its job were killed
    held.state_folder.mkdir()
    (held.state_folder / "x.json").write_text("{}")
    other = claim_port()
    assert state(vllm) == [str(other.number)]
    other.release()
    other.release()
    assert state(vllm) == []


def test_a_lock_on_a_file_that_was_removed_holds_no_port(vllm, monkeypatch):
    import fcntl

    from detailscribe.llm.served import ports

    lock, taken = fcntl.flock, []

    def removed_before(descriptor, operation):
        if not taken:  # as by a job that released this port after the file was opened
            taken.append([path.unlink() for path in vllm.folder.glob("detailscribe-ports-*/*")])
        lock(descriptor, operation)

    monkeypatch.setattr(ports.fcntl, "flock", removed_before)
    port = claim_port()
    assert taken and port.file.stat().st_ino == os.fstat(port.lock).st_ino
    port.release()


def test_a_port_that_another_program_listens_on_is_not_the_servers(vllm):
    with vllm.servers() as servers:
        vllm.ask(servers, 1)
        server = next(iter(servers_module.RUNNING.values()))
        assert listens(server.process.pids(), server.port.number)
        assert not listens([os.getpid()], server.port.number)


def test_settings_reach_the_command_line_and_the_environment(vllm, monkeypatch):
    options = {"context": 4096, "tensor_parallel": 2, "thinking": False, "image_tokens": {"max_pixels": 1003520}}
    options |= {"flags": {"enforce-eager": True}, "machine_flags": {"gpu-memory-utilization": 0.5}}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-bbbb,GPU-aaaa")
    monkeypatch.setattr(servers_module, "_gpu_numbers", lambda: {"GPU-aaaa": 0, "GPU-bbbb": 1})
    with vllm.servers() as servers:
        vllm.ask(servers, 1, options=options, quantization="fp8")
    (note,) = vllm.notes()
    words = dict(zip(note["argv"], note["argv"][1:], strict=False))
    assert (words["--max-model-len"], words["--tensor-parallel-size"], words["--quantization"]) == ("4096", "2", "fp8")
    assert json.loads(words["--default-chat-template-kwargs"]) == {"enable_thinking": False}
    assert json.loads(words["--mm-processor-kwargs"]) == {"max_pixels": 1003520}
    assert "--enforce-eager" in words and words["--gpu-memory-utilization"] == "0.5"
    assert (note["CUDA_VISIBLE_DEVICES"], note["CUDA_DEVICE_ORDER"]) == ("1,0", "PCI_BUS_ID"), "vLLM reads numbers"


def test_progress_of_a_slow_start_is_noted(vllm, monkeypatch):
    monkeypatch.setattr(servers_module, "PROGRESS_S", 0.1)
    vllm.misbehave("slow")
    with vllm.servers() as servers:
        assert vllm.ask(servers, 1)[0].status == "ok"
    assert "vllm has been starting for" in vllm.noted[0] and "GET /health" in vllm.noted[-1]


def test_a_port_that_was_taken_meanwhile_is_replaced_by_another(vllm):
    vllm.misbehave("port-once")
    with vllm.servers() as servers:
        assert vllm.ask(servers, 1)[0].status == "ok"
    assert len(vllm.ports()) == 2 and "was taken meanwhile" in vllm.noted[0]


STARTS = [
    ("exits", {}, "ended with exit status 1 (ValueError: The model architecture FooForCausalLM is not supported"),
    ("memory", {}, "is less than desired GPU memory utilization (0.9, 3.6 GiB).; log: "),
    ("memory", {}, "lower `context` or `in_flight`, use a larger GPU or several (`tensor_parallel`), or lower `image_"),
    ("memory", {}, "or quantise the model, with which everything is asked again"),
    ("silent", {"start_timeout_s": 0.5}, "was not ready after 0.5 s (vLLM API server version 0.33.0"),
    ("never", {"start_timeout_s": 0.5}, "was not ready after 0.5 s"),
    ("other-at-start", {}, "serves 'somebody/else' instead of 'some/model' (log: "),
    ("port", {}, "ended with exit status 1 (OSError: [Errno 98] Address already in use"),
    ("stubborn", {"version": "0.32.0"}, "is version 0.33.0, but `version` says 0.32.0; install that one, or set"),
    ("", {"version": "0.32.0"}, "with which is asked again what was not recorded under that version (log: "),
    ("", {"options": {"flags": {"no-such-flag": 1}}}, "error: unrecognized arguments: --no-such-flag"),
    ("", {"command": "no-such-program serve"}, "the program 'no-such-program' could not be started (No such file or"),
]


@pytest.mark.parametrize(
    ("mode", "changes", "said"), STARTS, ids=[f"{mode}-{n}" for n, (mode, _, _) in enumerate(STARTS)]
)
def test_a_server_that_does_not_start_is_one_sentence_with_its_log_and_nothing_is_left(vllm, mode, changes, said):
    vllm.misbehave(mode)
    with vllm.servers(grace_s=0.5) as servers:
        with pytest.raises(SetupError) as caught:
            vllm.ask(servers, 1, **changes)
        assert vllm.left() == "", "before the job ends"
    message = str(caught.value)
    assert said in message and message.startswith("Endpoint 'local': ") and "\n" not in message
    assert "program" in message or str(vllm.folder / "logs" / "job.local.log") in message
    vllm.misbehave("")
    with vllm.servers() as servers:
        assert vllm.ask(servers, 1)[0].status == "ok", "the next run goes on"


LATER = [
    (
        "dies",
        {},
        "was ended by SIGKILL (the kernel does this when the machine's memory is full) (torch.AcceleratorError",
    ),
    ("dies-of-memory", {}, "ended with exit status 1 (torch.OutOfMemoryError: CUDA out of memory. Tried to allocate"),
    ("other-later", {}, "answered as 'somebody/else', but serves 'some/model' (log of its server: "),
]


@pytest.mark.parametrize(("mode", "changes", "said"), LATER, ids=[mode for mode, _, _ in LATER])
def test_a_server_that_fails_in_the_middle_keeps_what_was_answered_and_the_next_run_goes_on(vllm, mode, changes, said):
    vllm.misbehave(mode)
    with vllm.servers() as servers, pytest.raises(SetupError) as caught:
        vllm.ask(servers, *range(10), **changes)
    message = str(caught.value)
    assert said in message and "job.local.log" in message and "recorded answers are kept: run again." in message
    kept = exchange_store.exchange_files(vllm.folder / "store")
    assert 2 <= len(kept) < 10
    vllm.misbehave("")
    before = {path: path.read_bytes() for path in kept if json.loads(path.read_text())["served_model"] == MODEL}
    with vllm.servers() as servers:
        assert {reply.status for reply in vllm.ask(servers, *range(10))} == {"ok"}
    assert before and all(path.read_bytes() == data for path, data in before.items())


def test_a_server_that_hangs_in_a_request_is_given_up_if_it_is_not_healthy_either(vllm, monkeypatch):
    monkeypatch.setattr(startup, "CALL_S", 0.3)
    vllm.misbehave("hangs")
    with vllm.servers() as servers, pytest.raises(SetupError, match="hangs: it gave no answer within 0.5 s") as caught:
        vllm.ask(servers, *range(4), timeout_s=0.5, max_retries=5)
    assert "4 of 4 calls are unanswered" in str(caught.value) and "job.local.log" in str(caught.value)


def test_a_slow_answer_of_a_healthy_server_is_asked_again(vllm):
    vllm.misbehave("hangs-once-healthy")
    with vllm.servers() as servers, pytest.raises(SetupError, match="gave no answer within 0.3 s .log of its server"):
        vllm.ask(servers, 1, timeout_s=0.3, max_retries=1)
    calls = (vllm.folder / "logs" / "job.local.log").read_text()
    assert calls.count("GET /health") >= 3


def test_garbage_is_a_failed_answer_and_the_message_names_the_log(vllm):
    vllm.misbehave("garbage")
    with vllm.servers() as servers:
        with pytest.raises(
            SetupError, match="failed the first 5 calls of rewrite .*could not be read.*log of its server"
        ):
            vllm.ask(servers, *range(8), in_flight=1)
        (server,) = servers_module.RUNNING.values()
        assert server.excerpt().isprintable()
    assert len(exchange_store.exchange_files(vllm.folder / "store")) == 5


def test_a_stubborn_server_is_killed_after_its_grace(vllm):
    vllm.misbehave("stubborn")
    with vllm.servers(grace_s=0.3) as servers:
        vllm.ask(servers, 1)
        started = time.monotonic()
    assert time.monotonic() - started < 3 and vllm.left() == ""


def test_an_error_of_the_job_ends_the_server(vllm):
    with pytest.raises(KeyError), vllm.servers() as servers:
        vllm.ask(servers, 1)
        raise KeyError
    assert vllm.left() == ""


def test_a_keeper_that_is_killed_takes_the_server_with_it(vllm):
    with vllm.servers() as servers:
        vllm.ask(servers, 1)
        (server,) = servers_module.RUNNING.values()
        server.process._keeper.kill()
        server.process._keeper.wait()
        assert server.process.ending() == "was ended from outside"
        with pytest.raises(SetupError, match="lost its server|could not be reached"):
            asyncio.run(_ask_directly(servers))
    assert vllm.left(within_s=1.0) == "", "the child in a session of its own, too"


async def _ask_directly(servers):
    ((_, entry),) = servers._running.values()
    provider = create_provider("local", entry)
    try:
        await provider.answer(served_question(9))
    except EndpointError as error:
        raise SetupError(str(error)) from None
    finally:
        await provider.close()


def test_a_server_that_ended_between_two_questions_is_started_again(vllm):
    with vllm.servers() as servers:
        vllm.ask(servers, 1)
        os.kill(vllm.notes()[0]["pid"], signal.SIGKILL)
        (server,) = servers_module.RUNNING.values()
        deadline = time.monotonic() + 5
        while not server.process.ending() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert vllm.ask(servers, 2)[0].status == "ok" and len(vllm.notes()) == 2
        assert list(servers_module.RUNNING.values()) != [server]


def test_one_server_has_one_model(vllm):
    requests = [served_question(1), served_question(2)]
    object.__setattr__(requests[1], "model", "another")
    with vllm.servers() as servers, pytest.raises(InputError, match="its server has one model, but 'some/model', 'ano"):
        Chat({"local": ENDPOINT}, vllm.folder / "store", "live", servers=servers).ask(requests)
    assert not vllm.notes()


def test_locks_of_the_gpus_are_held_until_the_last_process_has_ended(vllm, tmp_path):
    import fcntl

    with open(tmp_path / "gpu", "a") as lock, open(tmp_path / "gpu", "a") as other:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with vllm.servers(locks=lambda: [lock.fileno()]) as servers:
            vllm.ask(servers, 1)
            lock.close()  # as when the job is killed
            with pytest.raises(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_keeper_needs_the_standard_library_alone():
    keeper = Path(kept_process.__file__).with_name("keeper.py")
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"exec(open({str(keeper)!r}).read().split('if __name__')[0])"]
    )
    assert run.returncode == 0
