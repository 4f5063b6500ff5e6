"""Start of a run: validation of the configuration, the lock of results/, and the files that the graph starts from."""

import os
import re
import sys
import time
from functools import cache
from pathlib import Path

from detailscribe.errors import InputError, SetupError
from detailscribe.study.judging.judges import fill_judges, without_demo_entries
from detailscribe.study.notices import demo_parts_of
from detailscribe.study.pilot import pilot_config
from detailscribe.study.study import Study
from detailscribe.workflow.failures import forget_failures
from detailscribe.workflow.rule_names import (
    DRAWING_EXTERNAL,
    FETCH_WEIGHTS,
    GENERATE,
    LLM_RULES,
    SCORING_RULES,
    WEIGHTS,
    llm_stages_of_jobs,
)
from detailscribe.workflow.run_lock import is_dry_run, lock_results

# Groups of the config whose entries a second config file removes with null.
REMOVABLE = ("scenarios", "topics", "critics", "rewriters", "refiners", "selections", "external", "metrics", "judges")
PILOT = "DETAILSCRIBE_PILOT"  # environment variable: this process works for a pilot, which began at this Unix time


class WorkflowRun:
    """A parsed Snakefile: the study that it describes, and whether this process may run it.

    Args:
        config: Snakemake's configuration; entries that are null are removed from it.
        folder: The workflow's own folder.
        arguments: Arguments of the command line.
        is_main_process: Only the process that plans writes the files that the graph starts from; a job's never does.

    Raises:
        WorkflowError: the configuration is invalid, results/ cannot be written, or another run works there.
    """

    def __init__(self, config: dict, folder: Path, arguments: list[str], is_main_process: bool):
        from snakemake.exceptions import WorkflowError
        from snakemake.utils import validate

        if problem := path_problem(folder, sys.executable):
            raise WorkflowError(problem)
        remove_null_entries(config)
        without_demo_entries(config)
        fill_judges(config)
        self.is_pilot = PILOT in os.environ
        if self.is_pilot:
            pilot_config(config)
        schema = folder / "config" / "config.schema.yaml"
        try:
            validate(config, str(schema), set_default=False)
        except WorkflowError as error:
            from detailscribe.workflow.user_input.config_faults import config_faults

            raise WorkflowError("\n".join(config_faults(config, schema)) or str(error)) from None
        self._is_main_process, dry_run = is_main_process, is_dry_run(arguments)
        self._lock = None
        try:
            self.study = Study(config, folder)
            if is_main_process:
                self._lock = lock_results(wait_for_jobs=not dry_run)
                if not self._lock and not dry_run:
                    raise SetupError("another run works in results/; wait for it to end, or use another --directory")
                if not self._lock:
                    print("Note: another run works in results/; a plan beside it may lack files.", file=sys.stderr)
            for warning in demo_parts_of(self.study) if is_main_process else ():
                print(f"Warning: {warning}.", file=sys.stderr)
            if self._lock:
                from detailscribe.prompts.noun_phrases import warnings as phrase_warnings
                from detailscribe.workflow.prepare import prepare  # imports every stage, which a job need not do

                prepare(self.study, move=not dry_run)
                for warning in phrase_warnings(self.study):
                    print(f"Warning: {warning}.", file=sys.stderr)
                if dry_run and config["exchanges"] == "live":
                    self._warn_of_missing_weights()
                if self.is_pilot and dry_run:
                    self._print_forecast()
        except (InputError, SetupError) as error:
            raise WorkflowError(str(error)) from error
        except OSError as error:
            raise WorkflowError(
                f"cannot write below results/ ({error}); make room, correct its permissions, or use --directory"
            ) from error

    def before_jobs(self, jobs, jobs_use_this_environment: bool = True, gpus: int | None = None) -> None:
        """Check the models and the GPU that the jobs will use.

        Args:
            jobs: Snakemake's jobs that are to run.
            jobs_use_this_environment: Whether they run on this machine, with the packages of this process.
            gpus: Most GPUs of all jobs together (the resource `gpu`); None: no limit.

        Raises:
            WorkflowError: a model is not available, or torch cannot use the GPU.
        """
        from snakemake.exceptions import WorkflowError

        if not self._is_main_process:
            return
        forget_failures()
        if self._lock and self.is_pilot:
            self._print_forecast()
        from detailscribe.operations.preflight import check_configured_models  # a job's process needs none
        from detailscribe.scores.model_weights import unpinned_problem

        jobs = list(jobs)  # Snakemake's are an iterator
        asking = [(job.rule.name, dict(job.wildcards.items())) for job in jobs]
        stages = llm_stages_of_jobs(asking, self.study.graph.selections)
        models = sorted({each for stage in stages if (each := self.study.endpoint_and_model(*stage))})
        findings = check_configured_models(models, self.study.config, self.study.folder)
        if self.study.config["exchanges"] == "live":
            endpoints = dict.fromkeys(self.study.endpoint_of(*stage) for stage in sorted(stages))
            findings.problems += filter(None, (unpinned_problem(self.study, name) for name in endpoints if name))
        missing, few = self._server_problems(jobs, stages, gpus)
        findings.problems += few
        if missing:
            if jobs_use_this_environment:
                findings.problems += missing
            else:  # the jobs' machines may have them
                findings.notes += missing
        self._check_weights(jobs, findings)
        for note in dict.fromkeys(findings.notes):
            print(f"Preflight: {note}", file=sys.stderr)
        if jobs_use_this_environment and (problem := self._gpu_problem(jobs)):
            findings.problems.append(f"{problem[0].upper()}{problem[1:]}.")
        if findings.problems:
            raise WorkflowError("\n".join(f"Preflight: {each}" for each in dict.fromkeys(findings.problems)))
        if self.study.config["exchanges"] == "live":
            from detailscribe.operations.plan.ceiling import budget_sentence

            if sentence := budget_sentence(self.study, sorted(stages & set(self.study.llm_stages()))):
                print(sentence, file=sys.stderr)

    def _print_forecast(self) -> None:
        """Say what the pilot needs."""
        from detailscribe.operations.pilot.forecast import pilot_forecast
        from detailscribe.workflow.parameters import stage_parameters

        for line in pilot_forecast(self.study, stage_parameters(self.study)):
            print(line, file=sys.stderr)

    def _gpu_problem(self, jobs) -> str:
        """Why these jobs cannot use the GPU of this machine; for the target `preflight`, those of the whole study."""
        asked, drawing = {job.rule.name for job in jobs}, self._drawing_rules()
        known = {*drawing, *SCORING_RULES}
        rules = known if "preflight" in asked else asked & known
        if not rules or self.study.config["preflight"].get("allow_cpu"):
            return ""
        from detailscribe.operations.preflight_gpu import gpu_problem

        names = list(dict.fromkeys(name for rule, models in drawing.items() if rule in rules for name in models))
        models = [self.study.config["image_models"][name] for name in names]
        return gpu_problem(models, self.study.folder, lambda: "preflight" in asked or self._draws_images(jobs))

    def _warn_of_missing_weights(self) -> None:
        """Say which local weights are missing that jobs would serve; before a run, the preflight says it."""
        from detailscribe.operations.preflight_servers import missing_weights

        asked = [name for stage in self.study.llm_stages() if (name := self.study.endpoint_of(*stage))]
        for sentence in missing_weights(asked, self.study.config["endpoints"], self.study.folder):
            print(f"Warning: {sentence}", file=sys.stderr)

    def _check_weights(self, jobs, findings) -> None:
        """Add to the findings what speaks against fetching weights: no token, or a local folder that is missing."""
        fetched = [job.wildcards.weights for job in jobs if job.rule.name == FETCH_WEIGHTS]
        complete = any(job.rule.name == WEIGHTS for job in jobs)
        if not (fetched or complete):
            return
        from detailscribe.operations.preflight_weights import missing_folders, missing_token

        if sentence := missing_token(self.study, fetched):
            findings.notes.append(sentence)
        findings.problems += missing_folders(self.study) if complete else []

    def _server_problems(self, jobs, stages: set[tuple[str, str]], gpus: int | None) -> tuple[list[str], list[str]]:
        """What these jobs' servers need and this machine lacks, and the run; for `preflight`, those of the study."""
        if self.study.config["exchanges"] != "live":
            return [], []
        from detailscribe.operations.preflight_servers import few_gpus, missing_for_servers

        whole = "preflight" in {job.rule.name for job in jobs}
        asked = self.study.llm_stages() if whole else sorted(stages)
        names = [name for stage in asked if (name := self.study.endpoint_of(*stage))]

        @cache
        def starting() -> list[str | None]:
            return [self.study.endpoint_of(*stage) for stage in self._starting(jobs, stages)]

        endpoints, starts = self.study.config["endpoints"], None if whole else starting
        missing = missing_for_servers(names, endpoints, starts, self.study.folder)
        return missing, few_gpus(names, endpoints, gpus, starts)

    def _starting(self, jobs, stages: set[tuple[str, str]]) -> set[tuple[str, str]]:
        """Stages whose jobs would start a server. A job whose answers are all recorded starts none."""
        from detailscribe.operations.plan.study_plan import stages_with_servers
        from detailscribe.workflow.parameters import stage_parameters

        asking = [dict(job.wildcards.items()) for job in jobs if job.rule.name in LLM_RULES]
        if not all("shard" in wildcards for wildcards in asking):  # some write prompts
            return stages
        shards = dict.fromkeys((wildcards["scenario"], wildcards["shard"]) for wildcards in asking)
        found = stages_with_servers(self.study, stage_parameters(self.study), shards)
        return stages if found is None else stages & found

    def _drawing_rules(self) -> dict[str, list[str]]:
        """Rules whose jobs draw images, with the entries of `image_models` that they load."""
        own = self.study.config["image_model"]
        refining = {job.rule: [job.image_model or own] for job in self.study.graph.jobs}
        return {GENERATE: [own], **refining, DRAWING_EXTERNAL: list(self.study.drawn.values())}

    def _draws_images(self, jobs) -> bool:
        """Whether one of these jobs would draw an image. An unpacked archive has them all, and needs no GPU."""
        from detailscribe.operations.plan.study_plan import draws_images
        from detailscribe.workflow.parameters import stage_parameters

        drawing = [job for job in jobs if job.rule.name in self._drawing_rules()]
        shards = dict.fromkeys((job.wildcards.scenario, job.wildcards.shard) for job in drawing)
        return draws_images(self.study, stage_parameters(self.study), shards)


