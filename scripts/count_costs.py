"""results/{scenario}/tables/method_costs.csv: what each method costs per prompt, by selection and metric."""

from pathlib import Path

from detailscribe.files.rows import rows_by_id, write_csv
from detailscribe.operations.budget.method_costs import COLUMNS, ScenarioCosts, method_costs
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake):
    parameters = parameters_of(snakemake)
    costs = ScenarioCosts(
        parameters,
        Path("results"),
        snakemake.wildcards.scenario,
        list(rows_by_id(snakemake.input.dictionary)),
        [Path(file) for file in snakemake.input.outputs],
        Path("resources/exchanges"),
    )
    write_csv(Path(snakemake.output[0]), COLUMNS, method_costs(costs, parameters))
