"""Says what is not as it was made; changed images move to results/{scenario}/changed/, the next run remakes them."""

from pathlib import Path

from detailscribe.llm.exchange_store import damaged_exchanges
from detailscribe.operations.verify import (
    made_from_exchange,
    remove_outputs_if,
    verify_images,
    verify_resources,
    verify_rows,
)
from detailscribe.workflow.job import job

with job(snakemake) as running:
    results = Path("results")
    files, sentences = verify_resources(Path("resources"))
    broken = damaged_exchanges(Path("resources/exchanges"))
    for path, problem in broken:
        sentences.append(f"{path}: {problem}; removed")
        path.unlink()
    for scenario in snakemake.params.scenarios:
        sentences += verify_rows(results, scenario)
        checked, problems = verify_images(results, scenario)
        files += checked
        sentences += problems
        removed = remove_outputs_if(results, scenario, made_from_exchange({path.stem for path, _ in broken}))
        sentences += [f"{path}: made from a broken exchange; removed" for path in removed]
    sentences.append(
        f"{files} files and every exchange checked, {len(sentences)} problems"
        + ("; run again to remake" if sentences else "")
    )
    running.say(sentences)
