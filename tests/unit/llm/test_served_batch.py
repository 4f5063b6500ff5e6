"""Batches of a served model through `vllm run-batch`: the exchanges of a running server, and what a batch that fails
keeps and says.
"""

import json
import os
import time

import pytest

from detailscribe.errors import InputError, SetupError
from detailscribe.llm import exchange_store
from detailscribe.llm.client import Chat
from detailscribe.llm.prices import prices_of
from detailscribe.llm.providers import create_provider
from detailscribe.llm.served import batch_program, run_batch
from detailscribe.llm.served.kinds import check_served
from detailscribe.llm.spending.account import read_account
from detailscribe.llm.spending.spend_log import read_spending
from tests.sample_images import smooth_image
from tests.unit.llm.served_helpers import ENDPOINT, MODEL, FakeVllm, served_question

BATCH = {"batch": True}
USUAL = {"id", "date", "check", "batch"}  # of an exchange: what differs between two runs, and how it was asked


@pytest.fixture
def vllm(tmp_path, monkeypatch):
    """The fake program; neither a process nor a file of a batch may be left after any test."""
    monkeypatch.setattr(run_batch, "POLL_S", 0.05)
    fake = FakeVllm(tmp_path, monkeypatch)
    yield fake
    assert fake.left(within_s=5.0) == ""
    assert not list((tmp_path / "store").glob(".run-batch-*"))


def exchanges(vllm: FakeVllm) -> dict[str, dict]:
    found = [json.loads(path.read_text()) for path in exchange_store.exchange_files(vllm.folder / "store")]
    assert exchange_store.damaged_exchanges(vllm.folder / "store") == []
    return {each["digest"]: {key: value for key, value in each.items() if key not in USUAL} for each in found}


def test_a_batch_records_the_exchanges_of_a_running_server_and_neither_asks_again(vllm):
    with vllm.servers() as servers:
        served = vllm.ask(servers, *range(3))
    of_server = exchanges(vllm)
    (vllm.folder / "store").rename(vllm.folder / "served")
    with vllm.servers() as servers:
        batched = vllm.ask(servers, *range(3), **BATCH)
        assert vllm.left() == "", "the program has ended with its batch"
        assert vllm.ask(servers, *range(3), **BATCH) == batched
        assert [reply.text for reply in vllm.ask(servers, *range(3))] == [reply.text for reply in served]
    assert [(reply.digest, reply.text) for reply in batched] == [(reply.digest, reply.text) for reply in served]
    assert exchanges(vllm) == of_server, "body, usage and cost included"
    assert len(vllm.notes()) == 2, "a server and a batch; answers of one count for the other"
    replay = Chat({"local": ENDPOINT | BATCH}, vllm.folder / "store", "replay")
    assert replay.ask([served_question(n) for n in range(3)]) == batched
    server, batch = (note["argv"] for note in vllm.notes())
    flags = ["--served-model-name", MODEL, "--revision", "a" * 40]
    assert batch[:3] == ["run-batch", "--model", "some/repository"] and batch[3:7] == server[2:6] == flags
    assert not {"--host", "--port"} & set(batch) and batch[7::2] == ["--input-file", "--output-file"]


def test_a_batch_has_the_flags_of_the_server_and_no_key(vllm, monkeypatch):
    monkeypatch.setenv("VLLM_API_KEY", "theirs")
    options = {"context": 4096, "thinking": False, "image_tokens": {"max_pixels": 1003520}}
    options |= {"flags": {"enforce-eager": True}, "machine_flags": {"gpu-memory-utilization": 0.5}}
    with vllm.servers() as servers:
        vllm.ask(servers, 1, options=options, quantization="fp8", **BATCH)
        vllm.ask(servers, 2, options=options, quantization="fp8")
    batch, server = vllm.notes()
    own = {"--host", "--port", "--input-file", "--output-file", "--model"}

    def flags(argv):
        return {(name, value) for name, value in zip(argv, argv[1:], strict=False) if name[:2] == "--"} - {
            (name, value) for name, value in zip(argv, argv[1:], strict=False) if name in own
        }

    assert flags(batch["argv"]) == flags(server["argv"]) and len(flags(batch["argv"])) == 8
    assert batch["key"] is None and server["key"]


