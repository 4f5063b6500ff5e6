"""The stages of a study and the files that each writes per scenario: the one list that every other part reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from detailscribe.files.rows import SCORE_KEY
from detailscribe.study.judging.human_pairs import pair_raters
from detailscribe.study.judging.judges import PAIRS, PARTS, REMARKS

if TYPE_CHECKING:
    from detailscribe.study.study import Study


@dataclass(frozen=True)
class RowFolder:
    """A folder below results/{scenario}/ with one JSON lines file per shard, in it or in a folder per name.

    Attributes:
        folder: Name of the folder.
        stage: Stage that writes it, as `dropped.tsv` names it. Image sets differ: `Study.stage_by_image_set`.
        llm_stage: Stage of the model whose exchanges the rows name; empty where rows name none.
        key: Columns that no two rows of a file have in common.
    """

    folder: str
    stage: str
    llm_stage: str = ""
    key: tuple[str, ...] = ("id",)


ROW_FOLDERS = (
    RowFolder("decompositions", "decompose", "decompose"),
    RowFolder("rewrites", "rewrite", "rewrite"),
    RowFolder("noun_phrases", "phrases"),
    RowFolder("images", "generate", "external"),
    RowFolder("critiques", "critique", "critique"),
    RowFolder("selections", "select"),
    RowFolder("scores", "score", "judge", SCORE_KEY),
    RowFolder("parts", "parts"),
    RowFolder("audits", "audit", "judge", ("id", "critic", "image_set", "number")),
    RowFolder("pairs", "pair", "judge", ("id", "first", "second")),
)
KEY_OF_FOLDER = {each.folder: each.key for each in ROW_FOLDERS}
WITHOUT_NAMES = ("decompositions", "noun_phrases", "parts")  # folders with files of shards alone
UNEQUAL = ("audits", "pairs")  # folders whose files may hold more rows of one prompt than of another
STAGE_OF_FOLDER = {each.folder: each.stage for each in ROW_FOLDERS}
LLM_STAGE_OF_FOLDER = {each.folder: each.llm_stage for each in ROW_FOLDERS if each.llm_stage}

# Stages of the rows in the order of the data: the order of `dropped.tsv`.
ROW_STAGES = ("decompose", "rewrite", "generate", "critique", "refine", "external", "select", "score", "audit", "pair")
# Stages of a scenario in the order of the data; each is a target {scenario}_{stage}.
STAGES = (
    *("decompose", "generate", "critique", "refine", "external", "score", "select", "audit", "pair"),
    *("tables", "report"),
)
# Stages that run only when they are asked for by name: people have to act before them.
HUMAN_STAGES = ("human_sheets", "human_scores", "human_agreement", "human_pair_sheets", "human_pair_scores")
# Costs of the methods: part of the tables with `budget: in_tables`, otherwise a stage that runs only by name.
BUDGET = "budget"
# Scores and manifests as typed tables for other programs: a stage that runs only by name.
PARQUET = "parquet"
BY_NAME = (*HUMAN_STAGES, BUDGET, PARQUET)
# Status of a row of a critic that may stop: the image stays as it is. As good as "ok".
NOTHING_TO_CORRECT = "nothing_to_correct"
USABLE = ("ok", NOTHING_TO_CORRECT)
FIGURES = ("differences", "main", "wins", "compute")  # the most important one first
ONE_COLUMN = "one_column"  # folder of the same figures in the width of one column of text
# Tables of a scenario that its report shows besides the main one.
REPORT_TABLES = ("published", "strata", "optimism", "judges", "judge_repeats", "truncation_shares", "cost")
# Tables by what judges are asked about.
JUDGING_TABLES = {PARTS: ("parts",), REMARKS: ("critique_audit",), PAIRS: ("pairs", "strengths", "rankings")}


def folder_of(path: Path) -> str:
    """The folder of ROW_FOLDERS that a shard's file is in, directly or in a folder per name."""
    return folder_and_name(path)[0]


def folder_and_name(path: Path) -> tuple[str, str]:
    """The folder of ROW_FOLDERS that a shard's file is in, and what it is of; empty in a folder without names.

    A judge may have the name of a folder: `pairs/pairs/`.
    """
    folder, above = path.parent, path.parent.parent
    is_direct = folder.name in WITHOUT_NAMES and (above.name not in STAGE_OF_FOLDER or (above / "shards").is_dir())
    return (folder.name, "") if is_direct else (above.name, folder.name)


