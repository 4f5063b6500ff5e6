"""What can go wrong with a machine, done to a small study on the miniature: does the next run make it good?

    make faults                    all of it, about a quarter of an hour on two cores
    python benchmarks/faults.py --seed 7 --only truncated_image

A fault is survived where the tables, the dictionary, the dropped rows and every image end with the bytes of an
undisturbed run, nothing that was finished is made again, and a run that could not go on said why in a sentence, with no
traceback. Prints a table, then one line of JSON. Needs root for the full disk and the read-only folder.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from detailscribe.files.ledger import Ledger
from detailscribe.images.image_file import is_intact
from tests.workflow.small_study import PROMPTS, Study

KILLS, CHAINS = 30, 3
DELAY_S = 3.0  # at most, after a moment: much is written when a job ends, and kills should strike within jobs too
DAY_S = 86_400
TIMEOUT_S = 300
TABLES = ["tables/main.csv", "small/tables/main.csv", "small/dictionary.jsonl", "small/dropped.tsv"]
ORIGINAL = "results/small/images/original-11/000-of-001"


class Skipped(Exception):
    """The machine does not let this fault be made."""


class Campaign:
    """The undisturbed study, and places to disturb copies of it."""

    def __init__(self, folder: Path, seed: int):
        self.folder, self.random = folder, random.Random(seed)
        self.reference = Study(folder / "reference", real=True)
        self.reference.folder.mkdir()
        self.reference.prompts(PROMPTS)
        self.reference.snakemake()
        self.expected = ends(self.reference)

    def finished(self, name: str) -> Study:
        """A copy of the finished study, times and all."""
        shutil.copytree(self.reference.folder, self.folder / name, symlinks=True, dirs_exist_ok=True)
        return Study(self.folder / name, real=True)

    def fresh(self, name: str, built: bool = True) -> Study:
        """An unstarted study, with the miniature built or not."""
        study = Study(self.folder / name, real=True)
        study.folder.mkdir(exist_ok=True)
        study.prompts(PROMPTS)
        if built:
            study.take_miniature(self.reference)
        return study

    def check(self, study: Study, kept: dict[Path, int] | None = None) -> None:
        """Run to the end and compare; `kept` are files that were finished, with their times."""
        study.snakemake()
        same(ends(study), self.expected)
        redone = [path.name for path, written in (kept or {}).items() if path.stat().st_mtime_ns != written]
        assert not redone, f"finished before, and made again: {redone[0]}"


def ends(study: Study) -> dict[str, bytes]:
    """What a study comes to: tables and images by name."""
    return tables(study) | study.images()


def tables(study: Study) -> dict[str, bytes]:
    """Tables, dictionary and dropped rows by name."""
    return {name: (study.results / name).read_bytes() for name in TABLES}


def same(found: dict[str, bytes], expected: dict[str, bytes]) -> None:
    """Compare two ends of a study byte by byte."""
    differ = sorted(name for name in expected.keys() | found.keys() if found.get(name) != expected.get(name))
    assert not differ, f"{len(differ)} files differ from an undisturbed run's, {differ[0]} for one"


def stops(study: Study, *phrases: str, **changes) -> str:
    """Run, and expect the end with a sentence that holds one of these phrases."""
    output = study.snakemake(expect=1, **changes)
    assert "Traceback" not in output, output[-3000:]
    found = [line.strip() for line in output.splitlines() if any(phrase in line for phrase in phrases)]
    assert found, f"no sentence with {phrases}: {output[-3000:]}"
    return found[-1]


def finished_work(study: Study) -> dict[Path, int]:
    """Images and exchanges that are whole on disk, with their times."""
    kept = list((study.folder / "resources" / "exchanges").glob("*/*.json"))
    for ledger in study.results.glob("small/ledgers/images/*/*.jsonl"):
        kept += [study.results / row["file"] for row in Ledger(ledger).rows() if is_intact(study.results, row)]
    return {path: path.stat().st_mtime_ns for path in kept}


# ---- kills ----------------------------------------------------------------------------------------------------------


def kills(campaign: Campaign) -> Iterator[tuple[str, str]]:
    """Kill -9 at random moments, spread over all that a run makes; the study then ends as if nothing had been."""
    whole, left, chain = made(campaign.reference), KILLS, 0
    while left:
        study, kept, tried = campaign.fresh(f"kills-{chain}", built=chain > 0), {}, []
        moments = sorted(campaign.random.uniform(0, whole) for _ in range(min(left, KILLS // CHAINS)))
        for moment in moments:
            victim = campaign.random.choice(["scheduler", "jobs", "scheduler and jobs"])
            place = kill(study, moment, victim, campaign.random.uniform(0, DELAY_S))
            if place is None:
                break  # it ended first; another chain makes up for the rest
            kept = finished_work(study) | kept
            tried.append(f"kill -9 of {victim}, {place}")
        try:
            campaign.check(study, kept)
            outcome = "" if tried else "no run could be killed before it ended"
        except (AssertionError, OSError, ValueError) as error:
            outcome = f"{type(error).__name__}: {error}"
        yield from ((name, outcome) for name in tried or ["kill -9"])
        left, chain = left - max(len(tried), 1), chain + 1


def made(study: Study) -> int:
    """How far a run is: files and ledger rows."""
    files = [path for place in ("results", "resources/exchanges") for path in (study.folder / place).rglob("*.*")]
    rows = sum(path.read_bytes().count(b"\n") for path in files if "ledgers" in path.parts and path.suffix == ".jsonl")
    return len(files) + rows


def kill(study: Study, moment: float, victim: str, delay_s: float) -> str | None:
    """Run until this much is made and a while longer, then kill; says what was at work, None if the run had ended."""
    log = open(study.folder / "killed.log", "w+")  # noqa: SIM115 - closed with the process below
    with log:
        process = subprocess.Popen(
            study.command(), cwd=study.folder, env=study.env(), start_new_session=True, stdout=log, stderr=log
        )
        end = time.monotonic() + TIMEOUT_S
        while made(study) < moment and process.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(delay_s)
        jobs = scripts(study.folder)
        if process.poll() is not None:
            log.seek(0)
            assert process.returncode == 0, log.read()[-3000:]
            return None
        if victim != "jobs" or not jobs:
            process.kill()
        if victim != "scheduler":
            for pid in jobs:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        process.wait(TIMEOUT_S)
    return f"at work: {', '.join(sorted(set(jobs.values()))) or 'Snakemake'}"


def scripts(folder: Path) -> dict[int, str]:
    """Job scripts at work in a folder: name by process."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().decode().split("\0")
            names = [Path(word).name.split(".")[1] for word in words if "/scripts/tmp" in word]
            if names and (process / "cwd").resolve() == folder:
                found[int(process.name)] = names[0]
    return found


