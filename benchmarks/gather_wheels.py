"""Wheels that a machine without a network lacks for this repository: lists what is missing or differs, gathers them.

A GPU machine often has torch and transformers, in versions of its own that must stay, and reaches no package index. On
it, `python3 -m pip list --format=json > have.json` says what is there; here, in the environment of `make setup`:

    python benchmarks/gather_wheels.py have.json --python 3.12 --list              what is missing or differs
    python benchmarks/gather_wheels.py have.json --python 3.12 --into .wheels      fetch the missing ones
    python benchmarks/gather_wheels.py have.json --python 3.12 --into .wheels --with bitsandbytes torchao --cuda 130

Instead of the file, `--assume torch==2.11.0 torchvision transformers==5.17.0 ...` names what the machine is known to
have. There: `python3 -m pip install --no-index --no-deps .wheels/*.whl`, which replaces nothing but what is in the
folder.

Roots are what the engine, the scores and their benchmark import; what they need in turn is read from the wheels. A
package that is there is kept if every package that was gathered accepts its version; torch and what belongs to it are
always kept. Versions are those of constraints.txt. With `--cuda`, libraries that bitsandbytes brings for other
versions of CUDA are left out of its wheel: 3.6 MB instead of 43. The last line is JSON: `kept`, `gathered` with
megabytes, `wrong` (there, but refused by a package that needs it), `total_mb`. Exit status 1: a wheel was not found,
something is wrong, or the wheels together are larger than `--limit-mb`.
"""

import argparse
import email
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

REPOSITORY = Path(__file__).parents[1]
ROOTS = [
    *(
        "torch",
        "torchvision",
        "diffusers",
        "transformers",
        "accelerate",
        "safetensors",
        "tokenizers",
        "open_clip_torch",
    ),
    *("huggingface_hub", "pillow", "numpy", "pyyaml", "tqdm", "packaging"),
]
OPTIONAL = {"bitsandbytes": "nf4", "torchao": "fp8"}  # precisions that need them
KEPT = ("torch", "torchvision", "triton", "nvidia-", "cuda-")  # torch's own set is never replaced in part
MACHINE = "x86_64"
OF_A_CARD = re.compile(r"_((?:cuda|rocm|xpu)\d+)\.so$")  # a library for one version of CUDA and the like
NEWEST_GLIBC = 39  # of glibc 2.N, the newest manylinux tag that is tried


class NotFound(Exception):
    """A wheel that no index has for the target."""


@dataclass
class Target:
    """The machine that the wheels are for."""

    python: str
    have: dict[str, str]

    def environment(self) -> dict[str, str]:
        """Values of the markers in a package's requirements."""
        known = {"python_version": self.python, "python_full_version": f"{self.python}.0", "sys_platform": "linux"}
        return known | {"platform_system": "Linux", "platform_machine": MACHINE, "os_name": "posix", "extra": ""}

    def pip_options(self) -> list[str]:
        """Options of `pip download` for wheels of this machine."""
        tags = [f"manylinux_2_{minor}" for minor in range(NEWEST_GLIBC, 4, -1)] + ["manylinux2014", "manylinux1"]
        platforms = [option for tag in tags for option in ("--platform", f"{tag}_{MACHINE}")]
        return ["--only-binary=:all:", "--implementation", "cp", "--python-version", self.python, *platforms]


@dataclass
class Findings:
    """What is there and stays, what was or has to be gathered, and what is there but refused."""

    kept: dict[str, str] = field(default_factory=dict)
    differs: dict[str, str] = field(default_factory=dict)
    gathered: dict[str, float | None] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    not_found: list[str] = field(default_factory=list)

    @property
    def total_mb(self) -> float:
        return round(sum(size or 0 for size in self.gathered.values()), 1)


def pins() -> dict[str, str]:
    """Pinned versions by canonical name."""
    lines = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {
        canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines) if version
    }


def gather(
    roots: Iterable[str], target: Target, folder: Path | None, replace: Iterable[str] = (), cuda: str = ""
) -> Findings:
    """Walk from the roots to all that they need, and fetch what the target lacks.

    Args:
        folder: Where wheels go; None to name the missing roots and fetch nothing.
        replace: Packages to gather in the pinned version although the target has another.
        cuda: Its version of CUDA, as 130 for 13.0, if other versions' libraries are to be left out.
    """
    pinned, findings = pins(), Findings()
    replaced = {canonicalize_name(name) for name in replace}
    todo = [Requirement(root) for root in roots]
    done: set[str] = set()
    while todo:
        requirement = todo.pop(0)
        name = canonicalize_name(requirement.name)
        here, ours = target.have.get(name), pinned.get(name)
        stays = here is not None and (name not in replaced or here == ours)
        if stays:
            _note_kept(name, str(here), ours, requirement, findings)
        if stays or name in done:
            continue
        done.add(name)
        label = f"{name}=={ours}" if ours else name
        if folder is None:
            findings.gathered[label] = None
            continue
        try:
            wheel = fetch(label, target, folder)
            if cuda:
                keep_cuda(wheel, cuda)
        except NotFound as error:
            findings.not_found.append(str(error))
            continue
        version = str(parse_wheel_filename(wheel.name)[1])
        findings.gathered[f"{name}=={version}"] = round(wheel.stat().st_size / 1e6, 1)
        todo += requirements_of(wheel, target)
    return findings


