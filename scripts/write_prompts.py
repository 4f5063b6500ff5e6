"""resources/written/{topics}.jsonl (topic, prompt), .rejected.tsv (topic, prompt, reason), .exchanges.txt (digests)."""

from pathlib import Path

from detailscribe.files.atomic import write_text
from detailscribe.files.rows import write_rows
from detailscribe.prompts.writing import read_topics, write_prompts
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import chat_of, job

with job(snakemake) as running:
    role = parameters_of(snakemake) | {"endpoint": snakemake.config["roles"]["write"]["endpoint"]}
    topics = read_topics(Path(snakemake.input.topics))
    chat, step = chat_of(snakemake), running.progress(len(topics), "topic")
    accepted, rejected = write_prompts(topics, role["kind"], role, chat, role["attempts"], step)
    columns = ["topic", "prompt", "reason"]
    lines = [columns] + [[" ".join(str(row[column]).split()) for column in columns] for row in rejected]
    write_text(Path(snakemake.output.rejected), "".join("\t".join(line) + "\n" for line in lines))
    write_text(Path(snakemake.output.exchanges), "".join(f"{digest}\n" for digest in chat.answered))
    write_rows(Path(snakemake.output.prompts), accepted)
