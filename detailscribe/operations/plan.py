"""What a run would make and why, and what it would cost, from the study and what is on disk. Asks and draws nothing.

The stages' own functions are run with a chat layer that only notes what it would ask, so that a plan finds the same
requests and keys as a run. What hangs on something that is not made yet is counted as an estimate.
"""

from collections import Counter, defaultdict
from pathlib import Path

from detailscribe.engines.step_times import step_time_key
from detailscribe.errors import InputError, SetupError
from detailscribe.files.ledger import Ledger
from detailscribe.files.rows import read_rows
from detailscribe.images.generate import ImageGenerator, denoising_steps
from detailscribe.images.image_set import ImageRequest
from detailscribe.llm import exchange_store
from detailscribe.llm.client import Chat
from detailscribe.llm.request import Reply, Request
from detailscribe.methods.critique import critique
from detailscribe.methods.decompose import decompose
from detailscribe.methods.external import ask_for_images
from detailscribe.methods.generate import requests_from_text
from detailscribe.methods.refine import requests_from_critiques
from detailscribe.methods.rewrite import rewrite
from detailscribe.operations.costs import exchanges_of
from detailscribe.operations.estimate import Estimate
from detailscribe.prompts.writing import read_topics
from detailscribe.scores.judge import judge
from detailscribe.study.study import Study

OPEN = "not asked yet"  # status of what a run would ask


def plan_study(
    study: Study,
    parameters: dict[str, dict],
    results: Path = Path("results"),
    store: Path = Path("resources/exchanges"),
) -> Estimate:
    """What a run of the study would take.

    Args:
        study: The study; every scenario that it builds by default is looked at.
        parameters: Parameters of its stages, by the name of their file.
        results: Its results folder.
        store: Folder of the exchanges.
    """
    plan = Estimate(study, parameters, results, store)
    for name, entry in study.config["topics"].items():
        if not Path(f"resources/written/{name}.jsonl").is_file():
            for _ in read_topics(Path(entry["file"])):  # one draw each
                plan.guess(plan.item("", "write", name), "write_prompts", study.endpoint_and_model("write"))
    for scenario in study.config["study"]:
        shards = [results / scenario / "shards" / f"{name}.jsonl" for name in study.shards(scenario)]
        if not all(path.is_file() for path in shards):
            plan.notes.append(
                f"{scenario}: its prompts are not here yet; run `snakemake {scenario}_decompose` for them"
            )
            continue
        for path in shards:
            _ShardPlan(plan, scenario, path).add()
    return plan


class _DryRunChat(Chat):
    """A chat layer that answers from the store and notes what it would ask."""

    def __init__(self, plan: Estimate):
        super().__init__(plan.study.config["endpoints"], plan.store, "live")
        self.open: list[Request] = []

    def ask(self, requests, on_done=None) -> list[Reply]:
        replies, seen = [], {each.digest for each in self.open}
        for request in requests:
            try:
                reply = exchange_store.read_reply(self.store, request.digest)
            except ValueError:
                reply = None
            if reply is None or reply.status not in exchange_store.ANSWERED:
                if request.digest not in seen:
                    self.open.append(request)
                    seen.add(request.digest)
                reply = Reply(request.digest, OPEN, "", "", None, "", "", None)
            replies.append(reply)
        return replies


