"""A study whose jobs serve real models on the CPU: SmolLM2-135M in llama.cpp, a tiny random LLaVA in transformers.

Most answers of such models are unusable. Each becomes a row with a status and a reason, and nothing stops. Needs the
environment that `make test-open` makes.
"""

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import pytest

from detailscribe.files.rows import read_rows
from detailscribe.llm.served.ports import listening_inodes
from tests.open.llama import COMMON, PYTHON, llama_endpoint
from tests.paths import REPOSITORY
from tests.unit.llm.served_helpers import is_zombie
from tests.workflow.small_study import Study, merged

pytestmark = pytest.mark.open

TOKEN = "DETAILSCRIBE_TEST_OPEN"  # environment variable of all processes of a test
SCENARIO = "toy_data_001"
PROMPTS = [
    ("whisk-cream", "A watercolour of a hedgehog whisking cream in a copper bowl."),
    ("thread-needle", "A watercolour of a mole threading a needle with red yarn."),
    ("stack-stones", "A watercolour of an otter balancing flat stones into a small tower."),
    ("pour-tea", "A watercolour of a raccoon pouring tea from a dented kettle into a walnut shell."),
    ("saw-plank", "A watercolour of two badgers sawing a plank with a long saw, one at each handle."),
]
# Without torchvision, transformers reads images with Pillow, whatever torch torchvision was built for.
TRANSFORMERS = "import sys; sys.modules['torchvision'] = None; from transformers.cli.transformers import main; main()"
TARGETS = SCENARIO, "resources/written/own.jsonl"
STATUSES = "ok", "unparsed", "refused", "failed", "skipped"
# Folders of rows of answers below results/toy_data_001: the value of a usable one, and the server.
ROWS = {
    "decompositions": ("components", "llama_cpp.server"),
    "rewrites/gpt_rewrite": ("refined_prompt", "llama_cpp.server"),
    "critiques/detailscribe": ("refined_prompt", "transformers"),
    "critiques/ablation": ("refined_prompt", "transformers"),
    "critiques/gpt_refine": ("refined_prompt", "transformers"),
    "scores/judge-main": ("score", "transformers"),
}
# Without one, the model decomposes nothing, and the critic that is shown decompositions has nothing to ask.
GRAMMAR = 'root ::= "<(concept: " words ") = (" words ") + (" words ")>"\nwords ::= [a-z] [a-z ]{2,30}'


@pytest.fixture(scope="session")
def weights(gguf, tmp_path_factory) -> tuple[Path, Path]:
    """The GGUF file of the language model, and the folder of the vision-language model."""
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    script = REPOSITORY / "tests" / "open" / "tiny_vlm.py"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    subprocess.run([sys.executable, str(script), str(folder)], check=True, env=environment, capture_output=True)
    return gguf, folder


def config(weights: tuple[Path, Path], **changes) -> dict:
    """Config changes with which one server answers about texts and another about images."""
    seeing = {"kind": "transformers", "command": [PYTHON, "-c", TRANSFORMERS, "serve"], "model": str(weights[1])}
    seeing |= {"revision": "", "version": version("transformers"), "options": {"tensor_parallel": 0}}
    text = {"endpoint": "llama", "model": "smollm2", "options": {"temperature": 0, "seed": 0, "max_tokens": 120}}
    image = {"endpoint": "seeing", "model": "tiny-llava", "options": {"temperature": 1.0, "seed": 0, "max_tokens": 40}}
    options = text["options"] | {"grammar": GRAMMAR}
    scenarios = {SCENARIO: {"file": "toy.jsonl", "shards": 1}, "small": None}
    return merged(
        {
            "study": [SCENARIO],
            "scenarios": scenarios,
            "topics": {"own": {"file": "topics.txt", "kind": "functional"}},
            "critics": {"ablation": {"after_step": [0, 1]}},
            "endpoints": {"llama": llama_endpoint(weights[0]), "seeing": COMMON | seeing},
            "roles": {"decompose": text | {"options": options}, "rewrite": text, "write": text}
            | {"critique": image, "refine": image},
            "judges": {"main": image},
        },
        changes,
    )


