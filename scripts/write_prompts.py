"""resources/written/{topics}.jsonl (topic, prompt), .rejected.tsv (topic, prompt, reason), .exchanges.txt (digests)."""

from pathlib import Path

from detailscribe.files.atomic import write_text
from detailscribe.files.rows import write_rows
from detailscribe.prompts.writing import prompts_from_topics, read_topics, rejected_lines, rejected_tsv
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import chat_of, job

with job(snakemake) as running:
    role = parameters_of(snakemake) | {"endpoint": snakemake.config["roles"]["write"]["endpoint"]}
    topics = read_topics(Path(snakemake.input.topics))
    chat, step = chat_of(snakemake), running.progress(len(topics), "topic")
    records, rejected = prompts_from_topics(topics, role["kind"], role, chat, role["attempts"], step)
    write_text(Path(snakemake.output.rejected), rejected_tsv(rejected))
    write_text(Path(snakemake.output.exchanges), "".join(f"{digest}\n" for digest in chat.answered))
    write_rows(Path(snakemake.output.prompts), records)
    if rejected:
        running.say(rejected_lines(rejected, len(topics), Path(snakemake.output.rejected)))
