"""Layout of a capsule: its members by pattern, the columns and keys that each may hold, and `capsule.json`.

A capsule is a zip whose root is a Workflow Run RO-Crate: `ro-crate-metadata.json`, `README.md`, `capsule.json`,
`workflow/Snakefile`, and in `study/` the study's folder with the paths that it has on disk. `capsule.json` holds

    format      1
    images      none | thumbnails | whole
    report      whether the pages are included
    code        {version, commit}; the commit is empty where the code was no git checkout
    scenarios   the names of the scenarios that are included, in the order of the configuration
    unfinished  {scenario: [stage or file that is missing]}: configured scenarios that are left out
    exchanges   number of exchanges
    date        newest date that the study recorded, of an exchange; empty without one
    left_out    {member: reason}: what a result names and the capsule does not hold
    cleaned     {member: SHA-256 of the study's own file}: members in which something was withheld or replaced by a code
    files       {member: {sha256, bytes}} of every other member of the zip
    check       SHA-256 of this file with an empty check

Anything that no pattern and no list here names stays out.
"""

import re
from typing import NamedTuple

FORMAT = 1
CRATE, README, CONTENTS = "ro-crate-metadata.json", "README.md", "capsule.json"
STUDY = "study/"  # prefix of every other member
WORKFLOW = "workflow/Snakefile"  # of the code that made the results: the main entity of the crate
CONFIG = "study/config/config.yaml"  # complete: run in `study/` with it, nothing else is needed
DEFAULT_CAPSULE = "results/capsule.zip"
IMAGES = NONE, THUMBNAILS, WHOLE = "none", "thumbnails", "whole"
THUMBNAIL_PX = 256  # the longer side, at most
WITHHELD = "[withheld]"  # in place of a word that may not go in
WITHHELD_URL = "http://withheld.invalid/v1"  # of every endpoint: a replay asks none
MAX_BYTES = 256 * 2**20  # of one member
MAX_MEMBERS = 5_000_000

# ---- kinds of members ---------------------------------------------------------------------------------------------

ROWS = "rows"  # JSON Lines, columns below
LEDGER = "ledger"  # JSON Lines whose rows carry a `check`
TABLE = "table"  # CSV or TSV that the pipeline wrote
TEXT_TABLE = "text table"  # the same as Markdown or LaTeX
FIGURE = "figure"
HUMAN = "human"  # tables of people's marks, raters' names replaced by codes
JSON_RECORD = "record"  # parameters, fingerprints, weights
EXCHANGE, BODY = "exchange", "body"
CONFIGURATION = "configuration"  # config.yaml, templates, prompts, phrases of the user's
PICTURE = "picture"
PAGE = "page"  # of the report

_SCENARIO = r"(?P<scenario>[a-z][a-z0-9_]{0,99})"
_NAME = r"[a-z][a-z0-9_-]{0,99}"
_SHARD = r"(?P<shard>[0-9]{3}-of-[0-9]{3})\.jsonl"
_TABLE_NAME = r"[a-z][a-z0-9_]{0,59}"
_DIGEST_START = r"(?P<start>[0-9a-f]{2})"
NAMED_FOLDERS = ("rewrites", "images", "critiques", "selections", "scores", "audits", "pairs")
PLAIN_FOLDERS = ("shards", "decompositions", "noun_phrases", "parts")
HUMAN_TABLES = (
    *("ratings", "comments", "main", "raters", "reliability", "agreement", "assisted", "worth"),
    *("pairs", "pair_main", "strengths", "pair_raters", "pair_reliability"),
)


class Member(NamedTuple):
    """One kind of member: the pattern of its whole name, without `study/`."""

    kind: str
    pattern: re.Pattern[str]


def _member(kind: str, pattern: str) -> Member:
    return Member(kind, re.compile(pattern))