@pytest.fixture
def study(tmp_path, monkeypatch) -> Study:
    """An unstarted study. After the test, no process that it started is left, and no server listens."""
    token = secrets.token_hex(8)
    monkeypatch.setenv(TOKEN, token)
    study = study_in(tmp_path / "study")
    yield study
    ports = set(re.findall(r"http://127\.0\.0\.1:(\d+)", "".join(log.read_text() for log in server_logs(study))))
    assert ports and not [port for port in ports if listening_inodes(int(port))]
    deadline = time.monotonic() + 10
    while left := processes(token):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def study_in(folder: Path) -> Study:
    """A folder with the prompts and the topics of the study; other models than those that answer are stubs."""
    folder.mkdir()
    lines = [json.dumps({"topic": topic, "prompt": prompt}) for topic, prompt in PROMPTS]
    (folder / "toy.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "topics.txt").write_text("".join(f"{topic}\n" for topic, _ in PROMPTS))
    return Study(folder, forked=False)


def server_logs(study: Study) -> list[Path]:
    """Logs of all servers that jobs started."""
    return [log for name in ("llama", "seeing") for log in study.folder.glob(f"logs/**/*.{name}.log")]


def processes(token: str) -> list[str]:
    """Command lines of the processes with this token that still run, this one left out."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            pid = int(path.name)
            if pid != os.getpid() and f"{TOKEN}={token}".encode() in (path / "environ").read_bytes():
                words = (path / "cmdline").read_text().replace("\0", " ")
                found += [] if is_zombie(pid) else [f"{pid} {words}"]
    return found


def rows_of(study: Study, name: str) -> list[dict]:
    """Rows of a folder of the scenario."""
    return [row for file in sorted((study.results / SCENARIO / name).glob("*.jsonl")) for row in read_rows(file)]


def exchanges_of(row: dict) -> list[str]:
    """Digests of a row's exchanges."""
    found = row.get("exchange") or row.get("exchanges") or []
    return found if isinstance(found, list) else [found]


def kept(study: Study) -> dict[str, bytes]:
    """Rows and tables of a study by their path: what its answers decide, and no measured time."""
    patterns = "results/*/*/**/*.jsonl", "results/*/*.jsonl", "results/*/dropped.tsv", "results/*/tables/*.csv"
    files = {file for pattern in (*patterns, "resources/written/*") for file in study.folder.glob(pattern)}
    named = {file.relative_to(study.folder).as_posix(): file for file in sorted(files)}
    return {name: file.read_bytes() for name, file in named.items() if "/ledgers/seconds/" not in name}


def test_real_models_answer_a_whole_study_and_it_replays_without_them(study, weights, tmp_path):
    said = study.snakemake(*TARGETS, **config(weights))
    assert len(server_logs(study)) == said.count("is ready after") >= 6, "one for each job that asks"
    statuses = Counter[str]()
    for name, (value, server) in ROWS.items():
        rows = rows_of(study, name)
        assert len(rows) >= len(PROMPTS), name
        for row in rows:
            assert row["status"] in STATUSES, row
            assert (row["status"] == "ok") == (row[value] is not None) == (not row["reason"]), row
            for exchange in map(study.exchange, exchanges_of(row)):
                assert exchange["request"]["served"]["server"] == server
                assert exchange["body"]["json"]["choices"] and str(weights[1]) not in json.dumps(exchange)
        statuses.update(row["status"] for row in rows)
        print(f"{name}: {dict(Counter(row['status'] for row in rows))}")
    assert statuses["ok"] and statuses["unparsed"], "otherwise one of the two is not tested"
    rejected = (study.folder / "resources" / "written" / "own.rejected.tsv").read_text().splitlines()[1:]
    written = (study.folder / "resources" / "written" / "own.jsonl").read_text().splitlines()
    assert len(rejected) + len(written) == len(PROMPTS) and all(line.split("\t")[2] for line in rejected)
    assert study.nothing_to_do(*TARGETS, **config(weights))

    other = study_in(tmp_path / "other")
    shutil.copytree(study.folder / "resources" / "exchanges", other.folder / "resources" / "exchanges")
    nowhere = {"llama": {"command": ["nowhere", "-m", "llama_cpp.server"]}, "seeing": {"command": "nowhere serve"}}
    other.snakemake(*TARGETS, exchanges="replay", **config(weights, endpoints=nowhere))
    assert not server_logs(other)
    first, again = kept(study), kept(other)
    assert first.keys() == again.keys() and len(first) > 20
    assert [name for name in first if first[name] != again[name]] == []


def test_a_critic_at_a_model_of_texts_alone_stops_the_run_at_its_first_image(study, weights):
    critic = {"endpoint": "llama", "model": "smollm2", "options": {"max_tokens": 120}}
    short = {"options": {"max_tokens": 4}}  # of a rewriter whose images are drawn by the same job
    changes = {"roles": {"critique": critic, "rewrite": short}, "endpoints": {"llama": {"max_retries": 6}}}
    target = f"results/{SCENARIO}/critiques/ablation/000-of-001.jsonl"
    told = study.snakemake(target, expect=1, **config(weights, **changes))
    said = [line for line in told.splitlines() if "cannot show images to the model 'smollm2'" in line]
    assert said and all("choose a model that sees images" in line for line in said)
    [log] = study.folder.glob("logs/critique_images/**/*.llama.log")
    assert log.read_text().count("POST /v1/chat/completions") == 1
    assert study.exchanges() == len(PROMPTS), "those of the rewriter"
    assert not (study.folder / target).exists()


@pytest.mark.parametrize("victim", ["decompose_prompts.py", "-m llama_cpp.server"], ids=["job", "server"])
def test_a_killed_job_leaves_no_real_server_and_what_was_answered_is_kept(study, weights, victim):
    target, token = f"results/{SCENARIO}/decompositions/000-of-001.jsonl", os.environ[TOKEN]
    command = study.command(target, **config(weights))
    with open(study.folder / "told", "w+") as told:
        run = subprocess.Popen(command, cwd=study.folder, env=study.env(), stdout=told, stderr=told)
        deadline = time.monotonic() + 120
        while not study.exchanges():
            assert run.poll() is None and time.monotonic() < deadline, (study.folder / "told").read_text()[-3000:]
            time.sleep(0.05)
        for line in processes(token):  # not the keeper, which has the server's command line as arguments
            if victim in line and "keeper.py" not in line and "snakemake --snakefile" not in line:
                os.kill(int(line.split()[0]), signal.SIGKILL)
        assert run.wait(60) == 1
    if victim != "decompose_prompts.py":
        assert "has lost its server: llama_cpp.server was ended by SIGKILL" in (study.folder / "told").read_text()
    files = study.folder.glob("resources/exchanges/*/*.json")
    before = {file: file.read_bytes() for file in files}
    assert 0 < len(before) < len(PROMPTS)
    study.snakemake(target, **config(weights))
    assert len(rows_of(study, "decompositions")) == len(PROMPTS) == study.exchanges()
    assert all(file.read_bytes() == data for file, data in before.items())
