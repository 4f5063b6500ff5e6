"""A kind of fault cases, its runner with a time limit per case, and the checks that every case shares."""

import base64
import contextlib
import io
import logging
import random
import resource
import shutil
import signal
import sys
import time
import traceback
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from detailscribe.errors import InputError, SetupError

KEY = "sk-planted-7Qm2xV9dLw4TzR8b"  # of the planted endpoint
KEY_FORMS = [
    *(KEY.encode(), base64.b64encode(KEY.encode()).rstrip(b"="), urllib.parse.quote(KEY).encode()),
    *(KEY[:20].encode(), KEY[3:].encode()),
]
EXPECTED = (InputError, SetupError)  # the errors that a user may see
MEMORY_BYTES = 3 * 2**30  # that a case may add; more is a MemoryError

Case = Callable[[int, random.Random, Path], None]


class TimeUp(BaseException):
    """The time of a case is over; no `except Exception` catches it."""


class Violation(AssertionError):
    """A case did not end as it must."""


@dataclass(frozen=True)
class Kind:
    """A kind of cases.

    Attributes:
        name: On the command line.
        cases: How many `make faults` runs.
        limit_s: Time that a case may take.
        prepare: Given a folder and the seed, a context with the function that runs one case: number, random numbers
            of the case, and an empty folder. It raises if the case does not end as it must.
        in_sample: Whether the sample in `make test` has cases of it: preparing takes no time.
    """

    name: str
    cases: int
    limit_s: float
    prepare: Callable[[Path, int], AbstractContextManager[Case]]
    in_sample: bool = True


def require(condition: object, message: str) -> None:
    """Raise a Violation unless a condition holds."""
    if not condition:
        raise Violation(message)


def run_cases(kind: Kind, seed: int, numbers: list[int], folder: Path) -> Iterator[tuple[int, str]]:
    """Run cases of a kind; yields the number and the problem of each one that failed. Their folders are kept."""
    shared = folder / f"{kind.name}-shared"
    shared.mkdir(parents=True, exist_ok=True)
    with kind.prepare(shared, seed) as case:
        for number in numbers:
            own = folder / f"{kind.name}-{number}"
            own.mkdir()
            problem = _run_one(kind, case, number, random.Random(f"{kind.name} {seed} {number}"), own)
            if problem:
                yield number, problem
            else:
                shutil.rmtree(own, ignore_errors=True)


def _run_one(kind: Kind, case: Case, number: int, numbers: random.Random, folder: Path) -> str:
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    logging.getLogger().addHandler(handler)
    started = time.monotonic()
    try:
        with _limits(kind.limit_s), contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            case(number, numbers, folder)
        (folder / "output.txt").write_text(output.getvalue(), encoding="utf-8", errors="replace")
        no_key_in(folder)
    except Violation as error:
        return str(error)
    except TimeUp:
        return f"no end within {kind.limit_s:g} s"
    except Exception as error:  # noqa: BLE001 - every other exception is what a case looks for
        frames = traceback.extract_tb(error.__traceback__)
        place = next((f for f in reversed(frames) if "/detailscribe/" in f.filename), frames[-1])
        name = Path(place.filename).name
        return f"{type(error).__name__} from {name}:{place.lineno} {place.name}: {str(error)[:200]}"
    finally:
        logging.getLogger().removeHandler(handler)
        (folder / "seconds.txt").write_text(f"{time.monotonic() - started:.3f}\n")
    return ""


def no_key_in(folder: Path) -> None:
    """Check that no file of a folder holds the planted key, in any form."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            found = [form for form in KEY_FORMS if form in data]
            require(not found, f"{path.name} holds the key as {found[:1]}")


@contextlib.contextmanager
def _limits(limit_s: float) -> Iterator[None]:
    """A time limit in the main thread, and a limit of the memory that is added."""

    def stop(*_) -> None:
        raise TimeUp

    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY_BYTES, hard))
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
