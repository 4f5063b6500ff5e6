"""Costs of each method per prompt, `tables/method_costs.csv`: images, steps, seconds, calls, tokens, dollars.

A row's cost is that of everything its choice of images needs, each part once: the images that it chooses from and those
that they are made from, the critics and rewriters of their prompts with the decompositions that these read, and the
scores or answers by which something is selected, the final choice included. Means over the complete prompts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from detailscribe.engines.machine.speeds import SCORE, RecordedSpeeds, score_speed_key
from detailscribe.files.digests import digest
from detailscribe.files.rows import read_rows, read_score_rows
from detailscribe.images.seconds import seconds_per_score
from detailscribe.operations.budget.answer_costs import AnswerCost, AnswerCosts
from detailscribe.operations.budget.image_costs import image_costs
from detailscribe.operations.costs import exchanges_of
from detailscribe.scores import scoring
from detailscribe.study.judging.judges import scorer_of
from detailscribe.study.methods import CANDIDATES, EQUAL_COMPUTE, GPU_SECONDS, candidate_count, steps_of
from detailscribe.study.study import Study
from detailscribe.tables.budget.costs_of_methods import COST_COLUMNS, METHOD, REFERENCE, seconds_of

STAGE = "method_costs"
ALGORITHM = 1
COLUMNS = ["method", "role", "seeds", "selection", "metric", "headline", *COST_COLUMNS, "equal_compute"]
Verifier = tuple[str, tuple[str, ...]]  # metric or judge-{name}, and the image sets that it scores


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    values = {
        "equal_compute": study.budget["equal_compute"],
        "selector": study.config["seed_selector"],
        "originals": study.originals(),
        "critics": [method.name for method in study.methods() if method.name in study.config["critics"]],
        "methods": [vars(method) for method in study.methods()],
        "metrics": study.metrics,
        "full_steps": study.config["generation"]["steps"],
        "sets": study.steps_by_set,
        "needs": {name: _needs(study, name) for name in study.image_sets()},
        "score_speeds": {
            name.removeprefix("score-"): score_speed_key(settings)
            for name, settings in scoring.parameters(study).items()
        },
    }
    return {"method_costs": values}


def _needs(study: Study, image_set: str) -> dict:
    """What the images of a set are made with: image sets, rows that name answers, and verifiers."""
    graph, needs = study.graph, study.graph.needs([image_set])
    texts: dict[str, None] = {}
    rewriters = [name for name in needs.image_sets if name in study.rewritten]  # of prompts: they start from no image
    for name in [*rewriters, *needs.texts]:
        if critic := study.config["critics"].get(name):
            texts |= dict.fromkeys([*(["decompositions"] if critic["decomposition"] else []), f"critiques/{name}"])
        else:
            texts[f"rewrites/{name}"] = None
    refined = [name for names in needs.refined.values() for name in names]
    verifiers = [[graph.selections[name].by, graph.flat(name)] for name in needs.selections]
    return {"sets": [*needs.image_sets, *refined], "texts": list(texts), "verifiers": verifiers}


class ScenarioCosts:
    """The costs of the complete prompts of one scenario.

    Args:
        parameters: Of the stage.
        results: Results folder.
        scenario: Name of the scenario.
        ids: The complete prompts.
        files: Manifests, critiques, rewrites, decompositions and scores of judges.
        store: Folder of the exchanges.
    """

    def __init__(
        self, parameters: dict, results: Path, scenario: str, ids: Sequence[str], files: Iterable[Path], store: Path
    ):
        self._parameters, self._ids = parameters, list(ids)
        self._answers, self._speeds = AnswerCosts(store), RecordedSpeeds(results)
        self._digests: dict[tuple[str, str], list[str]] = {}  # by place of the rows and id
        manifests: dict[str, dict[str, dict]] = {name: {} for name in parameters["sets"]}
        for path in files:
            place = path.parent.relative_to(results / scenario).as_posix()
            rows = read_score_rows(path) if place.startswith("scores/") else read_rows(path, ("id",))
            if place.startswith("images/"):
                manifests[path.parent.name] |= {row["id"]: row for row in rows}
                continue
            for row in rows:
                of = f"{place}/{row['image_set']}" if place.startswith("scores/") else place
                self._digests[of, row["id"]] = exchanges_of([row], path)
        folder, sets = results / scenario, parameters["sets"]
        self._images = {name: image_costs(folder, name, sets[name]["origin"], rows) for name, rows in manifests.items()}
        self._folder = folder
        self._speed_of: dict[str, tuple[float, list[str]] | None] = {}
        self._known: dict[tuple, dict] = {}

    def of(self, image_sets: Sequence[str], verifiers: Sequence[Verifier] = ()) -> dict:
        """Mean costs per prompt of some image sets and everything that they need.

        Args:
            image_sets: Whose images are chosen from.
            verifiers: What makes the choice.

        Returns:
            Values by COST_COLUMNS; None for unknown.
        """
        key = tuple(image_sets), tuple(verifiers)
        if key not in self._known:
            needs = [self._parameters["needs"][name] for name in image_sets]
            sets = list(dict.fromkeys(name for each in needs for name in each["sets"]))
            texts = list(dict.fromkeys(text for each in needs for text in each["texts"]))
            inner = [(by, tuple(names)) for each in needs for by, names in each["verifiers"]]
            self._known[key] = self._means(sets, texts, list(dict.fromkeys([*inner, *verifiers])))
        return self._known[key]

    def _means(self, sets: list[str], texts: list[str], verifiers: list[Verifier]) -> dict:
        columns: dict[str, list] = {name: [] for name in COST_COLUMNS if name not in ("prompts", "measured")}
        drawn, measured, processors = 0, 0, dict[str, None]()
        for id in self._ids:
            made = {name: image for name in sets if (image := self._images[name].get(id)) and image.made}
            columns["images"].append(len(made))
            columns["steps"].append(steps_of(self._parameters["sets"], list(made), self._parameters["full_steps"]))
            columns["gpu_seconds"].append(_total([image.seconds for image in made.values()]))
            for name, image in made.items():
                drawn += self._parameters["sets"][name]["origin"] == "here"
                measured += bool(image.processor)
                processors |= {image.processor: None} if image.processor else {}
            columns["scoring_seconds"].append(self._scoring_seconds(id, verifiers, processors))
            answers = self._answers_of(id, texts, verifiers, [image.exchange for image in made.values()])
            for name, value in vars(answers).items():
                columns[name].append(value)
        means = {name: _mean_of_known(columns[name]) for name in ("input_tokens", "output_tokens", "usd")}
        means |= {name: _mean(columns[name]) for name in columns if name not in (*means, "processors")}
        means |= {"prompts": len(self._ids), "measured": measured / drawn if drawn else None}
        return means | {"processors": "; ".join(sorted(processors))}

    def _scoring_seconds(self, id: str, verifiers: list[Verifier], processors: dict[str, None]) -> float | None:
        """Seconds of the scores of a prompt; equal images are scored once by each metric."""
        seconds: list[float | None] = []
        scored = {
            (metric, image.key)
            for metric, names in verifiers
            if metric in self._parameters["score_speeds"]
            for name in names
            if (image := self._images[name].get(id))
        }
        for metric, _ in sorted(scored):
            if metric not in self._speed_of:
                self._speed_of[metric] = self._speed(metric)
            speed = self._speed_of[metric]
            seconds.append(speed[0] if speed else None)
            processors |= dict.fromkeys(speed[1]) if speed else {}
        return _total(seconds)

    def _speed(self, metric: str) -> tuple[float, list[str]] | None:
        """Seconds per score and processors: of this scenario, or what all jobs recorded, also of earlier versions."""
        key = self._parameters["score_speeds"][metric]
        if known := seconds_per_score(self._folder, metric, digest(key)):
            return known
        speed = self._speeds.measured(SCORE, key)
        return (speed.mean_s, sorted(speed.by_processor)) if speed else None

    def _answers_of(self, id: str, texts: list[str], verifiers: list[Verifier], of_images: list[str]) -> AnswerCost:
        judged = [
            f"scores/{scorer_of(judge, self._parameters['metrics'])}/{name}"
            for judge, names in verifiers
            if judge not in self._parameters["score_speeds"]
            for name in names
        ]
        digests = [digest for place in [*texts, *judged] for digest in self._digests.get((place, id), [])]
        return self._answers.of([*digests, *filter(None, of_images)])


def method_costs(costs: ScenarioCosts, parameters: dict) -> list[dict]:
    """Costs of every row of the main table, and of the best of 1, 2, ... of the study's seeds.

    Returns:
        Rows of COLUMNS. `equal_compute` says, of seeds at equal compute, how many they are and by what.
    """
    from detailscribe.tables.selection import selections

    originals, selector = parameters["originals"], parameters["selector"]
    reference = [_chosen(costs, originals[: count + 1], selector) for count in range(len(originals))]
    count, words = _equal_compute(costs, parameters, reference)
    rows = []
    for method in parameters["methods"]:
        own = method["name"] == EQUAL_COMPUTE
        candidates = method["candidates"][:count] if own else method["candidates"]
        for metric in parameters["metrics"]:
            for selection in selections({**method, "candidates": candidates}, metric, parameters["metrics"]):
                cost = _cost_of_selection(costs, candidates, selection, metric)
                shown = selection == (method["headline"] if len(candidates) > 1 else "single")
                key = (method["name"], METHOD, len(candidates) if own else None, selection, metric, shown)
                rows.append(dict(zip(COLUMNS, key, strict=False)) | cost | {"equal_compute": words if own else ""})
    for number, cost in enumerate(reference, 1):
        key = (f"best of {number}", REFERENCE, number, f"by:{selector}", "", False)
        rows.append(dict(zip(COLUMNS, key, strict=False)) | cost | {"equal_compute": ""})
    return rows


def _cost_of_selection(costs: ScenarioCosts, candidates: list[str], selection: str, metric: str) -> dict:
    if selection in candidates:
        return costs.of([selection])
    if selection == "mean":  # of a candidate that is chosen at random
        each = [costs.of([name]) for name in candidates]
        means = {name: _mean([cost[name] for cost in each]) for name in COST_COLUMNS if name != "processors"}
        named = {name for cost in each for name in cost["processors"].split("; ") if name}
        return means | {"prompts": each[0]["prompts"], "processors": "; ".join(sorted(named))}
    if selection == "single":
        return costs.of(candidates)
    return _chosen(costs, candidates, metric if selection == "oracle" else selection.removeprefix("by:"))


def _chosen(costs: ScenarioCosts, candidates: list[str], by: str) -> dict:
    return costs.of(candidates, [(by, tuple(candidates))] if len(candidates) > 1 else [])


def _equal_compute(costs: ScenarioCosts, parameters: dict, reference: list[dict]) -> tuple[int, str]:
    """How many seeds `equal_compute_seeds` has, and by what."""
    methods = {method["name"]: method for method in parameters["methods"]}
    critics = [methods[name] for name in parameters["critics"]]
    configured = len(methods.get(EQUAL_COMPUTE, {"candidates": []})["candidates"])
    mode, note = parameters["equal_compute"], ""
    if not critics:
        return configured, f"{configured} seeds, since no critic draws images"
    if mode == GPU_SECONDS:
        limits = [seconds_of(_chosen(costs, each["candidates"], parameters["selector"])) for each in critics]
        seconds = [seconds_of(cost) for cost in reference]
        known = [each for each in limits if each is not None]
        if len(known) == len(limits) and None not in seconds:
            most = max(known) * (1 + 1e-9)
            configured = max([1, *(n for n, each in enumerate(seconds, 1) if each is not None and each <= most)])
        else:
            configured = min(configured, candidate_count(each["candidates"] for each in critics))
            mode, note = CANDIDATES, ", since seconds are not known"
    return configured, f"{configured} seeds by {mode}{note}"


def _total(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _mean(values: list) -> float | None:
    total = _total(values)
    return None if total is None or not values else total / len(values)


def _mean_of_known(values: list) -> float | None:
    return _mean([value for value in values if value is not None])
