"""Parameters of every stage, each from the module that owns the stage."""

from types import ModuleType

from detailscribe import miniature
from detailscribe.human import assignment, released
from detailscribe.human import tables as human_tables
from detailscribe.human.judges import agreement, assisted, worth
from detailscribe.human.pairs import assignment as pair_assignment
from detailscribe.human.pairs import tables as pair_choice_tables
from detailscribe.images import image_set
from detailscribe.methods import critique, decompose, external, generate, refine, rewrite, select
from detailscribe.operations import costs
from detailscribe.operations.budget import method_costs
from detailscribe.prompts import noun_phrases, parts, writing
from detailscribe.report import scenario_site, study_site
from detailscribe.scores import model_weights, scoring, truncation
from detailscribe.scores.judges import audit, marks, pairs
from detailscribe.scores.judges import parts as judged_parts
from detailscribe.study.study import Study
from detailscribe.tables import complete_cases, judge_repeats, main_table, pooled, published
from detailscribe.tables.budget import budget_table
from detailscribe.tables.figures import plot
from detailscribe.tables.judging import audit_table, pair_tables, parts_table
from detailscribe.tables.parquet import scenario_tables

# The owner of each stage defines STAGE (its name), ALGORITHM (a number that is raised when a change of the code changes
# results) and parameters(study).
STAGE_OWNERS: tuple[ModuleType, ...] = (
    *(miniature, model_weights, writing, noun_phrases, parts),
    *(decompose, generate, critique, rewrite, refine, external, image_set),
    *(scoring, marks, judged_parts, audit, pairs, truncation, select),
    *(complete_cases, main_table, pooled, judge_repeats, published, plot, costs),
    *(method_costs, budget_table),
    *(parts_table, audit_table, pair_tables, scenario_tables),
    *(assignment, human_tables, agreement, assisted, worth, released),
    *(pair_assignment, pair_choice_tables),
    *(scenario_site, study_site),
)


def stage_parameters(study: Study) -> dict[str, dict]:
    """Everything that decides the results of each stage, by the name of its file in results/parameters/.

    Endpoint addresses, rate limits and the number of shards are in none of them: they change no result.
    """
    return {
        name: {"stage": owner.STAGE, "algorithm": owner.ALGORITHM, **values}
        for owner in STAGE_OWNERS
        for name, values in owner.parameters(study).items()
    }
