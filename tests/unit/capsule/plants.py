"""Private things planted into a finished study: in every kind of file that a capsule holds, and beside them."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import yaml
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from detailscribe.files.digests import file_sha256
from detailscribe.files.ledger import ledger_line
from detailscribe.files.rows import read_rows, write_rows
from detailscribe.llm.exchange_store import exchange_text
from tests.stub_study import SCENARIO, StubStudy

KEY, USER, HOST = "sk-{0}Zq7Wm2Kd9Xv4Bn8Ts", "zq{0}brandt", "gpu{0}.zqlab.example.org"
PATH, URL = "/home/zq{0}brandt/study", "http://zq{0}brandt:pw@gpu{0}.zqlab.example.org:8000/v1"
Plant = Callable[[StubStudy, str], None]


def _rows(study: StubStudy, pattern: str, change: Callable[[dict], dict]) -> None:
    for path in study.folder.glob(f"results/{SCENARIO}/{pattern}"):
        write_rows(path, [change(row) for row in read_rows(path)])


def rows(pattern: str, form: str, column: str = "reason") -> Plant:
    """A value in a column of every row of some files."""
    return lambda study, n: _rows(study, pattern, lambda row: row | {column: f"asked {form.format(n)} twice"})


def fact(form: str, name: str) -> Plant:
    """A fact of the software of every image."""

    def planted(row: dict, n: str) -> dict:
        return row | {"software": (row["software"] or {}) | {name: form.format(n)}}

    return lambda study, n: _rows(study, "images/*/*.jsonl", lambda row: planted(row, n))


def exchange(change: Callable[[dict, str], None], form: str) -> Plant:
    """A change of every exchange, whose check is made anew."""

    def plant(study: StubStudy, n: str) -> None:
        for path in study.folder.glob("resources/exchanges/*/*.json"):
            value = json.loads(path.read_text())
            change(value, form.format(n))
            path.write_text(exchange_text(value))

    return plant


def body_of(value: dict) -> dict:
    """The body in an exchange."""
    return value["body"]["json"]


def config(change: Callable[[dict, str], None], form: str) -> Plant:
    """A change of the configuration."""
    return lambda study, n: change(study.config, form.format(n))


def text(path: str, form: str, old: str = "", new: str = "{}") -> Plant:
    """A text in place of another one in files of the study, or at their end."""

    def plant(study: StubStudy, n: str) -> None:
        paths = sorted(study.folder.glob(path)) or [study.folder / path]
        for each in paths:
            each.parent.mkdir(parents=True, exist_ok=True)
            content = each.read_text() if each.is_file() else ""
            planted = new.format(form.format(n))
            assert not old or old in content
            each.write_text(content.replace(old, planted) if old else content + planted)

    return plant


def picture(comment: bool) -> Plant:
    """An artist, or a comment, in the metadata of the images of one set, whose rows have the new digest."""

    def plant(study: StubStudy, n: str) -> None:
        name = "gpt_refine" if comment else "gpt_rewrite"
        for path in study.folder.glob(f"results/{SCENARIO}/images/{name}/*/*.jpg"):
            image = Image.open(path)
            exif = image.getexif()
            exif[315] = "" if comment else USER.format(n)
            image.save(path, exif=image.getexif() if comment else exif, comment=USER.format(n) if comment else "")
        results = study.folder / "results"
        _rows(study, f"images/{name}/*.jsonl", lambda row: row | {"sha256": file_sha256(results / row["file"])})

    return plant


def hosted(study: StubStudy, n: str) -> None:
    """A comment in the hosted images that exchanges hold."""
    for path in study.folder.glob("resources/exchanges/*/*.jpeg"):
        data = path.read_bytes()
        note = USER.format(n).encode()
        path.write_bytes(data[:2] + b"\xff\xfe" + (len(note) + 2).to_bytes(2) + note + data[2:])
        value = json.loads(path.with_suffix(".json").read_text())
        value["reply"]["image_sha256"] = file_sha256(path)
        path.with_suffix(".json").write_text(exchange_text(value))


def figure(study: StubStudy, n: str) -> None:
    """A text chunk in the PNG of figures."""
    info = PngInfo()
    info.add_text("Author", USER.format(n))
    for path in study.folder.glob(f"results/{SCENARIO}/figures/*.png"):
        Image.new("L", (8, 8)).save(path, pnginfo=info)


def packed_body(study: StubStudy, n: str) -> None:
    """A body in a compressed file, with the name of the server that answered."""
    path = sorted(study.folder.glob("resources/exchanges/*/*.json"))[0]
    value = json.loads(path.read_text())
    body = json.dumps(body_of(value) | {"hostname": HOST.format(n)}).encode()
    file = path.with_suffix(".body.json.gz")
    file.write_bytes(gzip.compress(body, mtime=0))
    value["body"] = {"file": file.name, "sha256": file_sha256(file), "bytes": len(body)}
    path.write_text(exchange_text(value))


def ledger(study: StubStudy, n: str) -> None:
    """A column of its own, and a processor, in measured seconds."""
    for path in study.folder.glob(f"results/{SCENARIO}/ledgers/seconds/*/*.jsonl"):
        row = {k: v for k, v in read_rows(path)[0].items() if k != "check"}
        path.write_bytes(ledger_line(row | {"node": HOST.format(n), "processor": HOST.format(n)}))


def fingerprint(study: StubStudy, n: str) -> None:
    """A path among the settings of a metric's fingerprint."""
    for path in study.folder.glob("results/fingerprints/*.json"):
        value = json.loads(path.read_text())
        path.write_text(json.dumps(value | {"settings": {"cache": f"/data/zq{n}brandt", "host": HOST.format(n)}}))