def judging_tables(study: Study) -> list[str]:
    """Tables of the judges that are asked about parts, remarks or pairs, as far as the study has such judges."""
    return [name for asks, names in JUDGING_TABLES.items() if study.judges_asked(asks) for name in names]


def judging_figures(study: Study) -> list[str]:
    """Figures of the judges that are asked about pairs, as far as the study has such judges."""
    return ["strengths"] if study.judges_asked(PAIRS) else []


def figure_files(names: Iterable[str]) -> list[str]:
    """Files of figures, relative to results/{scenario}/: for both columns of a paper together, and for one."""
    folders = ("figures", f"figures/{ONE_COLUMN}")
    return [f"{folder}/{name}.{kind}" for name in names for folder in folders for kind in ("svg", "png")]


def further_figure_files(names: Iterable[str]) -> list[str]:
    """The files of `figure_files` besides {name}.svg in figures/, which reports show."""
    return [file for file in figure_files(names) if file not in {f"figures/{name}.svg" for name in names}]


def report_tables(study: Study) -> list[str]:
    """Tables of a scenario that its report shows besides the main one, without that of the costs of methods."""
    return [*REPORT_TABLES, *judging_tables(study)]


def stage_outputs(study: Study, stage: str) -> list[str]:
    """Files that a stage ends in, relative to results/{scenario}/, with `{shard}` where there is one per shard.

    Raises:
        KeyError: no such stage.
    """
    config, raters = study.config, study.config["human"]["raters"]
    images = {
        stage: [f"images/{name}/{{shard}}.jsonl" for name in names] for stage, names in study.sets_by_stage().items()
    }
    budget = [f"tables/{BUDGET}.csv", *figure_files([BUDGET])]
    patterns: dict[str, list[str]] = {
        "decompose": ["decompositions/{shard}.jsonl"],
        "generate": [
            *(f"rewrites/{name}/{{shard}}.jsonl" for name in config["rewriters"]),
            *images["generate"],
        ],
        "critique": [f"critiques/{name}/{{shard}}.jsonl" for name in config["critics"]],
        "refine": images["refine"],
        "external": images["external"],
        "score": [f"scores/{name}/{{shard}}.jsonl" for name in study.scorers],
        "select": [
            *(["selections/multi_seed/{shard}.jsonl"] if study.candidates_of_method("multi_seed") else []),
            *(f"selections/{name}/{{shard}}.jsonl" for name in study.graph.selections),
        ],
        "audit": [f"audits/{name}/{{shard}}.jsonl" for name in study.judges_asked(REMARKS)],
        "pair": [f"pairs/{name}/{{shard}}.jsonl" for name in study.judges_asked(PAIRS)],
        "tables": [
            *("prompts.jsonl", "dictionary.jsonl", "dropped.tsv", "tables/main.csv", "tables/published.csv"),
            *(f"tables/{name}.csv" for name in ("scores", "strata", "optimism", "judges")),
            *(f"tables/{name}.csv" for name in ("judge_repeats", "truncation", "truncation_shares", "cost")),
            *(f"tables/{name}.csv" for name in judging_tables(study)),
            *("tables/main.md", "tables/main.tex"),
            *figure_files([*FIGURES, *judging_figures(study)]),
            *(budget if study.budget["in_tables"] else []),
        ],
        BUDGET: budget,
        PARQUET: [f"tables/{name}.parquet" for name in ("scores", "images")],
        "report": ["report/index.html"],
        "human_sheets": [
            *("human/sheets/keep/key.jsonl", "human/sheets/send/README.txt"),
            *(f"human/sheets/send/{rater}.{kind}" for rater in raters for kind in ("xlsx", "html")),
        ],
        "human_scores": [f"human/{name}.csv" for name in ("ratings", "comments", "main", "raters", "reliability")],
        "human_pair_sheets": [
            *("human/pair_sheets/keep/key.jsonl", "human/pair_sheets/send/README.txt"),
            *(f"human/pair_sheets/send/{rater}.html" for rater in pair_raters(config)),
        ],
        "human_pair_scores": [
            f"human/{name}.csv" for name in ("pairs", "pair_main", "strengths", "pair_raters", "pair_reliability")
        ],
        "human_agreement": [
            *(f"human/{name}.csv" for name in ("agreement", "assisted", "worth")),
            *("human/agreement.svg", "human/agreement.png"),
        ],
    }
    return patterns[stage]