def test_answers_that_come_all_at_the_end_are_as_good(vllm):
    vllm.misbehave("at-the-end")
    with vllm.servers() as servers:
        replies = vllm.ask(servers, *range(4), **BATCH)
    assert [reply.text for reply in replies] == [f"<answer to Prompt: {n}>" for n in range(4)]


def test_answers_are_recorded_as_they_come(vllm, monkeypatch):
    recorded, sleep = [], run_batch.asyncio.sleep

    async def look(seconds):
        recorded.append(len(exchanges(vllm)) if (vllm.folder / "store").exists() else 0)
        await sleep(seconds)

    monkeypatch.setattr(run_batch.asyncio, "sleep", look)
    vllm.misbehave("streams")
    with vllm.servers() as servers:
        vllm.ask(servers, *range(10), **BATCH)
    assert len(set(recorded)) > 3 and recorded == sorted(recorded)


def test_images_are_in_the_requests_as_data_urls(vllm, monkeypatch):
    path = vllm.folder / "image.png"
    smooth_image(8, 8).save(path)
    kept = []
    start = batch_program.BatchProgram.start
    monkeypatch.setattr(
        batch_program.BatchProgram, "start", lambda *a: [kept.append(a[1].requests.read_text()), start(*a)][1]
    )
    request = served_question(1, images=[path])
    with vllm.servers() as servers:
        chat = Chat({"local": ENDPOINT | BATCH}, vllm.folder / "store", "live", servers=servers)
        assert chat.ask([request])[0].status == "ok"
    line = json.loads(kept[0])
    assert line.keys() == {"custom_id", "method", "url", "body"} and line["custom_id"] == request.digest
    assert line["body"]["messages"][0]["content"][1]["image_url"]["url"].startswith("data:image/png;base64,")


def test_an_image_that_is_none_fails_alone(vllm):
    (vllm.folder / "image.png").write_text("no image")
    requests = [served_question(1, images=[vllm.folder / "image.png"]), served_question(2)]
    with vllm.servers() as servers:
        chat = Chat({"local": ENDPOINT | BATCH}, vllm.folder / "store", "live", servers=servers)
        failed, answered = chat.ask(requests)
    assert failed.status == "failed" and "is not a PNG" in failed.reason and answered.status == "ok"


def test_what_is_too_much_for_a_batch_goes_into_another(vllm, monkeypatch):
    monkeypatch.setattr(run_batch, "MAX_REQUESTS", 2)
    with vllm.servers() as servers:
        assert {reply.status for reply in vllm.ask(servers, *range(5), **BATCH)} == {"ok"}
    assert len(vllm.notes()) == 3
    assert [sentence.partition("for ")[2][:10] for sentence in vllm.said[::2]] == ["2 requests"] * 2 + ["1 requests"]


def test_start_progress_and_end_are_said(vllm, monkeypatch):
    monkeypatch.setattr(run_batch, "PROGRESS_S", 0.1)
    vllm.misbehave("slow")
    with vllm.servers() as servers:
        vllm.ask(servers, 1, 2, **BATCH)
    log = vllm.folder / "logs" / "job.local.log"
    assert vllm.said[0] == f"Endpoint 'local': starting vllm run-batch with {MODEL} for 2 requests (log: {log})"
    assert vllm.said[1].startswith("Endpoint 'local': vllm run-batch ended with exit status 0 after ")
    assert vllm.said[1].endswith("s, 2 of 2 requests are answered")
    assert "vllm run-batch has run for" in vllm.noted[0] and "Reading batch" not in vllm.noted[0]


def test_a_log_that_is_removed_in_the_middle_is_only_missed(vllm):
    vllm.misbehave("log-removed")
    with vllm.servers() as servers:
        assert {reply.status for reply in vllm.ask(servers, 1, 2, **BATCH)} == {"ok"}
    assert vllm.left() == ""