# ---- the machine ----------------------------------------------------------------------------------------------------


def full_disk(campaign: Campaign) -> None:
    """A disk that has room for a part of the run alone, twice."""
    for number, room in enumerate(campaign.random.sample(range(100_000, 700_000), 2)):
        folder = campaign.folder / f"full-{number}"
        folder.mkdir()
        with mounted("-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder), at=folder):
            study = campaign.fresh(folder.name)
            ballast = folder / "ballast"
            free = os.statvfs(folder)
            ballast.write_bytes(bytes(free.f_bavail * free.f_frsize - room))
            stops(study, "the disk is full", "make room")
            kept = finished_work(study)
            ballast.unlink()
            campaign.check(study, kept)


def read_only_results(campaign: Campaign) -> None:
    """A results folder that cannot be written."""
    study = campaign.finished("read-only")
    (study.results / "small" / "tables" / "main.csv").unlink()
    with mounted("--bind", str(study.results), str(study.results), at=study.results):
        mount("-o", "remount,bind,ro", str(study.results))
        stops(study, "is not writable", "correct its permissions")
    campaign.check(study, finished_work(study))


@contextlib.contextmanager
def mounted(*arguments: str, at: Path) -> Iterator[None]:
    """Mount, and unmount whatever happens."""
    mount(*arguments)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


def mount(*arguments: str) -> None:
    """Run mount.

    Raises:
        Skipped: it is not allowed here.
    """
    run = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    if run.returncode:
        raise Skipped(f"mount is not allowed here ({run.stderr.strip()})")


def two_runs_at_once(campaign: Campaign) -> None:
    """Two runs started together: one works, the other says so and ends."""
    study = campaign.finished("two")
    for path in study.results.glob("small/*/*/*.jsonl"):
        if "ledgers" not in path.parts:
            path.unlink()
    runs = [
        subprocess.Popen(
            study.command(), cwd=study.folder, env=study.env(), text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for _ in range(2)
    ]  # fmt: skip
    outputs = [run.communicate(timeout=TIMEOUT_S)[0] for run in runs]
    assert sorted(run.returncode for run in runs) == [0, 1], outputs
    refused = next(output for run, output in zip(runs, outputs, strict=True) if run.returncode)
    assert "another run works in results/" in refused and "Traceback" not in refused, refused[-2000:]
    campaign.check(study, finished_work(study))


def clock_set_back(campaign: Campaign) -> None:
    """A day's step back of the clock: everything there was written tomorrow, and then a setting changes."""
    other = {"generation": {"guidance": 2.0, "steps": 4}}
    undisturbed, study = campaign.finished("clock-right"), campaign.finished("clock-back")
    for path in study.folder.rglob("*"):
        stat = path.lstat()
        os.utime(path, (stat.st_atime, stat.st_mtime + DAY_S), follow_symlinks=False)
    for each in (undisturbed, study):
        each.snakemake(**other)
    same(ends(study), ends(undisturbed))
    assert study.nothing_to_do(**other)
    campaign.check(study)


# ---- files ----------------------------------------------------------------------------------------------------------


def truncated_manifest(campaign: Campaign) -> None:
    """Outputs that lost their end, in a line or between two, with a new time or with the old one."""
    cases = [
        ("images/original-11", b"{", "new time"),
        ("images/original-11", b"", "old time"),
        ("critiques/detailscribe", b"", "new time"),
        ("critiques/detailscribe", b"{", "old time"),
        ("scores/clip_score", b"", "new time"),
    ]
    for number, (place, rest, when) in enumerate(cases):
        study = campaign.finished(f"manifest-{number}")
        path = study.results / "small" / place / "000-of-001.jsonl"
        written = path.stat()
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]) + rest)
        if when == "old time":
            os.utime(path, ns=(written.st_atime_ns, written.st_mtime_ns))
            study.snakemake()
            same(tables(study), tables(campaign.reference))
            assert "removed" in study.snakemake("verify")
        else:
            sentence = stops(study, "delete the file", "delete that file")
            assert str(path.relative_to(study.folder)) in sentence, sentence
            path.unlink()
        campaign.check(study, finished_work(study))