def start_pilot(arguments: list[str], is_main_process: bool) -> bool:
    """Whether this process works for a pilot: it was asked for the target `pilot`, or was started by one that was.

    Args:
        arguments: Of the command line.
        is_main_process: Whether this process plans, and is no job's.

    Raises:
        WorkflowError: other targets were asked for, too.
    """
    if not is_main_process:
        return PILOT in os.environ
    os.environ.pop(PILOT, None)
    if "pilot" not in arguments:
        return False
    from snakemake.cli import get_argument_parser
    from snakemake.exceptions import WorkflowError

    known, unknown = get_argument_parser().parse_known_args(arguments)
    if "pilot" not in known.targets:
        return False
    if len(known.targets) > 1 and not unknown:  # values of options that a plugin defines look like targets
        raise WorkflowError("pilot: it has a configuration of its own; ask for the other targets in another run")
    os.environ[PILOT] = str(time.time())
    return True


def path_problem(code: Path, interpreter: str) -> str:
    """Why Snakemake could not start a job from these paths, with the remedy; empty if it can.

    Args:
        code: The workflow's own folder; Snakemake takes braces in the path of a script for wildcards.
        interpreter: Path of Python, which Snakemake puts into a shell command as it is.
    """
    if found := re.search(r"[{}]", str(code)):
        return f"the path of the workflow, {code}, has a {found[0]!r}, which Snakemake reads as a wildcard: move it"
    if found := re.search(r"[\s'\"\\$`&|;<>()*?\[\]{}]", interpreter):
        return (
            f"the path of Python, {interpreter}, has a {found[0]!r}, with which Snakemake cannot start a job: put the "
            "folder or its environment where the path has none"
        )
    return ""


def remove_null_entries(config: dict) -> None:
    """Remove entries that a second config file sets to null, in place."""
    for group in REMOVABLE:
        if isinstance(config.get(group), dict):
            config[group] = {name: entry for name, entry in config[group].items() if entry is not None}
