"""Targets of the command line that do not exist: the nearest one, scenarios and stages, instead of a missing rule."""

from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches

from detailscribe.study.stages import BY_NAME, STAGES

ALONE = ("plan", "power")  # targets that report: others beside them would run


def refuse_unknown_targets(arguments: Sequence[str], rules: Collection[str], scenarios: Sequence[str]) -> None:
    """Refuse to plan for a target that does not exist.

    Args:
        arguments: Of the command line.
        rules: Names of all rules.
        scenarios: Names.

    Raises:
        WorkflowError: a sentence for each.
    """
    alone = set(ALONE).intersection(arguments)
    if not alone and all(each.startswith("-") or each in rules or "/" in each or "." in each for each in arguments):
        return  # the usual case needs no second parser
    targets = targets_of(arguments)
    problems = unknown_targets(targets, rules, scenarios)
    named = next((each for each in targets if each in scenarios), "NAME")
    problems += [
        f"{name}: it reports and runs nothing, so it stands alone; it is about the scenarios of the key `study`: write "
        f"`study: [{named}]` into a config file"
        for name in ALONE
        if name in targets and len(targets) > 1
    ]
    if problems:
        from snakemake.exceptions import WorkflowError

        raise WorkflowError("\n".join(problems))


def targets_of(arguments: Sequence[str]) -> list[str]:
    """The targets of a command line of Snakemake; none where its own parser would end the process."""
    from snakemake.cli import get_argument_parser

    try:
        known, unknown = get_argument_parser().parse_known_args(list(arguments))
    except SystemExit:
        return []
    return [] if unknown else list(known.targets or [])  # values of options of a plugin look like targets


def unknown_targets(targets: Iterable[str], rules: Collection[str], scenarios: Sequence[str]) -> list[str]:
    """A sentence for each target that is neither a rule nor, by its form, a file.

    Args:
        targets: As on the command line.
        rules: Names of all rules.
        scenarios: Names.
    """
    found = []
    for target in dict.fromkeys(targets):
        if target in rules or "/" in target or "." in target:
            continue
        near = get_close_matches(target, rules, n=1)
        meant = f"did you mean {near[0]}? Targets" if near else "targets"
        stages = ", ".join([*STAGES, *BY_NAME])
        found.append(
            f"there is no target {target!r}; {meant} are the scenarios ({', '.join(scenarios)}), a scenario with "
            f"one of its stages (SCENARIO_STAGE: {stages}), the commands of README.md, and output files"
        )
    return found