def _note_kept(name: str, here: str, ours: str | None, requirement: Requirement, findings: Findings) -> None:
    """Record a package that stays: as pinned, in another version, or in one that a package refuses.

    Nothing is said of a version that is not known.
    """
    if here and not requirement.specifier.contains(here.partition("+")[0], prereleases=True):
        findings.wrong[name] = f"{here} is there, {requirement} is needed: name it with --replace"
    if ours and here and here.partition("+")[0] != ours:
        findings.differs[name] = f"{here}, pinned {ours}"
    findings.kept[name] = here


def fetch(label: str, target: Target, folder: Path) -> Path:
    """Download one wheel, in place of another version in the folder; returns its path.

    Raises:
        NotFound: no index has it for the target.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"]
        run = subprocess.run([*command, *target.pip_options(), "-d", temporary, label], capture_output=True, text=True)
        wheels = list(Path(temporary).glob("*.whl"))
        if run.returncode != 0 or len(wheels) != 1:
            print(run.stderr.strip()[-600:], file=sys.stderr)
            raise NotFound(label)
        name = parse_wheel_filename(wheels[0].name)[0]
        for other in folder.glob("*.whl"):
            if parse_wheel_filename(other.name)[0] == name:
                other.unlink()  # pip refuses two versions of a package
        return wheels[0].rename(folder / wheels[0].name)


def keep_cuda(wheel: Path, cuda: str) -> None:
    """Leave out of a wheel the libraries for other versions of CUDA, and for other makers' cards."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        others = {name for name in names if (found := OF_A_CARD.search(name)) and found[1] != f"cuda{cuda}"}
        if not others:
            return
        if not any((found := OF_A_CARD.search(name)) and found[1] == f"cuda{cuda}" for name in names):
            raise NotFound(f"{wheel.name} for CUDA {cuda}")
        slim = wheel.with_suffix(".slim")
        with zipfile.ZipFile(slim, "w", zipfile.ZIP_DEFLATED) as kept:
            for name in names:
                if name in others:
                    continue
                content = archive.read(name)
                if name.endswith(".dist-info/RECORD"):
                    lines = content.decode().splitlines(keepends=True)
                    content = "".join(line for line in lines if line.partition(",")[0] not in others).encode()
                kept.writestr(archive.getinfo(name), content, zipfile.ZIP_DEFLATED)
    slim.replace(wheel)


def requirements_of(wheel: Path, target: Target) -> list[Requirement]:
    """What a wheel requires on the target, extras left out."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    found = [Requirement(line) for line in metadata.get_all("Requires-Dist") or ()]
    return [each for each in found if each.marker is None or each.marker.evaluate(target.environment())]


def read_have(path: Path) -> dict[str, str]:
    """Packages of `pip list --format=json` by canonical name."""
    return {canonicalize_name(each["name"]): each["version"] for each in json.loads(path.read_text(encoding="utf-8"))}


def main(arguments: list[str] | None = None) -> int:
    """List or gather; returns the exit status."""
    parser = argparse.ArgumentParser(description="Gather the wheels that a machine without a network lacks.")
    parser.add_argument("have", type=Path, nargs="?", help="output of `pip list --format=json` on that machine")
    parser.add_argument(
        "--assume", nargs="+", default=[], metavar="NAME[==VERSION]", help="what it has, without a file"
    )
    parser.add_argument("--python", required=True, help="its Python, as 3.12")
    parser.add_argument("--into", type=Path, default=Path(".wheels"), help="folder of the wheels")
    parser.add_argument("--with", nargs="+", default=[], choices=OPTIONAL, dest="more", help="for other precisions")
    parser.add_argument("--replace", nargs="+", default=[], help="take these in the pinned version all the same")
    parser.add_argument("--cuda", default="", help="its CUDA, as 130 for 13.0: leave other versions' libraries out")
    parser.add_argument("--limit-mb", type=float, default=float("inf"), help="of all wheels together")
    parser.add_argument("--list", action="store_true", help="name what is missing, fetch nothing")
    options = parser.parse_args(arguments)
    if refused := [name for name in options.replace if canonicalize_name(name).startswith(KEPT)]:
        parser.error(f"{refused[0]} belongs to torch's own set, which stays as it is")
    have = read_have(options.have) if options.have else {}
    have |= {canonicalize_name(name): version for name, _, version in (each.partition("==") for each in options.assume)}
    target = Target(options.python, have)
    if "torch" not in target.have:
        parser.error("the machine has no torch: this is for machines that have one")
    folder = None if options.list else options.into
    found = gather([*ROOTS, *options.more], target, folder, options.replace, options.cuda)
    for title, entries in (("differs", found.differs), ("wrong", found.wrong), ("gathered", found.gathered)):
        for name, value in entries.items():
            print(f"{title:9} {name}{'' if value is None else f'  {value}'}")
    print(json.dumps({**vars(found), "total_mb": found.total_mb}))
    return 1 if found.wrong or found.not_found or found.total_mb > options.limit_mb else 0


if __name__ == "__main__":
    sys.exit(main())
