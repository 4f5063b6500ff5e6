# Common ground: the validated study, the files it starts from, and what rules take as input. No rules.
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

sys.path.insert(0, workflow.basedir)
os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, [workflow.basedir, os.getenv("PYTHONPATH")])))

from detailscribe.workflow import prepare, run_lock
from detailscribe.errors import InputError, SetupError
from detailscribe.study.study import MINIATURE, Study

# An entry that a second config file sets to null is dropped.
for group in ("scenarios", "topics", "critics", "rewriters", "external", "metrics", "judges"):
    if isinstance(config.get(group), dict):
        config[group] = {name: entry for name, entry in config[group].items() if entry is not None}
validate(config, str(Path(workflow.basedir) / "config" / "config.schema.yaml"), set_default=False)
# Only the process that plans may write what the graph starts from, and only a real run may move finished work.
PLANS, LOOKS = workflow.is_main_process, run_lock.is_dry_run(sys.argv[1:])
try:
    STUDY = Study(config, Path(workflow.basedir))
    LOCK = run_lock.lock(wait_for_jobs=not LOOKS) if PLANS else None
    if LOCK:
        prepare.prepare(STUDY, move=not LOOKS)
except (InputError, SetupError) as error:
    raise WorkflowError(str(error))
except OSError as error:
    raise WorkflowError(f"cannot write below results/ ({error}); make room, correct its rights, or use --directory")


onstart:
    if PLANS and not LOCK:
        raise WorkflowError("another run works in results/; wait for it to end, or use another --directory")
    if PLANS:
        preflight_of(workflow.dag.needrun_jobs())


wildcard_constraints:
    scenario="|".join(STUDY.scenarios),
    shard=r"\d{3}-of-\d{3}",
    critic="|".join([*config["critics"], "none"]),
    rewriter="|".join([*config["rewriters"], "none"]),
    external="|".join([*config["external"], "none"]),
    metric="|".join([*config["metrics"], "none"]),
    judge="|".join([*config["judges"], "none"]),
    topics="|".join([*config["topics"], "none"]),


KNOWN_MODELS = str(Path(workflow.basedir) / "config" / "models.tsv")
# Rules that ask models: the stage of each, and the wildcard that names what asks.
ASKING = {
    "decompose_prompts": ("decompose", None),
    "critique_images": ("critique", "critic"),
    "rewrite_prompts": ("rewrite", "rewriter"),
    "gather_external": ("external", "external"),
    "judge_images": ("judge", "judge"),
    "write_prompts": ("write", None),
}


def preflight_of(jobs):
    """Check the models that these jobs will ask; stop the run where one is gone."""
    asking = [(job, *ASKING[job.rule.name]) for job in jobs if job.rule.name in ASKING]
    asked = {STUDY.asked(stage, job.wildcards[wildcard] if wildcard else "") for job, stage, wildcard in asking}
    asked = sorted(filter(None, asked))
    if not any(config["endpoints"][endpoint]["kind"] == "openai" for endpoint, _ in asked):
        return
    from datetime import date

    from detailscribe.llm.model_names import read_retirements
    from detailscribe.operations.preflight import check_models

    where = config["endpoints"], config["exchanges"], config["preflight"]
    findings = check_models(asked, *where, read_retirements(Path(KNOWN_MODELS)), date.today())
    for sentence in findings.notes:
        print(f"Preflight: {sentence}", file=sys.stderr)
    if findings.problems:
        raise WorkflowError("Preflight: " + " ".join(findings.problems))


CAPTIONS = [str(path) for path in sorted((Path(workflow.basedir) / "rules" / "captions").glob("*.rst"))]
FIRST = STUDY.originals()[0]
RATERS = config["human"]["raters"]
FIGURES = ["main", "bars", "wins", "compute"]


def source_of(scenario):
    """A scenario's prompt file. The user's own is watched through the shards; only a file that a rule makes counts
    by its time."""
    source = str(STUDY.source(scenario))
    return source if STUDY.is_generated(scenario) else ancient(source)


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
    return [f"results/folders/{name}.json"] if name in {**STUDY.watched_folders(), **STUDY.watched_tables()} else []


def weights_of(name):
    """Files that stand for a model's weights: fetched or made by a rule, or watched in the user's folder."""
    if name in STUDY.hub_weights():
        return [f"results/weights/{name}.json"]
    made = STUDY.model_folders().get(name, "").startswith(f"{MINIATURE}/")
    return [f"{MINIATURE}/digests.json"] if made else listing_of(name)


def metrics_in(environment):
    """Pattern of the metrics that run in an environment."""
    return "|".join([*(name for name in config["metrics"] if STUDY.environment(name) == environment), "none"])


def phrases_of(wildcards):
    """The noun phrases of a shard, for a metric that reads them."""
    path = "results/{scenario}/noun_phrases/{shard}.jsonl"
    return [path.format(**wildcards)] if STUDY.reads_phrases(wildcards.metric) else []


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


def filled_by(wildcards):
    """What each rater gave back: the table that the rating page exported if it is there, else the workbook."""
    files = [f"{config['human']['ratings_folder']}/{wildcards.scenario}/{rater}" for rater in RATERS]
    return [f"{file}.csv" if Path(f"{file}.csv").is_file() else f"{file}.xlsx" for file in files]


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
            *(f"tables/{name}.csv" for name in ("scores", "strata", "optimism", "judges")),
            *(f"tables/{name}.csv" for name in ("judge_repeats", "truncation", "truncation_shares", "cost")),
            *("tables/main.md", "tables/main.tex"),
            *(f"figures/{name}.{kind}" for name in FIGURES for kind in ("svg", "png")),
        ],
        "report": ["report/index.html"],
        "human_sheets": ["human/sheets/key.jsonl"]
        + [f"human/sheets/{rater}.{kind}" for rater in RATERS for kind in ("xlsx", "html")],
        "human_scores": [f"human/{name}.csv" for name in ("ratings", "main", "raters", "reliability")],
        "human_agreement": ["human/agreement.csv", "human/agreement.svg", "human/agreement.png"],
    }[stage]
    return [
        file for pattern in patterns for file in expand(f"results/{scenario}/{pattern}", shard=STUDY.shards(scenario))
    ]


STAGES = ["decompose", "generate", "critique", "refine", "external", "score", "select", "tables", "report"]
# Stages that only their own name asks for: people have to do something in between.
HUMAN = ["human_sheets", "human_scores", "human_agreement"]


def free(name):
    """The name of a target, unless a rule has it already."""
    if workflow.is_rule(name):
        raise WorkflowError(f"scenarios: the target {name!r} is the name of a rule; rename the scenario")
    return name