class _ShardPlan:
    """One shard, stage by stage."""

    def __init__(self, plan: Estimate, scenario: str, shard: Path):
        self._plan, self._scenario, self._shard = plan, scenario, shard.stem
        self._study, self._folder = plan.study, plan.results / scenario
        self._records = read_rows(shard)
        known = {row["id"] for path in self._folder.glob(f"decompositions/{shard.name}") for row in read_rows(path)}
        known |= {row["id"] for path in self._folder.glob(f"ledgers/images/*/{shard.name}") for row in read_rows(path)}
        gone = known - {record["id"] for record in self._records}
        # An edited prompt has a new id under its old topic, and the old id is no longer asked for.
        topics = {id.rpartition("-")[0] for id in gone}
        self._news = {
            record["id"]: "changed prompt" if record["id"].rpartition("-")[0] in topics else "new"
            for record in self._records
            if record["id"] not in known
        }

    def add(self) -> None:
        """Add every stage."""
        study, config, parameters = self._study, self._study.config, self._plan.parameters
        decompositions = self._ask(
            "decompose", "", "decompositions", lambda role, chat: decompose(self._records, role, chat)
        )
        texts: dict[str, dict[str, dict] | None] = dict.fromkeys(study.originals())
        for name in config["rewriters"]:
            rows = self._ask("rewrite", name, f"rewrites/{name}", lambda role, chat: rewrite(self._records, role, chat))
            texts[name] = {row["id"]: row for row in rows}
        images: dict[str, dict[str, dict]] = {}
        for image_set, rewritten in texts.items():
            stage = f"generate-{image_set.removeprefix('original-')}"
            self._draw("generate", image_set, [image_set], parameters[stage], images, requests_from_text, rewritten)
        first = images[study.originals()[0]]
        for name, entry in config["critics"].items():
            parts = {row["id"]: row for row in decompositions} if entry["decomposition"] else None
            rows = self._ask(
                *("critique", name, f"critiques/{name}"),
                lambda role, chat, parts=parts: critique(self._records, first, parts, role, chat),
            )
            wanted, by_id = list(study.candidates(name)), {row["id"]: row for row in rows}
            self._draw("refine", name, wanted, parameters[f"refine-{name}"], images, requests_from_critiques, by_id)
        for name in config["external"]:
            images[name] = self._external(name)
        for name in config["judges"]:
            self._ask(
                *("judge", name, f"scores/judge-{name}"),
                lambda role, chat: judge(self._records, images, role, chat),
                role_key="judge",
            )
        for name in config["metrics"]:
            self._score(name, images)

    def _ask(self, stage: str, name: str, place: str, run, role_key: str | None = None) -> list[dict]:
        """Run a stage's function on what is recorded; count what it would ask, and what it could not ask yet."""
        asked, item = self._study.endpoint_and_model(stage, name), self._plan.item(self._scenario, stage, name)
        role = self._plan.parameters["-".join(filter(None, (stage, name)))] | {"endpoint": asked[0]}
        chat = _DryRunChat(self._plan)
        rows = run(role, chat)
        before = self._before(place)
        for request in chat.open:
            self._plan.call(item, request, self._reason(request, before))
        waiting = [row for row in rows if row["status"] == "skipped" and OPEN in row["reason"]]
        kind = role_key or ("refine" if role.get("reply") == "whole" else stage)
        for _ in range(len(waiting) * role.get("draws", 1)):
            self._plan.guess(item, kind, asked)
        return rows

    def _reason(self, request: Request, before: dict[str, set[str]]) -> str:
        id = request.fields.get("id")
        if id in self._news:
            return self._news[id]
        if id not in before:
            return "new"
        return "missing file" if request.digest in before[id] else "changed parameter"

    def _before(self, place: str) -> dict[str, set[str]]:
        path, found = self._folder / place / f"{self._shard}.jsonl", {}
        for row in read_rows(path) if path.is_file() else []:
            if named := exchanges_of([row]):
                found.setdefault(row["id"], set()).update(named)
        return found

    def _draw(self, stage, name, image_sets, parameters, images, requests_of, texts) -> None:
        """Count the images of a stage that are missing; note for later stages where each lies."""
        item, image_generator = self._plan.item(self._scenario, stage, name), ImageGenerator(parameters, "none")
        key, steps = step_time_key(parameters), parameters["generation"]["steps"]
        images.update({image_set: {} for image_set in image_sets})
        try:
            arguments = (image_sets[0], image_generator) if stage == "generate" else (image_generator,)
            image_requests = requests_of(self._records, texts, *arguments)
        except (InputError, SetupError):  # the weights are not here yet, so no image can be either
            image_requests = [
                ImageRequest(record["id"], image_set) for record in self._records for image_set in image_sets
            ]
        ledgers = {
            each: Ledger(self._folder / "ledgers" / "images" / each / f"{self._shard}.jsonl") for each in image_sets
        }
        missing: dict[tuple[str, str], list[ImageRequest]] = defaultdict(list)
        for image_request in image_requests:
            row, reason = self._kept(image_request, ledgers[image_request.image_set])
            images[image_request.image_set][image_request.id] = row
            if reason:
                missing[image_request.id, reason].append(image_request)
        for (_, reason), group in missing.items():
            known = all(image_request.recipe for image_request in group)
            self._plan.draw(item, group, reason, denoising_steps(group) if known else steps * len(group), key)

    def _kept(self, image_request: ImageRequest, ledger: Ledger) -> tuple[dict, str]:
        row = {
            "id": image_request.id,
            "status": image_request.status,
            "reason": image_request.reason,
            "path": None,
            "sha256": None,
        }
        if image_request.status != "ok":
            waits = OPEN in image_request.reason
            return row, "estimate" if waits else ""
        kept = ledger.get(image_request.id, image_request.key) if image_request.recipe else None
        if kept and (path := self._plan.results / kept["file"]).is_file():
            return row | {"path": path, "sha256": kept["sha256"]}, ""
        row |= {"status": "skipped", "reason": OPEN}
        if kept:
            return row, "missing file"
        if image_request.id in self._news:
            return row, self._news[image_request.id]
        older = [each for each in ledger.rows() if each["id"] == image_request.id]
        if not older:
            return row, "new"
        return row, "changed parameter" if any(
            each["prompt"] == image_request.prompt for each in older
        ) else "changed prompt"

    def _external(self, name: str) -> dict[str, dict]:
        asked = self._study.endpoint_and_model("external", name)
        path = self._folder / "images" / name / f"{self._shard}.jsonl"
        rows = {row["id"]: row for row in read_rows(path)} if path.is_file() else {}
        waiting = {"status": "skipped", "reason": OPEN, "path": None, "sha256": None}
        if asked:
            role = self._plan.parameters[f"external-{name}"] | {"endpoint": asked[0]}
            chat, before = _DryRunChat(self._plan), self._before(f"images/{name}")
            image_requests, _ = ask_for_images(self._records, role, name, chat, None)
            item = self._plan.item(self._scenario, "external", name)
            for request in chat.open:
                self._plan.call(item, request, self._reason(request, before))
            still = {image_request.id for image_request in image_requests if image_request.status == OPEN}
            rows = {id: row for id, row in rows.items() if id not in still}
        return {
            record["id"]: {**row, "path": self._plan.results / row["file"] if row["file"] else None}
            if (row := rows.get(record["id"]))
            else {"id": record["id"], **waiting}
            for record in self._records
        }

    def _score(self, metric: str, images: dict[str, dict[str, dict]]) -> None:
        path = self._folder / "scores" / metric / f"{self._shard}.jsonl"
        parameters = self._plan.results / "parameters" / f"score-{metric}.json"
        rows = read_rows(path) if path.is_file() else []
        scored = {(row["image_set"], row["id"]) for row in rows if row["status"] == "ok"}
        changed = bool(rows) and parameters.stat().st_mtime_ns > path.stat().st_mtime_ns
        counts: Counter = Counter()
        for image_set, pictures in images.items():
            for id, row in pictures.items():
                if OPEN in row["reason"]:
                    counts["estimate"] += 1
                elif row["path"] and (changed or (image_set, id) not in scored):
                    counts["changed parameter" if changed else self._news.get(id, "new")] += 1
        item = self._plan.item(self._scenario, "score", metric)
        for reason, count in counts.items():
            self._plan.score(item, count, reason, self._seconds_per_score(metric))

    def _seconds_per_score(self, metric: str) -> float | None:
        path = Path("benchmarks/score_images") / self._scenario / metric / f"{self._shard}.tsv"
        scores = self._folder / "ledgers" / "scores" / metric / f"{self._shard}.jsonl"
        if not (path.is_file() and scores.is_file()):
            return None
        header, values = (line.split("\t") for line in path.read_text().splitlines()[:2])
        return float(dict(zip(header, values, strict=True))["s"]) / max(1, len(Ledger(scores).rows()))