def truncated_image(campaign: Campaign) -> None:
    """An image that lost its end, its time unchanged, before something looks at it again."""
    for again in ("scores/clip_score", "critiques/detailscribe", "scores/judge-main"):
        study = campaign.finished(f"image-{again.replace('/', '-')}")
        image = sorted((study.folder / ORIGINAL).iterdir())[0]
        cut(image)
        (study.results / "small" / again / "000-of-001.jsonl").unlink()
        stops(study, "is not as it was made")
        kept = {path: written for path, written in finished_work(study).items() if path != image}
        assert "1 problems" in study.snakemake("verify")
        campaign.check(study, kept)


def corrupted_exchange(campaign: Campaign) -> None:
    """Recorded answers that lost their end or were edited, when the stage runs again."""
    study = campaign.finished("exchange")
    rows = study.rows("decompositions/*.jsonl")
    for row, spoil in zip(rows, [cut, edit], strict=False):
        spoil(study.folder / "resources" / "exchanges" / row["exchange"][:2] / f"{row['exchange']}.json")
    (study.results / "small" / "decompositions" / "000-of-001.jsonl").unlink()
    campaign.check(study)
    assert "0 problems" in study.snakemake("verify")


def half_written_weights(campaign: Campaign) -> None:
    """Weights that lost their end, when an image has to be drawn or scored again."""
    for part, again in [("sd3/transformer", "images/detailscribe-k0"), ("clip", "scores/clip_score")]:
        study = campaign.finished(f"weights-{Path(part).name}")
        weights = max(
            (study.folder / "resources" / "miniature" / part).rglob("*"), key=lambda path: path.stat().st_size
        )
        kept = finished_work(study)
        cut(weights)
        (study.results / "small" / again / "000-of-001.jsonl").unlink()
        if part == "clip":
            shutil.rmtree(study.results / "small" / "ledgers" / "scores")
        stops(study, "could not be loaded")
        assert "miniature is built again" in study.snakemake("verify")
        campaign.check(study, kept)


