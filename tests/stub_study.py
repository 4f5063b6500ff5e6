"""A finished study as its stages leave it on disk, without running one: rows, exchanges, images, tables and figures.

Everything names everything as in a real study (digests, keys, exchanges, fingerprints); scores and texts are invented.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import yaml
from PIL import Image

from detailscribe.files.digests import KEY_LENGTH, digest
from detailscribe.files.ledger import ledger_line
from detailscribe.images.image_file import save_image
from detailscribe.llm.exchange_store import exchange_text
from detailscribe.prompts.prompt_file import prompt_id
from detailscribe.study.judging.judges import fill_judges
from detailscribe.study.stages import STAGES, stage_outputs
from detailscribe.study.study import Study
from detailscribe.tables.main_table import MAIN_COLUMNS
from tests.paths import REPOSITORY

SCENARIO = "mine"
DATE = "2026-05-01T10:00:00+00:00"
SOFTWARE = {
    **{"torch": "2.13.0+cpu", "diffusers": "0.42.1", "transformers": "5.23.0", "attention": "flash, math"},
    **{"cpu": "AMD EPYC", "cpu_threads": "1", "cpu_capability": "AVX512"},
}
SVG = '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"><!-- method --><text>score</text></svg>\n'
TEXT = "an otter and a heron share one red umbrella while two badgers carry the ladder through a narrow door"
WORDS = tuple(TEXT.split(" "))


def stub_config(folder: Path, shards: int = 2) -> dict:
    """The demo's configuration on prompts of this study, with one judge."""
    config = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text(encoding="utf-8"))
    config["scenarios"] = {SCENARIO: {"file": str(folder / "my_prompts.jsonl"), "shards": shards}}
    config |= {"study": [SCENARIO], "judges": {"main": config["judges"]["main"]}}
    config["human"] |= {"raters": ["zoe_quill", "ann_marsh"]}
    fill_judges(config)
    (folder / "config").mkdir(parents=True, exist_ok=True)
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return config


