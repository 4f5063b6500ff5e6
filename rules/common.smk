# Common ground: the validated study, the files it starts from, and what rules take as input. No rules.
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

sys.path.insert(0, workflow.basedir)
os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, [workflow.basedir, os.getenv("PYTHONPATH")])))

from detailscribe import layout, locks
from detailscribe.errors import InputError, SetupError
from detailscribe.study import MINIATURE, Study

# An entry that a second config file sets to null is dropped.
for group in ("scenarios", "topics", "critics", "rewriters", "external", "metrics", "judges"):
    if isinstance(config.get(group), dict):
        config[group] = {name: entry for name, entry in config[group].items() if entry is not None}
validate(config, str(Path(workflow.basedir) / "config" / "config.schema.yaml"), set_default=False)
# Only the process that plans may write what the graph starts from, and only a real run may move finished work.
PLANS, LOOKS = workflow.is_main_process, locks.only_looks(sys.argv[1:])
try:
    STUDY = Study(config, Path(workflow.basedir))
    LOCK = locks.lock(wait_for_jobs=not LOOKS) if PLANS else None
    if LOCK:
        layout.prepare(STUDY, move=not LOOKS)
except (InputError, SetupError) as error:
    raise WorkflowError(str(error))
except OSError as error:
    raise WorkflowError(f"cannot write below results/ ({error}); make room, correct its rights, or use --directory")


onstart:
    if PLANS and not LOCK:
        raise WorkflowError("another run works in results/; wait for it to end, or use another --directory")


wildcard_constraints:
    scenario="|".join(STUDY.scenarios),
    shard=r"\d{3}-of-\d{3}",
    critic="|".join([*config["critics"], "none"]),
    rewriter="|".join([*config["rewriters"], "none"]),
    external="|".join([*config["external"], "none"]),
    metric="|".join([*config["metrics"], "none"]),
    judge="|".join([*config["judges"], "none"]),
    topics="|".join([*config["topics"], "none"]),


CAPTIONS = [str(path) for path in sorted((Path(workflow.basedir) / "rules" / "captions").glob("*.rst"))]
FIRST = STUDY.originals()[0]
RATERS = config["human"]["raters"]


def source_of(scenario):
    """A scenario's prompt file. The user's own is watched through the shards; only a file that a rule makes counts
    by its time."""
    source = str(STUDY.source(scenario))
    return source if STUDY.is_made(scenario) else ancient(source)


def folder_of(image_set):
    """Input function: the folder of a shard's images once it is there. A file deleted from it makes it newer than the
    manifest, and the job runs again."""

    def folder(wildcards):
        path = f"results/{wildcards.scenario}/images/{image_set.format(**wildcards)}/{wildcards.shard}"
        return [path] if Path(path).is_dir() else []

    return folder


def existing(path):
    """A file that only counts where people have made it."""
    return [path] if Path(path).exists() else []


def folders_of(image_sets):
    """Input function: the same for several image sets."""
    return lambda wildcards: [path for image_set in image_sets for path in folder_of(image_set)(wildcards)]


def listing_of(name):
    """The list of a watched folder's files, which is written anew when one of them changes."""
    return [f"results/folders/{name}.json"] if name in STUDY.watched_folders() else []


def weights_of(name):
    """Files that stand for a model's weights: made by a rule, or watched in the user's folder."""
    made = STUDY.model_folders().get(name, "").startswith(f"{MINIATURE}/")
    return [f"{MINIATURE}/digests.json"] if made else listing_of(name)


def texts_of(wildcards):
    """What an image set is drawn from besides the prompts: the rewritten prompts, or nothing."""
    rewritten = "results/{scenario}/rewrites/{image_set}/{shard}.jsonl"
    return rewritten.format(**wildcards) if wildcards.image_set in config["rewriters"] else []


def stage_of_image_set(wildcards):
    """Name of the parameter file that an image set of the rule generate_images is drawn by."""
    return f"results/parameters/generate-{wildcards.image_set.removeprefix('original-')}.json"


def decompositions_of(wildcards):
    """The decompositions, for a critic that is shown them."""
    path = f"results/{wildcards.scenario}/decompositions/{wildcards.shard}.jsonl"
    return path if config["critics"][wildcards.critic]["decomposition"] else []


def stage_files(scenario, stage):
    """Every file that a stage of a scenario ends in."""
    patterns = {
        "decompose": ["decompositions/{shard}.jsonl"],
        "generate": [f"rewrites/{name}/{{shard}}.jsonl" for name in config["rewriters"]]
        + [f"images/{name}/{{shard}}.jsonl" for name in [*STUDY.originals(), *config["rewriters"]]],
        "critique": [f"critiques/{name}/{{shard}}.jsonl" for name in config["critics"]],
        "refine": [
            f"images/{name}/{{shard}}.jsonl" for critic in config["critics"] for name in STUDY.candidates(critic)
        ],
        "external": [f"images/{name}/{{shard}}.jsonl" for name in config["external"]],
        "score": [f"scores/{name}/{{shard}}.jsonl" for name in STUDY.metrics],
        "select": ["selections/multi_seed/{shard}.jsonl"] if STUDY.methods_named("multi_seed") else [],
        "tables": [
            *("prompts.jsonl", "dictionary.jsonl", "dropped.tsv", "tables/main.csv", "tables/published.csv"),
            "figures/main.svg",
        ],
        "report": ["report/index.html"],
        "human_sheets": [f"human/sheets/{file}" for file in ["key.jsonl", *(f"{rater}.xlsx" for rater in RATERS)]],
        "human_scores": ["human/ratings.csv", "human/main.csv"],
    }[stage]
    return [
        file for pattern in patterns for file in expand(f"results/{scenario}/{pattern}", shard=STUDY.shards(scenario))
    ]


STAGES = ["decompose", "generate", "critique", "refine", "external", "score", "select", "tables", "report"]
# Stages that only their own name asks for: people have to do something in between.
HUMAN = ["human_sheets", "human_scores"]


def free(name):
    """The name of a target, unless a rule has it already."""
    if workflow.is_rule(name):
        raise WorkflowError(f"scenarios: the target {name!r} is the name of a rule; rename the scenario")
    return name