def torn_ledger(campaign: Campaign) -> None:
    """A ledger whose last line was cut off, when its manifest is made again."""
    study = campaign.finished("ledger")
    ledger = study.results / "small" / "ledgers" / "images" / "original-11" / "000-of-001.jsonl"
    whole = Ledger(ledger).rows()
    ledger.write_bytes(ledger.read_bytes()[:-30])
    (study.results / "small" / "images" / "original-11" / "000-of-001.jsonl").unlink()
    kept = {study.results / row["file"]: 0 for row in whole[:-1]}
    campaign.check(study, {path: path.stat().st_mtime_ns for path in kept})


def cut(path: Path) -> None:
    """Drop the second half of a file, and leave its time."""
    stat = path.stat()
    os.truncate(path, stat.st_size // 2)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def edit(path: Path) -> None:
    """Change a word of an exchange."""
    path.write_text(path.read_text().replace('"role": "user"', '"role": "system"'))


# ---- the campaign ---------------------------------------------------------------------------------------------------

FAULTS: list[Callable] = [
    *(full_disk, read_only_results, two_runs_at_once, clock_set_back, truncated_manifest),
    *(truncated_image, corrupted_exchange, half_written_weights, torn_ledger),
]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--seed", type=int, default=0, help="of the moments and places")
    options.add_argument("--only", nargs="+", help="names of faults", choices=["kills", *(f.__name__ for f in FAULTS)])
    options = options.parse_args()
    start, outcomes, skipped = time.monotonic(), [], {}
    # What a failed fault left is kept to be looked at.
    folder = Path(tempfile.mkdtemp(prefix="faults-")).resolve()
    campaign = Campaign(folder, options.seed)
    print(f"undisturbed run: {time.monotonic() - start:.0f} s, in {folder}", flush=True)

    def report(name: str, outcome: str) -> None:
        outcomes.append(not outcome)
        print(f"{'survived' if not outcome else 'LOST':9} {name}{': ' * bool(outcome)}{outcome}", flush=True)

    for fault in FAULTS:
        if options.only and fault.__name__ not in options.only:
            continue
        try:
            fault(campaign)
            report(fault.__name__, "")
        except Skipped as reason:
            skipped[fault.__name__] = str(reason)
            print(f"{'skipped':9} {fault.__name__}: {reason}", flush=True)
        except (AssertionError, OSError, ValueError) as error:
            report(fault.__name__, f"{type(error).__name__}: {error}")
    if not options.only or "kills" in options.only:
        for name, outcome in kills(campaign):
            report(name, outcome)
    if all(outcomes) and not skipped:
        shutil.rmtree(folder)
    figures = {"tried": len(outcomes), "survived": sum(outcomes), "skipped": skipped, "seed": options.seed}
    print(json.dumps(figures | {"seconds": round(time.monotonic() - start)}))
    sys.exit(0 if all(outcomes) else 1)


if __name__ == "__main__":
    main()