def template(study: StubStudy, n: str) -> None:
    """A comment in a template, which lies in a folder of the user's."""
    path = study.folder / f"zq{n}brandt.yaml"
    path.write_text(f"# by {USER.format(n)}\n" + yaml.safe_dump({"system": "Look.", "user": "{{ prompt }}"}))
    study.config["critics"]["detailscribe"]["template"] = str(path)


def raters(study: StubStudy, n: str) -> None:
    """Names of raters, in the configuration and in their tables."""
    study.config["human"]["raters"] = [
        f"zq{n}brandt" if name == "ann_marsh" else name for name in ["zoe_quill", "ann_marsh"]
    ]
    for path in study.folder.glob(f"results/{SCENARIO}/human/*.csv"):
        path.write_text(path.read_text().replace("ann_marsh", f"zq{n}brandt"))


def _set(*place: str) -> Callable[[dict, str], None]:
    def change(value: dict, planted: str) -> None:
        for key in place[:-1]:
            value = value[key]
        value[place[-1]] = planted

    return change


PLANTS: dict[str, Plant] = {
    "config base_url": config(_set("endpoints", "offline", "base_url"), URL),
    "config key_env": config(_set("endpoints", "offline", "key_env"), "ZQ{0}_BRANDT_KEY"),
    "config query": config(lambda c, p: c["endpoints"]["offline"].update(default_query={"account": p}), USER),
    "config command": config(lambda c, p: c["endpoints"]["offline"].update(chat_template=p), PATH),
    "config ratings folder": config(_set("human", "ratings_folder"), PATH),
    "config phrases folder": config(_set("noun_phrases", "folder"), PATH),
    "config unused model": config(_set("image_models", "sd35_medium", "path"), PATH),
    "config unused endpoint": config(_set("endpoints", "openai", "base_url"), URL),
    "config allowed models": config(lambda c, p: c["preflight"].update(allow_models=[p]), USER),
    "config call": config(lambda c, p: c["image_models"]["miniature"]["call"].update(cache_dir=p), PATH),
    "config metric": config(lambda c, p: c["metrics"]["clip_score"].update(cache=p), PATH),
    "template": template,
    "raters": raters,
    "row decompositions": rows("decompositions/*.jsonl", HOST),
    "row critiques": rows("critiques/*/*.jsonl", URL),
    "row rewrites": rows("rewrites/*/*.jsonl", USER),
    "row images": rows("images/*/*.jsonl", PATH),
    "row scores": rows("scores/*/*.jsonl", KEY),
    "row selections": rows("selections/*/*.jsonl", HOST),
    "row phrases": rows("noun_phrases/*.jsonl", PATH),
    "column of prompts": rows("prompts.jsonl", USER, "author"),
    "column of shards": rows("shards/*.jsonl", USER, "author"),
    "column of scores": rows("scores/*/*.jsonl", HOST, "node"),
    "column of images": rows("images/*/*.jsonl", PATH, "folder"),
    "column of the dictionary": rows("dictionary.jsonl", PATH, "folder"),
    "software host": fact(HOST, "hostname"),
    "software gpu": fact("zq{0}brandt-box", "gpu"),
    "software version": fact(HOST, "torch"),
    "ledger": ledger,
    "exchange key": exchange(_set("machine"), HOST),
    "exchange reason": exchange(_set("reply", "reason"), "refused by " + HOST),
    "exchange end": exchange(_set("reply", "finish_reason"), "stop at " + HOST),
    "exchange field": exchange(_set("fields", "author"), USER),
    "exchange date": exchange(_set("date"), "by " + USER),
    "body id": exchange(lambda e, p: body_of(e).update(id=p), "zq{0}brandt-77"),
    "body headers": exchange(lambda e, p: body_of(e).update(headers={"x-host": p}), HOST),
    "body error": exchange(lambda e, p: body_of(e).update(error={"message": p, "param": p}), "no quota for " + USER),
    "body choice": exchange(lambda e, p: body_of(e)["choices"][0].update(server=p), HOST),
    "body usage": exchange(lambda e, p: body_of(e).update(usage={"prompt_tokens": 1, "account": p}), USER),
    "packed body": packed_body,
    "fingerprint": fingerprint,
    "miniature digests": text("resources/miniature/digests.json", PATH, "{", '{{"{}": "1", '),
    "dropped": text(f"results/{SCENARIO}/dropped.tsv", HOST, "declined", "declined at {}"),
    "table cell": text(f"results/{SCENARIO}/tables/*.csv", USER, "clip_score", "{}"),
    "study table": text("results/tables/main.csv", HOST, "sd", "{}"),
    "text table": text(f"results/{SCENARIO}/tables/main.md", USER),
    "latex": text(f"results/{SCENARIO}/tables/main.tex", HOST),
    "svg comment": text(f"results/{SCENARIO}/figures/main.svg", USER, "method", "{}"),
    "svg text": text(f"results/{SCENARIO}/figures/wins.svg", HOST, "score", "{}"),
    "png": figure,
    "image artist": picture(comment=False),
    "image comment": picture(comment=True),
    "hosted image": hosted,
    "human comment": text(f"results/{SCENARIO}/human/comments.csv", USER, "Hi Bob", "by {}"),
    "log": text("logs/capsule.log", PATH),
    "other rows": text(f"results/{SCENARIO}/scores/zq_other/000-of-002.jsonl", USER),
    "other table": text(f"results/{SCENARIO}/tables/zq_notes.csv", USER),
    "speeds": text("results/speeds.jsonl", HOST),
    "rating key": text(f"results/{SCENARIO}/human/sheets/keep/key.jsonl", USER),
    "listing": text("results/folders/external-mine.json", PATH),
}
NAMES = list(PLANTS)


def plant_all(study: StubStudy) -> None:
    """Plant everything; the n-th plant holds `zq{n}brandt`, `ZQ{n}_BRANDT`, `gpu{n}.zqlab` or the n-th key."""
    for number, name in enumerate(NAMES):
        PLANTS[name](study, f"{number:03d}")


def traces(number: int) -> list[bytes]:
    """Bytes of which one is in a file that holds the plant of this number."""
    n = f"{number:03d}"
    return [each.encode() for each in (f"zq{n}brandt", f"ZQ{n}_BRANDT", f"gpu{n}.", f"sk-{n}Zq7")]


def all_bytes(study: StubStudy, folder: Path) -> bytes:
    """Everything that the planted study holds: its configuration and the content of its files."""
    files = [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]
    bodies = [gzip.decompress(path.read_bytes()) for path in sorted(folder.rglob("*.gz"))]
    return b"\n".join([repr(study.config).encode(), *files, *bodies])
