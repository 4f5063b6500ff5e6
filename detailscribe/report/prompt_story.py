"""Results of a scenario's prompts as a report shows them: images with scores, selections, changes of the prompt.

Pure functions of the rows that the stages wrote; `scenario_site` renders them.
"""

import difflib
import re
from dataclasses import dataclass, field

from detailscribe.report.asked_images import parts_of_prompt, remarks_of_critique
from detailscribe.report.before_after import before_after
from detailscribe.report.labels import PEOPLE, SEED_PREFIX, Labels
from detailscribe.report.score_rows import same_images, score_lines, score_rows, texts_of_images
from detailscribe.study.stages import NOTHING_TO_CORRECT
from detailscribe.tables.honest.oracle_cells import DAGGER, MEANING

RANKS = {2: "second best", 3: "third best"}
BRACKETS = re.compile(r"(<[^<>]*>)")  # of a raw reply
SHORT_ANSWER = 16  # letters


@dataclass(frozen=True)
class ScenarioResults:
    """Everything that the stages wrote about a scenario's prompts.

    Attributes:
        prompts: Rows id, topic, prompt, in the order of the prompt file.
        decompositions: Rows by id.
        critiques: Rows by critic, by id.
        images: Manifest rows by image set, by id.
        scores: Score rows by metric, by (id, image set).
        judge_replies: Texts by judge, by (id, image set): one per repeat.
        unread_replies: Whole replies by `decompose` or rewriter, by id, of rows that are not ok.
        ratings: Rows rater, id, image_set, rating; empty where nothing was rated.
        dropped: Rows id, stage, image_set, status, reason.
        methods: Rows of the tables: name, candidates, headline.
        critics: Image sets by critic; none of a critic that draws nothing itself.
        looked_at: Image set or selection by critic, of those that look at another image than the initial one.
        refiners: Refinements that are no critic's: entry, name, refiner, of, text, image_sets with their settings.
        selections: Rows by selection, by id.
        ranks: Of selections that do not choose the best: 2 for the second best, and so on.
        audits: Rows of `audit_critiques` by judge.
        choices: Rows of human/pairs.csv: what people chose of two images; empty where nobody compared.
        labels: What people read in place of names.
        oracle_settings: `selector` and `on_the_way`, which decide what has a dagger (`tables/honest/oracle_cells.py`).
        ratings_by_image: Rating by rater, by (id, image set).
    """

    name: str
    prompts: list[dict]
    decompositions: dict[str, dict]
    critiques: dict[str, dict[str, dict]]
    images: dict[str, dict[str, dict]]
    scores: dict[str, dict[tuple[str, str], dict]]
    judge_replies: dict[str, dict[tuple[str, str], list[str]]]
    ratings: list[dict]
    dropped: list[dict]
    methods: list[dict]
    critics: dict[str, list[str]]
    unread_replies: dict[str, dict[str, str]] = field(default_factory=dict)
    looked_at: dict[str, str] = field(default_factory=dict)
    refiners: list[dict] = field(default_factory=list)
    selections: dict[str, dict[str, dict]] = field(default_factory=dict)
    ranks: dict[str, int] = field(default_factory=dict)
    audits: dict[str, list[dict]] = field(default_factory=dict)
    choices: list[dict] = field(default_factory=list)
    labels: Labels = field(default_factory=Labels)
    oracle_settings: dict = field(default_factory=lambda: {"selector": ""})
    ratings_by_image: dict[tuple[str, str], dict[str, float]] = field(init=False)

    def __post_init__(self) -> None:
        by_image: dict[tuple[str, str], dict[str, float]] = {}
        for row in (row for row in self.ratings if row["rating"] == row["rating"]):  # else not judged
            by_image.setdefault((row["id"], row["image_set"]), {})[row["rater"]] = row["rating"]
        object.__setattr__(self, "ratings_by_image", by_image)

    @property
    def metrics(self) -> list[str]:
        """Metrics with scores, then PEOPLE if there are ratings."""
        return [*self.scores, *([PEOPLE] if self.ratings_by_image else [])]

    def score(self, metric: str, id: str, image_set: str) -> float | None:
        """The score of an image under a metric or PEOPLE; None where there is none."""
        if metric == PEOPLE:
            ratings = self.ratings_by_image.get((id, image_set), {}).values()
            return sum(ratings) / len(ratings) if ratings else None
        return self.scores[metric].get((id, image_set), {}).get("score")


def word_diff(before: str, after: str) -> list[tuple[str, str]]:
    """Differences of two texts, word by word.

    Returns:
        (kind, words) pieces in reading order; kind is same, gone or new.
    """
    old, new = (re.findall(r"\s*\S+", text) for text in (before, after))
    pieces = []
    for kind, i, j, k, m in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            pieces.append(("same", "".join(new[k:m])))
        else:
            pieces += [(name, "".join(words)) for name, words in (("gone", old[i:j]), ("new", new[k:m])) if words]
    return pieces


