"""What every script of the workflow shares: its log, its progress bar, its last words, and reading its inputs."""

import contextlib
import errno
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from tqdm import tqdm

from detailscribe.errors import InputError, SetupError
from detailscribe.gpus import one_gpu
from detailscribe.images import is_intact
from detailscribe.locks import at_work
from detailscribe.records import read_rows

LOG_INTERVAL_S = 5
LACKS = "{} has no row for {}: delete that file and run again; the work behind it is kept"


@contextlib.contextmanager
def job(snakemake) -> Iterator["Job"]:
    """Send output of the job to its log, and one sentence to the terminal when it fails; give a GPU job its card."""
    log = Path(snakemake.log[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    terminal = os.fdopen(os.dup(2), "w")
    wants_gpu = snakemake.resources.get("gpu", 0)
    with open(log, "w", buffering=1) as file, at_work():
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            running = Job(snakemake.rule, terminal)
            with one_gpu(lambda sentence: running.say([sentence])) if wants_gpu else contextlib.nullcontext():
                yield running
            return
        except (InputError, SetupError) as error:
            sentence = str(error)
        except Exception as error:  # noqa: BLE001 - reported and turned into the exit status
            if _is_disk_full(error):
                sentence = "the disk is full: free some space and run again; what was finished is kept"
            else:
                traceback.print_exc()
                sentence = f"{type(error).__name__}: {error} (details in {log})"
        for stream in (terminal, file):
            with contextlib.suppress(OSError):  # a full disk takes no log
                print(f"\n{snakemake.rule}: {sentence}", file=stream, flush=True)
        sys.exit(1)


def _is_disk_full(error: Exception) -> bool:
    # Libraries that write by themselves, safetensors for one, raise errors of their own around the system's words.
    numbers = (errno.ENOSPC, errno.EDQUOT)
    return getattr(error, "errno", None) in numbers or any(os.strerror(number) in str(error) for number in numbers)


class Job:
    """A running job: makes its progress bar, on the terminal and in the log."""

    def __init__(self, rule: str, terminal):
        self._rule = rule
        self._terminal = terminal

    def say(self, sentences: list[str]) -> None:
        """Print result lines on the terminal and in the log."""
        for stream in (sys.stderr, self._terminal):
            print("", *sentences, sep="\n", file=stream, flush=True)

    def progress(self, total: int, unit: str) -> Callable[[], None]:
        """A function to call once a finished unit."""
        common = {"total": total, "unit": unit, "desc": self._rule, "position": 0}
        bars = [
            tqdm(**common, file=sys.stderr, mininterval=LOG_INTERVAL_S, ascii=True),
            tqdm(**common, file=self._terminal, disable=not self._terminal.isatty(), leave=False),
        ]

        def step() -> None:
            for bar in bars:
                bar.update()
                if bar.n >= total:
                    bar.close()

        return step


def parameters_of(snakemake) -> dict:
    """The stage's parameters, from the file that is an input of its rule."""
    return json.loads(Path(snakemake.input.parameters).read_text(encoding="utf-8"))


class Rows(dict):
    """Rows of a file by id; asking for one that it lacks, because it was cut off or edited, names the file."""

    def __init__(self, path: Path):
        super().__init__((row["id"], row) for row in read_rows(path))
        self._path = path

    def __missing__(self, id: str):
        raise SetupError(LACKS.format(self._path, id))


def by_id(path: str | Path) -> Rows:
    """Rows of a JSON lines file by id."""
    return Rows(Path(path))


def image_set_of(manifest: str | Path) -> str:
    """Name of the image set whose manifest this is."""
    return Path(manifest).parent.name


def pictures(manifest: str | Path, results: Path = Path("results")) -> Rows:
    """Rows of a manifest by id, each with `path` (None where there is no image).

    Raises:
        SetupError: a file is not as its row says, so that what is seen in it would count as seen in another image.
    """
    rows = by_id(manifest)
    for row in rows.values():
        row["path"] = results / row["file"] if row["file"] else None
        if row["path"] and not is_intact(results, row):
            raise SetupError(f"{row['path']} is not as it was made: run `snakemake verify`, and then again")
    return rows


def gather(files: list[Path], stage_of: dict[str, str]) -> tuple[list, dict, dict]:
    """Outputs of a scenario, as the cleaned dictionary takes them.

    Args:
        files: Every output of every stage, `.../{folder}/{shard}.jsonl`.
        stage_of: Stage of each image set by name.

    Returns:
        (stage, name, rows) of each file, manifest rows by id by image set, and the picked seeds by id.
    """
    stages, manifests, picked = [], {}, {}
    for file in files:
        name, kind = file.parent.name, file.parent.parent.name
        rows = _whole(file, list(stage_of) if kind == "scores" else None)
        if kind == "images":
            manifests.setdefault(name, {}).update({row["id"]: row for row in rows})
            stage = stage_of[name]
        elif kind == "selections":
            picked.update({row["id"]: row for row in rows})
            stage = "select"
        else:
            stage = {"critiques": "critique", "rewrites": "rewrite", "scores": "score"}.get(kind, "decompose")
        stages.append((stage, "" if stage == "decompose" else name, rows))
    return stages, manifests, picked


def _whole(file: Path, image_sets: list[str] | None) -> list[dict]:
    """Rows of a shard's output, with one for each prompt and, of scores, each image set: what a file that was cut off
    lacks would else be missing in the tables without a word."""
    rows = read_rows(file)
    folder = next(parent for parent in file.parents if (parent / "shards").is_dir())
    there = {(row["id"], row["image_set"] if image_sets else None) for row in rows}
    for record in read_rows(folder / "shards" / file.name):
        for image_set in image_sets or [None]:
            if (record["id"], image_set) not in there:
                raise SetupError(LACKS.format(file, " ".join(filter(None, [record["id"], image_set]))))
    return rows


def chat_of(snakemake):
    """The chat layer with the config's endpoints and exchange store."""
    from detailscribe.chat import Chat

    config = snakemake.config
    allowed = config["preflight"]["allow_served"]
    return Chat(config["endpoints"], Path("resources/exchanges"), config["exchanges"], config["budget_usd"], allowed)