class StubStudy:
    """Writes a finished study into a folder.

    Args:
        folder: The study's folder.
        prompts: Their number.
        shards: Their number.
        draws: Answers of the judge per image.
    """

    def __init__(self, folder: Path, prompts: int = 3, shards: int = 2, draws: int = 1):
        self._draws = draws
        self.folder, self.config = folder, stub_config(folder, shards)
        self.records = [self._record(number) for number in range(prompts)]
        _rows(folder / "my_prompts.jsonl", [{key: r[key] for key in ("topic", "prompt")} for r in self.records])
        self.study = Study(self.config, REPOSITORY)
        names = self.study.shards(SCENARIO)
        self.shards = {name: self.records[number::shards] for number, name in enumerate(names)}
        self._pictures: dict[str, bytes] = {}

    def write(self) -> None:
        """Write everything."""
        results = self.folder / "results" / SCENARIO
        _rows(results / "prompts.jsonl", self.records)
        images: dict[str, dict[str, dict]] = {record["id"]: {} for record in self.records}
        for shard, records in self.shards.items():
            _rows(results / "shards" / f"{shard}.jsonl", records)
            phrases = {"status": "ok", "reason": "", "phrases": ["an otter"], "source": "spacy"}
            _rows(results / "noun_phrases" / f"{shard}.jsonl", [{"id": r["id"], **phrases} for r in records])
            for pattern in stage_outputs_before_tables(self.study):
                path = results / pattern.replace("{shard}", shard)
                _rows(path, list(self._rows_of(path, shard, records, images)))
        self._write_tables(results, images)
        self._write_records()

    def rename_request(self, **changes) -> None:
        """Change the request of every exchange, and with it the digests in rows."""
        renamed = {}
        for path in sorted((self.folder / "resources" / "exchanges").glob("*/*.json")):
            exchange = json.loads(path.read_text(encoding="utf-8"))
            exchange["request"] |= changes
            name = renamed[path.stem] = exchange["digest"] = digest(exchange["request"])
            target = path.parents[1] / name[:2] / f"{name}.json"
            target.parent.mkdir(exist_ok=True)
            if image := exchange["reply"]["image"]:
                exchange["reply"]["image"] = f"{name}.jpeg"
                path.with_name(image).rename(target.with_suffix(".jpeg"))
            path.unlink()
            target.write_text(exchange_text(exchange), encoding="utf-8")
        for path in (self.folder / "results" / SCENARIO).rglob("*.jsonl"):
            text = path.read_text(encoding="utf-8")
            for old, new in renamed.items():
                text = text.replace(old, new)
            path.write_text(text, encoding="utf-8")

    def _record(self, number: int) -> dict:
        words = [WORDS[(number * step + step) % len(WORDS)] for step in range(1, 12)]
        topic, prompt = f"topic {number}", f"{' '.join(words)} {number}."
        return {"id": prompt_id(topic, prompt), "topic": topic, "prompt": prompt}

    def _rows_of(self, path: Path, shard: str, records: list[dict], images: dict) -> Iterable[dict]:
        folder, name = path.parent.parent.name, path.parent.name
        for record in records:
            row = {"id": record["id"], "status": "ok", "reason": ""}
            if name == "decompositions":
                asked = self._exchange("decompose", record, "<(concept: carrying) = (otter holds umbrella)>")
                yield row | {"concept": "carrying", "components": ["otter holds umbrella"], "exchange": asked}
            elif folder in ("critiques", "rewrites"):
                prompt = f"{record['prompt']} In daylight."
                asked = self._exchange(folder[:-1], record, f"The door is open.\n<{prompt}>", name)
                critique = {"critique": f"The door is open.\n<{prompt}>"} if folder == "critiques" else {}
                yield row | critique | {"refined_prompt": prompt, "exchange": asked}
            elif folder == "images":
                images[record["id"]][name] = found = self._image(record, name, shard)
                yield found
            elif folder == "selections":
                chosen = {"image_set": self.study.originals()[0], "metric": "clip_score", "score": 1.25}
                yield row | chosen
            elif folder == "scores":
                for image_set in self.study.image_sets():
                    yield self._score(record, name, image_set)

    def _image(self, record: dict, image_set: str, shard: str) -> dict:
        hosted = image_set in self.config["external"]
        key, seed = digest([record["id"], image_set]), None if hosted else self.study.seeds[0]
        relative = Path(SCENARIO, "images", image_set, shard, f"{record['id']}-{key[:KEY_LENGTH]}.jpg")
        path = self.folder / "results" / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data := self._picture(record, key, seed))
        asked = self._exchange("image", record, "", image_set, data) if hosted else None
        software = {"source": "offline-stand-in"} if hosted else SOFTWARE
        return {
            **{"id": record["id"], "status": "ok", "reason": "", "file": relative.as_posix()},
            **{"sha256": hashlib.sha256(data).hexdigest(), "key": key, "prompt": record["prompt"]},
            **{"seed": seed, "k": None, "software": software, "exchange": asked},
        }

    def _picture(self, record: dict, key: str, seed: int | None) -> bytes:
        """A JPEG as the pipeline saves it; the pixels of all are one picture."""
        if not self._pictures:
            path = self.folder / ".picture.jpg"
            origin = {"key": "0" * 64, "prompt": "P", "seed": seed, "k": None, "model": "sha256:1f", "revision": ""}
            picture = Image.linear_gradient("L").resize((48, 48))
            save_image(picture, path, {"format": "jpeg", "quality": 75}, origin)
            self._pictures["first"] = path.read_bytes()
            path.unlink()
        return self._pictures["first"].replace(b"0" * 64, key.encode())

    def _score(self, record: dict, metric: str, image_set: str) -> dict:
        key = digest([record["id"], metric, image_set])
        row = {"id": record["id"], "image_set": image_set, "status": "ok", "reason": ""}
        if metric.startswith("judge-"):
            names = [image_set, *(f"{image_set} {number}" for number in range(1, self._draws))]
            asked = [self._exchange("judge", record, "All is there. <4>", name) for name in names]
            row |= {"score": 4.0, "draws": [4.0] * len(asked), "exchange": asked}
            return row | {"fingerprint": digest(self.recipe(metric))}
        return row | {"score": int(key[:4], 16) / 65536, "fingerprint": digest(self.recipe(metric)), "key": key}

    def recipe(self, metric: str) -> dict:
        """What decides the scores of a metric."""
        if metric.startswith("judge-"):
            return {
                "model": "offline-stand-in",
                "scale": "grade",
                "template": {"system": "Grade.", "user": "{{ prompt }}"},
            }
        return {"metric": metric, "weights": digest(metric), "libraries": {"torch": "2.13.0"}, "settings": {}}

    def _exchange(self, role: str, record: dict, text: str, name: str = "", image: bytes = b"") -> str:
        asked = {"role": "user", "content": f"{role} {name}: {record['prompt']}"}
        request = {
            **{"kind": "image" if image else "chat", "model": "offline-stand-in", "messages": [asked]},
            **{"images": [], "options": {}, "draw": 0},
        }
        name = digest(request)
        path = self.folder / "resources" / "exchanges" / name[:2] / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        reply: dict = {"status": "ok", "reason": "", "text": text, "finish_reason": "stop"}
        reply |= {"image": None, "image_sha256": None}
        if image:
            path.with_suffix(".jpeg").write_bytes(image)
            reply |= {"image": f"{name}.jpeg", "image_sha256": hashlib.sha256(image).hexdigest()}
        body = {
            "model": "offline-stand-in",
            "choices": [{"index": 0, "message": {"content": text}}],
        }
        exchange = {
            **{"digest": name, "role": role, "endpoint": "offline", "request": request, "reply": reply},
            **{
                "fields": {"id": record["id"], "prompt": record["prompt"]},
                "usage": {"input_tokens": 9, "output_tokens": 3},
            },
            **{"served_model": "offline-stand-in-2", "date": DATE, "prices": {"input_usd_per_million": 0}},
            **{"batch": False, "cost_usd": 0.0, "body": {"json": body}},
        }
        path.write_text(exchange_text(exchange), encoding="utf-8")
        return name

    def _write_tables(self, results: Path, images: dict) -> None:
        files = {
            record["id"]: {name: row["file"] for name, row in images[record["id"]].items()} for record in self.records
        }
        _rows(results / "dictionary.jsonl", [record | {"images": files[record["id"]]} for record in self.records])
        for pattern in (name for name in stage_outputs(self.study, "tables") if not name.endswith(".jsonl")):
            path = results / pattern
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".png":
                Image.new("L", (8, 8)).save(path)
            elif path.name == "dropped.tsv":
                reason = "judge-main: the model declined: All is there"
                path.write_text(
                    "id\ttopic\tstage\timage_set\tstatus\treason\n"
                    f"{self.records[0]['id']}\ttopic 0\tscore\t{self.study.originals()[0]}\trefused\t{reason}\n"
                )
            else:
                texts = {".svg": SVG, ".md": "| method | score |\n", ".tex": "\\begin{tabular}{lr}\nmethod & score\n"}
                path.write_text(
                    texts.get(path.suffix, "method,metric,mean\nsd,clip_score,0.500000\n"), encoding="utf-8"
                )
        given = {"method": "sd", "selection": "single", "headline": True, "oracle": False, "honest": True, "n": 3}
        given |= {"mean": 0.5, "low95": 0.25, "high95": 0.75, "baseline": "sd"}
        rows = [given | {"metric": metric} for metric in self.study.metrics]
        lines = [MAIN_COLUMNS, *([str(row.get(name, "")) for name in MAIN_COLUMNS] for row in rows)]
        _text(results / "tables" / "main.csv", "".join(f"{','.join(line)}\n" for line in lines))
        _text(self.folder / "results" / "tables" / "main.csv", "scenario,method,mean\nmine,sd,0.500000\n")
        human = "rater,id,image_set,rating,file\n"
        for rater, record in zip(self.config["human"]["raters"], self.records, strict=False):
            name = self.study.originals()[0]
            human += f"{rater},{record['id']},{name},4,{images[record['id']][name]['file']}\n"
        _text(results / "human" / "ratings.csv", human)
        comments = (
            f"rater,id,image_set,rating,file,cannot_judge,comment\nann_marsh,{self.records[0]['id']},x,,,True,Hi Bob\n"
        )
        _text(results / "human" / "comments.csv", comments)
        seconds = {"id": self.records[0]["id"], "key": "0" * 64, "seconds": 0.5, "steps": 28.0, "images": 1}
        line = ledger_line(seconds | {"processor": "AMD EPYC, 1 thread", "first": False}).decode()
        _text(results / "ledgers/seconds" / self.study.originals()[0] / f"{next(iter(self.shards))}.jsonl", line)

    def _write_records(self) -> None:
        for metric in self.study.scorers:
            recipe = self.recipe(metric)
            text = json.dumps(recipe, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
            _text(self.folder / "results" / "fingerprints" / f"{digest(recipe)}.json", text)
        _text(self.folder / "resources/miniature/digests.json", json.dumps({"sd3/model.safetensors": digest("sd3")}))


def stage_outputs_before_tables(study: Study) -> list[str]:
    """Patterns of the files of rows, with `{shard}`."""
    return [name for stage in STAGES if stage not in ("tables", "report") for name in stage_outputs(study, stage)]


def _rows(path: Path, rows: list[dict]) -> None:
    _text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
