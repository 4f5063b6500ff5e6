"""Tables of all scenarios of a study: joined, with a scenario column, and pooled over all their prompts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from detailscribe.study.study import Study
from detailscribe.tables.main_table import table_settings

if TYPE_CHECKING:
    import pandas as pd

STAGE = "pool"
ALGORITHM = 4


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    return {"pool": {"scenarios": study.config["study"], **table_settings(study)}}


def joined_tables(files: list[Path]) -> pd.DataFrame:
    """Tables `results/{scenario}/tables/*.csv` below each other, as text, with a scenario column in front."""
    import pandas as pd

    tables = {file.parent.parent.name: pd.read_csv(file, dtype=str) for file in files}
    return pd.concat(tables, names=["scenario"]).reset_index("scenario")


def phrase_sources_of(joined: pd.DataFrame) -> dict[str, str]:
    """Sources of the noun phrases behind each metric that reads them, over all scenarios."""
    texts = joined.dropna(subset="phrases").groupby("metric")["phrases"] if "phrases" in joined else ()
    return {str(metric): ", ".join(sorted({each for text in of for each in text.split(", ")})) for metric, of in texts}


def pooled_scores(files: list[Path]) -> pd.DataFrame:
    """Scores `results/{scenario}/tables/scores.csv` of all scenarios; ids begin with the scenario.

    Two scenarios may hold the same prompt.
    """
    import pandas as pd

    from detailscribe.tables.score_table import read_scores

    frames = []
    for file in files:
        frame = read_scores(file)
        frames.append(frame.assign(id=file.parent.parent.name + "/" + frame["id"]))
    return pd.concat(frames, ignore_index=True)