STOPS = [
    ("exits", {}, 0, "did not finish its batch: vllm run-batch ended with exit status 1 (ValueError: The model arch"),
    ("memory", {}, 0, "(0.9, 3.6 GiB).; log: "),
    ("memory", {}, 0, "quantise the model, with which everything is asked again"),
    ("dies", {}, 3, "did not finish its batch: vllm run-batch was ended by SIGKILL (the kernel does this when"),
    ("dies-of-memory", {}, 3, "ended with exit status 1 (torch.OutOfMemoryError: CUDA out of memory. Tried to alloc"),
    ("engine-stops", {}, 3, "vllm run-batch ended with exit status 1 (RuntimeError: CUDA error: device-side assert"),
    ("engine-dies", {"max_retries": 3}, 3, "did not finish its batch: vllm run-batch lost its engine (RuntimeError: "),
    ("other-later", {}, 3, "answered as 'somebody/else', but serves 'some/model' (log: "),
    ("silent", {"start_timeout_s": 0.5}, 0, "hangs: vllm run-batch wrote neither an answer nor a line in 0.5 s (vLLM"),
    ("hangs", {"timeout_s": 0.5}, 0, "hangs: vllm run-batch wrote neither an answer nor a line in 0.5 s (Running bat"),
    ("truncated", {}, 7, "left 1 requests without an answer in vllm run-batch (1 lines could not be read or belong to"),
    ("folder", {}, 0, "put something else in the place of its file of answers (log: "),
    ("odd-status", {}, 0, "(8 lines have neither an answer nor an error (status None, status [1], status 999999))"),
    ("", {"version": "0.32.0"}, 0, "runs vllm run-batch, which is version 0.33.0, but `version` says 0.32.0; install"),
    ("", {"options": {"flags": {"no-such-flag": 1}}}, 0, "error: unrecognized arguments: --no-such-flag"),
    ("", {"command": "no-such-program serve"}, 0, "has no program 'no-such-program': it could not be started (No such"),
]


@pytest.mark.parametrize(
    ("mode", "changes", "answered", "said"), STOPS, ids=[f"{mode}-{n}" for n, (mode, *_) in enumerate(STOPS)]
)
def test_a_batch_that_fails_is_one_sentence_and_the_next_run_asks_for_the_others(vllm, mode, changes, answered, said):
    vllm.misbehave(mode)
    with vllm.servers(grace_s=0.5) as servers:
        with pytest.raises(SetupError) as caught:
            vllm.ask(servers, *range(8), **BATCH | changes)
        assert vllm.left() == "", "before the job ends"
    message = str(caught.value)
    assert said in message and message.startswith("Endpoint 'local' ") and "\n" not in message
    assert str(vllm.folder / "logs" / "job.local.log") in message
    assert message.endswith(f"{8 - answered} of 8 calls are unanswered, recorded answers are kept: run again.")
    kept = exchanges(vllm)
    assert len(kept) == answered
    vllm.misbehave("")
    with vllm.servers() as servers:
        assert {reply.status for reply in vllm.ask(servers, *range(8), **BATCH)} == {"ok"}
    assert f"for {8 - answered} requests" in vllm.said[-2]
    assert kept.items() <= exchanges(vllm).items()


def test_garbage_and_answers_to_nothing_or_twice_are_left_out_and_said_in_one_sentence(vllm):
    vllm.misbehave("garbage")
    with vllm.servers() as servers:
        replies = vllm.ask(servers, *range(3), **BATCH)
    assert [reply.text for reply in replies] == [f"<answer to Prompt: {n}>" for n in range(3)]
    assert vllm.said[-1].endswith("3 of 3 requests are answered; 18 lines could not be read or belong to no request")
    assert len(vllm.notes()) == 1


def test_a_program_that_fails_after_its_last_answer_fails_nothing(vllm):
    vllm.misbehave("dies-at-the-end")
    with vllm.servers() as servers:
        assert {reply.status for reply in vllm.ask(servers, 1, 2, **BATCH)} == {"ok"}
    assert "ended with exit status 3" in vllm.said[-1] and "2 of 2 requests are answered" in vllm.said[-1]


@pytest.mark.parametrize(("max_retries", "starts"), [(0, 1), (3, 2)])
def test_errors_of_single_requests_are_failed_answers_and_the_servers_faults_are_asked_once_more(
    vllm, max_retries, starts
):
    vllm.misbehave("errors")
    with vllm.servers() as servers:
        replies = vllm.ask(servers, *range(4), max_retries=max_retries, **BATCH)
    assert len(vllm.notes()) == starts, "of the second one, the first request fails for good"
    assert [reply.status for reply in replies] == ["failed", "failed", "ok", "ok"]
    assert "rejected the request (HTTP 400: this model's maximum context" in replies[0].reason
    assert "HTTP 500" in replies[1].reason or max_retries