def folded(text: str) -> list[tuple[str, str]]:
    """A raw reply in pieces (kind, text): text; mark, a short answer in <...>; or long, a whole text in <...>."""
    pieces = []
    for piece in BRACKETS.split(text):
        if piece.startswith("<") and piece.endswith(">") and len(piece) > 2:
            inner = piece[1:-1].strip()
            pieces.append(("mark" if len(inner) <= SHORT_ANSWER else "long", inner))
        elif piece:
            pieces.append(("text", piece))
    return pieces


def scored_images(results: ScenarioResults, id: str) -> dict[str, dict]:
    """A prompt's manifest rows by image set, each with `scores` by metric."""
    return {
        name: {**rows[id], "scores": {metric: results.score(metric, id, name) for metric in results.metrics}}
        for name, rows in results.images.items()
    }


def looked_at(results: ScenarioResults, critic: str, id: str) -> dict | None:
    """What a critic looked at, where it is not the initial image: `of`, and the image set and row of that image."""
    of = results.looked_at.get(critic)
    if of is None:
        return None
    row = results.selections[of].get(id) if of in results.selections else results.images[of][id]
    image_set = of if of in results.images else row and row["image_set"]
    return {"of": of, "image_set": image_set, "row": row or {"prompt": None, "file": None}}


def refiner_images(results: ScenarioResults) -> dict[str, list[dict]]:
    """Image sets of refiners by entry: one group for each image that they start from.

    A group has `refiner`, `of`, `texts` (each text of its images once; empty for their own prompts), and `image_sets`
    with `text` and `settings`.
    """
    entries: dict[str, list[dict]] = {}
    for each in results.refiners:
        groups = entries.setdefault(each["entry"], [])
        if not groups or groups[-1]["of"] != each["of"]:
            groups.append({"refiner": each["refiner"], "of": each["of"], "texts": [], "image_sets": {}})
        groups[-1]["texts"] += [each["text"]] if each["text"] not in groups[-1]["texts"] else []
        for name, settings in each["image_sets"].items():
            groups[-1]["image_sets"][name] = {"text": each["text"], "settings": settings}
    return entries


def page_values(results: ScenarioResults, prompt: dict) -> dict:
    """Values of the page of one prompt, for its template."""
    id = prompt["id"]
    images = scored_images(results, id)
    initial = results.methods[0]["candidates"][0]
    critics = []
    for name, candidates in results.critics.items():
        row, seen = results.critiques[name][id], looked_at(results, name, id)
        stopped = row["status"] == NOTHING_TO_CORRECT
        base = (seen["row"]["prompt"] if seen else None) or prompt["prompt"]
        changes = word_diff(base, row["refined_prompt"]) if row["refined_prompt"] and not stopped else []
        shown = {"name": name, "row": row, "changes": changes, "candidates": candidates}
        audits = remarks_of_critique(results.audits, id, name)
        reply = folded(row["critique"]) if row["critique"] else []
        critics.append({**shown, "seen": seen, "stopped": stopped, "audits": audits, "reply": reply})
    made_from = {
        name: results.looked_at.get(critic, initial) for critic, names in results.critics.items() for name in names
    }
    made_from |= {name: each["of"] for each in results.refiners for name in each["image_sets"]}
    others = [name for name in images if name not in made_from and name != initial]
    seeds = [name for name in others if name.startswith(SEED_PREFIX)]
    judge_replies = {
        name: [
            (judge, [folded(text) for text in texts[id, name]])
            for judge, texts in results.judge_replies.items()
            if (id, name) in texts
        ]
        for name in images
    }
    return {
        "scenario": results.name,
        "prompt": prompt,
        "labels": results.labels,
        "decomposition": results.decompositions[id],
        "metrics": results.metrics,
        "images": images,
        "parts": parts_of_prompt(results.scores, id, initial, list(made_from)),
        "initial": initial,
        "slider": before_after(results, id),
        "dagger": DAGGER,
        "meaning": MEANING,
        "critics": critics,
        "baselines": [name for name in others if name not in seeds],
        "seeds": seeds,
        "made_from": made_from,
        "refiners": refiner_images(results),
        "selections": {name: rows[id] for name, rows in results.selections.items() if id in rows},
        "ranks": {name: RANKS.get(rank, f"rank {rank}") for name, rank in results.ranks.items()},
        "judge_replies": {name: texts for name, texts in judge_replies.items() if texts},
        "unread_replies": {name: texts[id] for name, texts in results.unread_replies.items() if id in texts},
        "score_rows": score_rows(results, id),
        "score_lines": score_lines(results, id),
        "same": same_images(results, id),
        "texts": texts_of_images(results, id),
        "ratings": {
            name: results.ratings_by_image[id, name] for name in images if (id, name) in results.ratings_by_image
        },
        "choices": [row for row in results.choices if row["id"] == id],
    }
