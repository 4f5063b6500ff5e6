"""Names of the rules that ask models, draw images or score: what is checked before, and said at the end."""

from collections.abc import Mapping

from detailscribe.study.refinements import Selection

# Rules that send requests to models, and no others do: the stage of each, and the wildcard that names the entry, if
# there are several; `selection` names one whose `by` is a judge.
LLM_RULES = {
    "decompose_prompts": ("decompose", ""),
    "critique_images": ("critique", "critic"),
    "rewrite_prompts": ("rewrite", "rewriter"),
    "gather_external": ("external", "external"),
    "judge_images": ("judge", "judge"),
    "judge_parts": ("judge", "judge"),
    "audit_critiques": ("judge", "judge"),
    "judge_pairs": ("judge", "judge"),
    "select_by_judge": ("judge", "selection"),
    "write_prompts": ("write", ""),
}
# Rules whose jobs compute with torch on a GPU: those that draw with an image model, and those that score.
GENERATE, DRAWING_EXTERNAL = "generate_images", "draw_external"  # besides those of `study.graph.jobs`
REFINING = "refine_images"  # begins the names of those (`RefineJob.rule`)
WEIGHTS, FETCH_WEIGHTS = "weights", "fetch_weights"
SCORING_RULES = {"score_images", "score_images_by_package", "select_by_metric", "select_by_package"}


def llm_stages_of_jobs(jobs: list[tuple[str, dict]], selections: Mapping[str, Selection]) -> set[tuple[str, str]]:
    """(stage, name) of everything that some jobs do by requests to models.

    Args:
        jobs: Rule name and wildcards of each job.
        selections: Those of the study, by name.
    """
    found = set()
    for rule, wildcards in jobs:
        if rule in LLM_RULES:
            stage, wildcard = LLM_RULES[rule]
            name = wildcards.get(wildcard, "")
            found.add((stage, selections[name].by.removeprefix("judge-") if wildcard == "selection" else name))
    return found
