"""A study whose images have a known quality and take known seconds, drawn through the real image generator.

Each step of a seed's image takes one second. The critic `quick` draws an image whose steps take half a second, the
critic `slow` one whose steps take three: `slow` is better for its steps, `quick` for its seconds.
"""

import contextlib
import json
from pathlib import Path

import pytest
from PIL import Image

from detailscribe.engines.machine.speeds import SCORE, JobSpeeds, score_speed_key
from detailscribe.files.rows import write_rows
from detailscribe.images import generate
from detailscribe.images.generate import ImageGenerator
from detailscribe.images.recipes import ImageRecipes
from detailscribe.llm import exchange_store
from detailscribe.llm.request import Answer, Request
from detailscribe.methods.generate import parameters_name, requests_from_text
from detailscribe.methods.refine import refinement_requests
from detailscribe.operations.budget.method_costs import ScenarioCosts, method_costs
from detailscribe.study.study import Study
from detailscribe.tables.score_table import ScoreTable, score_frame
from detailscribe.workflow.parameters import stage_parameters
from tests.unit.study.configured import CONFIG, configured_study

SHARD = "000-of-001"
SEEDS = [1, 2, 3, 4]
IDS = [f"p{number}" for number in range(6)]
QUALITY = {1: 40, 2: 50, 3: 56, 4: 60, "quick": 55, "slow": 58}  # grey levels of an image, by seed or critic
SECONDS_PER_STEP = {"quick": 0.5, "slow": 3.0}  # of a seed's image: 1
WARM_UP_S = 500.0  # of the first image of a job
SCORE_S = 0.25
USAGE = {"input_tokens": 100, "output_tokens": 20}
PRICES = {"input_usd_per_million": 2.0, "output_usd_per_million": 8.0}
STEPS = 28
CRITIC = {"role": "critique", "template": "critique_ablation", "decomposition": False, "reply": "brackets"}


class Clock:
    """A clock that moves only when an image is drawn."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


class PlantedEngine:
    """Draws one grey, which is the quality of the image, and lets the clock run."""

    def __init__(self, clock: Clock):
        self.clock, self.warm = clock, False

    def prepare(self, texts):
        """Nothing to encode."""

    def generate(self, prompt, seed):
        critic, _, number = prompt.partition(" ")
        self.clock.now += STEPS * SECONDS_PER_STEP.get(critic, 1.0) + (0 if self.warm else WARM_UP_S)
        self.warm = True
        quality = QUALITY.get(critic) or QUALITY[seed]
        return Image.new("RGB", (4, 4), (quality + int(number),) * 3)


def planted_study(folder: Path, **changes) -> Study:
    """The study; the folder holds the files of its image model."""
    (folder / "model").mkdir(exist_ok=True)
    critics = {name: CRITIC | {"after_step": "scratch"} for name in ("quick", "slow")}
    values = {
        "critics": critics | dict.fromkeys(("detailscribe", "ablation", "gpt_refine")),
        **{"rewriters": {"gpt_rewrite": None}, "external": {"hosted": None}, "judges": dict.fromkeys(CONFIG["judges"])},
        **{"metrics": {"image_reward": None, "blip_vqa": None}, "human": {"methods": ["sd"]}},
        **{"seeds": SEEDS[:2], "extra_seeds": SEEDS[2:], "generation": {"format": "png"}},
        "image_models": {"miniature": {"path": str(folder / "model")}},
    }
    return configured_study(**values | changes)


def draw_study(folder: Path, study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw every image set, each in a job of its own, and record critiques and speeds of scores."""
    clock, values = Clock(), stage_parameters(study)
    monkeypatch.setattr(generate, "time", clock)
    monkeypatch.setattr(generate, "processor_name", lambda: "planted card")
    records = [{"id": id, "topic": id, "prompt": f"seed {id[1:]}"} for id in IDS]
    folder = folder / "results" / "s"
    texts = {}
    for critic in study.config["critics"]:
        request = {id: Request("critique", "x", "m", [{"role": "user", "content": f"{critic} {id}"}]) for id in IDS}
        answer = Answer("ok", text="<a>", usage=USAGE, served_model="m")
        store = folder.parent.parent / "resources" / "exchanges"
        texts[critic] = {
            id: {"id": id, "status": "ok", "reason": "", "critique": "", "refined_prompt": f"{critic} {id[1:]}"}
            | {"exchange": exchange_store.record_answer(store, request[id], answer, PRICES).digest}
            for id in IDS
        }
        write_rows(folder / "critiques" / critic / f"{SHARD}.jsonl", texts[critic].values())
    jobs = {}
    for name in study.originals():
        jobs[name] = (
            values[parameters_name(name)],
            lambda recipes, name=name: requests_from_text(records, None, name, recipes),
        )
    for each in study.graph.refinements:
        jobs[each.name] = (
            values[f"refine-{each.name}"],
            lambda recipes, each=each: refinement_requests(records, each, texts[each.text], None, recipes),
        )
    with contextlib.chdir(folder.parent.parent):
        for name, (parameters, requests) in jobs.items():
            generator = ImageGenerator(parameters, study.machine)
            generator.engine, generator.software = PlantedEngine(clock), {}
            generator.generate_shard("s", SHARD, [name], requests(ImageRecipes(parameters)), lambda: None)
    speeds = JobSpeeds()
    for count in (1, 4):
        speeds.add(SCORE, score_speed_key(values["score-clip_score"]), count, count * SCORE_S)
    speeds.record(folder.parent, lambda: "planted card")


def planted_costs(folder: Path, study: Study, ids=IDS) -> list[dict]:
    """The rows of costs of a drawn study."""
    parameters = json.loads(json.dumps(stage_parameters(study)["method_costs"]))
    scenario = folder / "results" / "s"
    files = sorted([*scenario.glob("images/*/*.jsonl"), *scenario.glob("critiques/*/*.jsonl")])
    costs = ScenarioCosts(parameters, folder / "results", "s", list(ids), files, folder / "resources" / "exchanges")
    return method_costs(costs, parameters)


def planted_scores(folder: Path) -> ScoreTable:
    """Scores of the images: their grey level, as a share of 100."""
    rows = []
    for manifest in sorted((folder / "results" / "s" / "images").glob("*/*.jsonl")):
        for line in manifest.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            with Image.open(folder / "results" / row["file"]) as image:
                score = image.getpixel((0, 0))[0] / 100
            rows.append({"id": row["id"], "image_set": manifest.parent.name, "score": score, "status": "ok"})
    frame = score_frame([{"id": id} for id in IDS], set(IDS), [], {"clip_score": rows})
    return ScoreTable(frame, ["clip_score"])
