"""Hostile texts and names: path traversal, shell injection, HTML injection, spreadsheet formulas."""

import csv
import html.parser
import re

import jsonschema
import openpyxl
import pytest
import yaml

from detailscribe.prompts.prompt_file import prompt_id
from tests.sample_images import smooth_image
from tests.workflow.small_study import PROMPTS, REPOSITORY

pytestmark = pytest.mark.slow  # several runs of a study each

FORMULAS = ['=HYPERLINK("http://example.org","x")', "+1+1", "-2+3", "@SUM(A1)", "\t=1+1"]
TEXTS = [
    "../../../outside",
    "/etc/passwd",
    "a/b\\c",
    "'; touch pwned; '",
    '"; touch pwned; "',
    "$(touch pwned)",
    "`touch pwned`",
    "first\nsecond\r\n| touch pwned",
    "<script>touch()</script><img src=x onerror=touch()>",
    "</td></table><a href='javascript:touch()'>x</a>",
    "{prompt} {{ 7 * 7 }} {% for x in y %} {wildcards.scenario}",
    "%s %(x)s \x00 \u202e \ufeff \U0001f9ea",
    "con.nul.",
    *FORMULAS,
]
FOLDER = "images $(touch pwned) 'of' \"mine\""
FILE = "prompts $(touch pwned); 'mine'.jsonl"
NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")


class Page(html.parser.HTMLParser):
    """What a browser would act on: elements, addresses, scripts and handlers."""

    def __init__(self, text: str):
        super().__init__()
        self.elements, self.addresses, self.scripts, self.handlers, self.text = set(), [], set(), [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.add(tag)
        self.addresses += [value for name, value in attributes if name in ("href", "src")]
        if tag == "script":
            self.scripts.add(dict(attributes).get("src"))
        self.handlers += [name for name, _ in attributes if name.startswith("on")]

    def handle_data(self, data):
        self.text += data


def test_hostile_texts_and_file_names_stay_texts(fresh):
    prompts = [(text, f"{text} beside a goat") for text in TEXTS] + PROMPTS[:2]
    fresh.prompts(prompts)
    (fresh.folder / "small.jsonl").rename(fresh.folder / FILE)
    (fresh.folder / FOLDER).mkdir()
    for topic, prompt in prompts:
        if topic not in FORMULAS:  # these are dropped, so that their topics stand in dropped.tsv
            smooth_image(8, 8).save(fresh.folder / FOLDER / f"{prompt_id(topic, prompt)}.png")
    changes = {
        "scenarios": {"small": {"file": FILE}},
        "seeds": [11],
        "critics": {"detailscribe": {"after_step": [1]}, "gpt_refine": None},
        "rewriters": {"gpt_rewrite": None},
        "external": {"hosted": None, "imported": {"folder": FOLDER}},
        "generation": {"steps": 3},
        "human": {"methods": ["sd", "imported", "detailscribe"], "raters": ["one"]},
    }
    fresh.forked = False
    outside = set(fresh.folder.parent.iterdir())
    fresh.snakemake("all", "small_human_sheets", **changes)

    # Nothing left its folder, and nothing ran.
    assert set(fresh.folder.parent.iterdir()) == outside
    assert not list(fresh.folder.rglob("*pwned")) + list(fresh.folder.rglob("outside"))
    names = [path.name for path in fresh.results.glob("small/images/*/*/*")]
    assert names and all(re.fullmatch(r"[a-z0-9-]+\.(jpg|png)", name) for name in names)

    # Texts come through as they are.
    rows = fresh.rows("prompts.jsonl")
    assert {(row["topic"], row["prompt"]) for row in rows} == set(prompts)

    pages = [Page(path.read_text(encoding="utf-8")) for path in fresh.results.rglob("report/**/*.html")]
    assert len(pages) > len(prompts)
    for page in pages:
        scripts = {"data.js", "overview.js", "chart.js", "tables.js", "viewer.js", "../prompt.js", "../viewer.js"}
        assert page.scripts <= scripts
        assert "iframe" not in page.elements and not page.handlers
        assert all(re.fullmatch(r"[\w./#-]+", address) for address in page.addresses)
    assert any("<script>touch()</script>" in page.text for page in pages)

    for path in [*fresh.results.rglob("*.csv"), *fresh.results.rglob("*.tsv")]:
        with open(path, encoding="utf-8", newline="") as file:
            table = list(csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ","))
        cells = [cell for row in table for cell in row]
        assert not [cell for cell in cells if cell.startswith(tuple("=+-@\t\r")) and not NUMBER.fullmatch(cell)], path
        assert len({len(row) for row in table}) == 1, path
    with open(fresh.results / "small" / "dropped.tsv", encoding="utf-8", newline="") as file:
        dropped = {row["topic"].lstrip("'") for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)}
    assert dropped == {text.strip() for text in FORMULAS}

    book = openpyxl.load_workbook(fresh.results / "small" / "human" / "sheets" / "send" / "one.xlsx")
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert not [cell.value for cell in cells if cell.data_type == "f"]
    assert any("touch pwned" in str(cell.value) for cell in cells)
    assert fresh.nothing_to_do(**changes)


@pytest.fixture(scope="module")
def configuration() -> tuple[dict, jsonschema.protocols.Validator]:
    """The default configuration, and the validator of its schema."""
    schema, config = (
        yaml.safe_load((REPOSITORY / "config" / name).read_text(encoding="utf-8"))
        for name in ("config.schema.yaml", "config.yaml")
    )
    validator = jsonschema.validators.validator_for(schema)(schema)
    validator.validate(config)
    return config, validator


@pytest.mark.parametrize("name", ["../outside", "a b", "$(touch)", "a/b", "", "-rf", "a.b", "a\nb", "Ä"])
@pytest.mark.parametrize("group", ["scenarios", "metrics"])
def test_names_that_become_folders_are_plain_words(configuration, name, group):
    config, validator = configuration
    named = {**config[group], name: next(iter(config[group].values()))}
    with pytest.raises(jsonschema.ValidationError, match="does not match"):
        validator.validate(config | {group: named})