MEMBERS: tuple[Member, ...] = (
    _member(ROWS, rf"results/{_SCENARIO}/(?P<folder>prompts|dictionary)\.jsonl"),
    _member(ROWS, rf"results/{_SCENARIO}/(?P<folder>{'|'.join(PLAIN_FOLDERS)})/{_SHARD}"),
    _member(ROWS, rf"results/{_SCENARIO}/(?P<folder>{'|'.join(NAMED_FOLDERS)})/(?P<name>{_NAME})/{_SHARD}"),
    _member(LEDGER, rf"results/{_SCENARIO}/ledgers/(?P<folder>seconds)/(?P<name>{_NAME})/{_SHARD}"),
    _member(TABLE, rf"results/{_SCENARIO}/dropped\.tsv"),
    _member(TABLE, rf"results/({_SCENARIO}/)?tables/{_TABLE_NAME}\.csv"),
    _member(TEXT_TABLE, rf"results/({_SCENARIO}/)?tables/{_TABLE_NAME}\.(md|tex)"),
    _member(FIGURE, rf"results/{_SCENARIO}/figures/(one_column/)?{_TABLE_NAME}\.(svg|png)"),
    _member(HUMAN, rf"results/{_SCENARIO}/human/(?P<table>{'|'.join(HUMAN_TABLES)})\.csv"),
    _member(FIGURE, rf"results/{_SCENARIO}/human/agreement\.(svg|png)"),
    _member(JSON_RECORD, r"results/(?P<folder>parameters)/[a-z][A-Za-z0-9_.-]{0,120}\.json"),
    _member(JSON_RECORD, r"results/(?P<folder>fingerprints)/[0-9a-f]{64}\.json"),
    _member(JSON_RECORD, r"(results|resources)/(?P<folder>weights)/[A-Za-z0-9_@-][A-Za-z0-9_.@-]{0,249}\.json"),
    _member(JSON_RECORD, r"resources/(?P<folder>miniature)/digests\.json"),
    _member(EXCHANGE, rf"resources/exchanges/{_DIGEST_START}/(?P<digest>(?P=start)[0-9a-f]{{62}})\.json"),
    _member(BODY, rf"resources/exchanges/{_DIGEST_START}/(?P<digest>(?P=start)[0-9a-f]{{62}})\.body\.json\.gz"),
    _member(PICTURE, rf"resources/exchanges/{_DIGEST_START}/(?P=start)[0-9a-f]{{62}}\.(png|jpeg|gif|webp)"),
    _member(CONFIGURATION, r"resources/written/[a-z][a-z0-9_]{0,99}\.(jsonl|exchanges\.txt)"),
    _member(CONFIGURATION, r"config/config\.yaml"),
    _member(CONFIGURATION, r"config/(prompts|noun_phrases)/[a-z][a-z0-9_]{0,99}\.jsonl"),
    _member(CONFIGURATION, r"config/topics/[a-z][a-z0-9_]{0,99}\.txt"),
    _member(CONFIGURATION, r"config/figures\.mplstyle"),
    _member(CONFIGURATION, r"config/templates/[A-Za-z0-9_-]{1,100}\.yaml"),
    _member(
        PICTURE,
        rf"results/{_SCENARIO}/(?P<folder>images|thumbnails)/(?P<name>{_NAME})/[0-9]{{3}}-of-[0-9]{{3}}/"
        r"[a-z0-9][a-z0-9-]{0,99}-[0-9a-f]{16}\.(jpg|png)",
    ),
    _member(
        PAGE, rf"results/({_SCENARIO}/)?report/[A-Za-z0-9_/.-]{{1,200}}\.(html|css|js|json|svg|png|jpg|csv|md|tex)"
    ),
)

# ---- columns of rows ----------------------------------------------------------------------------------------------

_ANSWER = ("id", "status", "reason", "exchange")
_SPREAD = ("entropy", "outside", "entropy_draws", "outside_draws")  # of a judge by probability
_SCORE = ("id", "image_set", "score", "status", "reason", "fingerprint", "key", "draws", "exchange", "phrases")
COLUMNS: dict[str, tuple[str, ...]] = {
    "prompts": ("id", "topic", "prompt", "stratum"),
    "shards": ("id", "topic", "prompt", "stratum"),
    "dictionary": ("id", "topic", "prompt", "stratum", "images"),
    "decompositions": (*_ANSWER, "concept", "components"),
    "rewrites": (*_ANSWER, "refined_prompt"),
    "critiques": (*_ANSWER, "critique", "refined_prompt"),
    "noun_phrases": ("id", "status", "reason", "phrases", "source"),
    "parts": ("id", "status", "reason", "parts"),
    "images": (*_ANSWER, "file", "sha256", "key", "prompt", "seed", "k", "software"),
    "selections": (
        *(*_ANSWER, "image_set", "metric", "score", "candidate", "scores"),
        *("file", "sha256", "key", "prompt", "seed", "k", "software", "state"),
    ),
    "scores": (*_SCORE, *_SPREAD, "geometric", "parts", "parsing"),
    "audits": (
        *_ANSWER,
        "critic",
        "image_set",
        "when",
        "k",
        "number",
        "remark",
        "value",
        "draws",
        "fingerprint",
        *_SPREAD,
    ),
    "pairs": (
        *(*_ANSWER, "first", "second", "first_image_set", "second_image_set"),
        *("value", "choice", "identical", "draws", "fingerprint", *_SPREAD),
    ),
    "seconds": ("id", "key", "seconds", "steps", "images", "processor", "first", "check"),
}


def kind_of(name: str) -> Member | None:
    """The kind of a member by its whole name; None for a name that no capsule holds.

    Args:
        name: In the zip: `study/...`; the few others have no kind.
    """
    inner = name.removeprefix(STUDY)
    if inner == name:
        return None
    return next((each for each in MEMBERS if each.pattern.fullmatch(inner)), None)


def is_member(name: str) -> bool:
    """Whether a capsule may hold a member of this name."""
    return name in (CRATE, README, CONTENTS, WORKFLOW) or kind_of(name) is not None