def test_requests_that_all_fail_alike_are_one_sentence_and_no_further_batch(vllm, monkeypatch):
    monkeypatch.setattr(run_batch, "MAX_REQUESTS", 5)
    vllm.misbehave("rejects")
    with vllm.servers() as servers, pytest.raises(SetupError, match="failed the first 5 calls of rewrite .* alike"):
        vllm.ask(servers, *range(8), **BATCH)
    assert len(vllm.notes()) == 1


def test_a_line_that_is_being_written_is_read_once_it_is_whole(tmp_path):
    with batch_program.BatchFiles(tmp_path) as files:
        assert list(files.new_lines(ended=False)) == [] and files.size() == 0
        files.answers.write_bytes(b"one\n\ntw")
        assert list(files.new_lines(ended=False)) == [b"one\n"]
        files.answers.write_bytes(b"one\n\ntwo\nthr")
        assert list(files.new_lines(ended=False)) == [b"two\n"]
        assert list(files.new_lines(ended=True)) == [b"thr"] and list(files.new_lines(ended=True)) == []
    assert not list(tmp_path.iterdir())


def test_an_answer_without_limit_ends_the_batch(vllm, monkeypatch):
    monkeypatch.setattr(batch_program, "LINE_BYTES", 100)
    with vllm.servers() as servers, pytest.raises(SetupError, match="wrote an answer of more than 0 MiB"):
        vllm.ask(servers, 1, 2, **BATCH)
    monkeypatch.setattr(batch_program, "FILE_BYTES", 100)
    with vllm.servers() as servers, pytest.raises(SetupError, match="wrote more than 0 MiB of answers"):
        vllm.ask(servers, 1, 2, **BATCH)
    assert not exchanges(vllm)


def test_files_of_a_killed_job_are_removed_later_and_those_of_a_running_one_are_not(vllm):
    store = vllm.folder / "store"
    store.mkdir()
    old, new = store / ".run-batch-aa.requests.tmp", store / ".run-batch-bb.requests.tmp"
    for path in (old, new):
        path.write_text("x")
    hours_ago = time.time() - 2 * batch_program.STALE_S
    os.utime(old, (hours_ago, hours_ago))
    with vllm.servers() as servers:
        vllm.ask(servers, 1, **BATCH)
    assert not old.exists() and new.exists()
    new.unlink()


def test_a_batch_costs_as_much_as_calls_and_its_tokens_are_counted(vllm):
    prices = {"input_usd_per_million": 2.0, "output_usd_per_million": 8.0}
    assert prices_of(ENDPOINT | BATCH | prices, MODEL) == prices
    endpoint = ENDPOINT | BATCH | prices
    requests = [served_question(n, options={"max_tokens": 20}) for n in range(3)]
    store = vllm.folder / "store"
    with vllm.servers() as servers:
        Chat({"local": endpoint}, store, "live", 1.0, servers=servers).ask(requests)
        more = [served_question(n, options={"max_tokens": 20}) for n in range(3, 6)]
        with pytest.raises(SetupError, match="was stopped by the budget: .*a batch of 3 calls may cost"):
            Chat({"local": endpoint}, store, "live", 2e-4, servers=servers).ask(more)
    assert [(row["input_tokens"], row["output_tokens"], row["batch"]) for row in read_spending(store)] == [
        (10, 5, False)
    ] * 3
    assert not read_account(store).open, "what was reserved is settled or released"
    assert len(vllm.notes()) == 1


def test_only_vllm_has_batches(vllm):
    for changes, said in [
        ({"kind": "transformers"}, "endpoints: x: `batch` needs kind openai or vllm, got 'transformers'; remove it"),
        ({"kind": "llama_cpp", "file": "x.gguf"}, "`batch` needs kind openai or vllm, got 'llama_cpp'"),
        ({"command": "vllm serve --x"}, "command: 'vllm serve --x' must end with `serve`, or remove `batch`"),
        ({"options": {"flags": {"input-file": "x"}}}, "flags: input-file: the job sets it itself"),
    ]:
        with pytest.raises(InputError, match=said):
            check_served("x", ENDPOINT | BATCH | changes)
    check_served("x", ENDPOINT | BATCH | {"command": "apptainer exec vllm.sif vllm serve"})
    with pytest.raises(SetupError, match="Endpoint 'local': a job runs its batches; there is none here."):
        create_provider("local", ENDPOINT | BATCH | {"base_url": "http://127.0.0.1/run-batch/none"})
