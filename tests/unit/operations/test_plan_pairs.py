"""Plan of judges of pairs: both orders of every scheduled pair, images that wait, answers that are there, prices."""

from pathlib import Path

import pytest

from detailscribe.files.rows import write_rows
from detailscribe.llm.spending.spend_log import SPEND_FILE
from detailscribe.miniature.stand_in_content import placeholder_png
from detailscribe.operations.plan.estimate import Estimate
from detailscribe.operations.plan.pair_stages import add_pair_stage
from detailscribe.operations.plan.shard import PENDING, Shard
from detailscribe.scores.judges.pairs import ROLE
from detailscribe.workflow.parameters import stage_parameters
from tests.unit.operations.test_plan import SERVER
from tests.unit.study.configured import CONFIG, configured_study

RECORDS = [{"id": f"fox-{n}", "topic": "fox", "prompt": f"A fox {n}."} for n in "ab"]
SHARD = "000-of-001"
JUDGE = {key: value for key, value in CONFIG["judges"]["demo_pairs"].items() if key != "demo"}
WAITING = {"status": "skipped", "reason": PENDING, "path": None, "sha256": None}


class Planned:
    """A judge at a priced endpoint that compares two methods, one of them with two images."""

    def __init__(self, folder: Path, **judge):
        entry = JUDGE | {"endpoint": "server", "methods": ["sd", "hosted", "multi_seed"], **judge}
        self.study = configured_study(endpoints={"server": SERVER}, judges={"pairs": None, "j": entry})
        self.estimate = Estimate(self.study, stage_parameters(self.study))
        self.folder = folder / "results" / "demo"
        self.seeds = self.study.candidates_of_method("multi_seed")
        self.images: dict = {}
        for name in (*self.seeds, "hosted"):
            for record in RECORDS:
                path = folder / f"{name}-{record['id']}.png"
                path.write_bytes(placeholder_png(path.name))
                row = {"status": "ok", "reason": "", "path": path, "sha256": path.name}
                self.images.setdefault(name, {})[record["id"]] = row

    def score(self, best: str) -> None:
        """Scores under which one of the seeds' images is the best."""
        scores = [(record["id"], name, float(name == best)) for record in RECORDS for name in self.seeds]
        rows = [{"id": id, "image_set": name, "score": score} for id, name, score in scores]
        write_rows(self.folder / "scores" / "clip_score" / f"{SHARD}.jsonl", rows)

    def line(self):
        add_pair_stage(Shard(self.estimate, "demo", SHARD, RECORDS, {}), "j", self.images)
        return self.estimate.line("demo", "judge", "j")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resources" / "miniature" / "sd3").mkdir(parents=True)
    return tmp_path


# Pairs of a prompt: hosted and sd, multi_seed and sd, multi_seed and hosted; two orders, two prompts.
@pytest.mark.parametrize(
    ("best", "draws", "reasons"),
    [
        (1, 1, {"new": 12}),
        (1, 3, {"new": 36}),
        (0, 1, {"new": 4}),  # multi_seed shows sd's image: a tie with sd, and with hosted the same question again
        (None, 2, {"new": 8, "estimate": 16}),  # no scores yet: both pairs of multi_seed wait
    ],
)
def test_both_orders_of_every_pair_are_planned(folder, best, draws, reasons):
    planned = Planned(folder, draws=draws)
    if best is not None:
        planned.score(planned.seeds[best])
    assert planned.line().reasons == reasons


def test_images_that_are_not_there_yet_are_estimates_and_failed_ones_cost_nothing(folder):
    planned = Planned(folder)
    planned.score(planned.seeds[1])
    planned.images["hosted"]["fox-a"] = WAITING
    planned.images["hosted"]["fox-b"] |= {"status": "failed", "reason": "no memory", "path": None}
    assert planned.line().reasons == {"new": 4, "estimate": 4}
    planned.images[planned.seeds[0]]["fox-a"] = WAITING  # a candidate of multi_seed, and the only image of sd
    planned.estimate.lines.clear()
    assert planned.line().reasons == {"new": 2, "estimate": 6}


def test_calls_are_priced_by_the_tokens_of_this_judges_earlier_calls(folder):
    Planned(folder)
    spent = {"role": ROLE, "model": JUDGE["model"], "batch": False, "digest": "0" * 64, "cost_usd": 1.0}
    write_rows(folder / "resources" / "exchanges" / SPEND_FILE, [spent | {"input_tokens": 2000, "output_tokens": 100}])
    line = Planned(folder).line()
    assert (line.calls, line.input_tokens, line.output_tokens) == (12, 12 * 2000, 12 * 100)
    assert line.cost_usd == pytest.approx(12 * (2000 * 2 + 100 * 8) / 1e6)
