"""Columns of the Parquet tables: name, type and description; the same words are in each file and in docs/outputs.md."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # only the jobs that write Parquet load it
    import pyarrow as pa

FORMAT = 1  # of the columns; raised when one changes its name or meaning

TEXT, NUMBER, WHOLE, SEED, TRUTH = "string", "double", "int64", "uint64", "bool"
TEXTS, NUMBERS, TEXT_BY_NAME = "list<string>", "list<double>", "map<string, string>"
PARTS = "list<struct<text: string, kind: string, value: double, status: string>>"


class Column(NamedTuple):
    """A column; null in a row that has no value for it, unless it is `required`."""

    name: str
    type: str
    description: str
    required: bool = False


class Table(NamedTuple):
    """A table; `{scenario}` in the description stands for the scenario."""

    name: str
    description: str
    columns: tuple[Column, ...]

    def with_column(self, column: Column) -> "Table":
        """The table with one more column at the end."""
        return self._replace(columns=(*self.columns, column))


_PROMPT = (
    Column("id", TEXT, "id of the prompt", True),
    Column("topic", TEXT, "topic of the prompt", True),
    Column("stratum", TEXT, "stratum of the prompt; null if its file has none"),
)
_IMAGE_SET = Column("image_set", TEXT, "image set, such as original-{seed} or detailscribe-k{k}", True)
_STATUS = (
    Column("status", TEXT, "ok, or why there is no value: refused, unparsed, failed, skipped", True),
    Column("reason", TEXT, "what happened, in words; null if there is nothing to say"),
)

SCORES = Table(
    "scores",
    "Scores of {scenario}: one row per metric, prompt and image set.",
    (
        Column(
            "metric", TEXT, "metric, or judge-{name}; judge-{name}-geometric: the second mean of a judge of parts", True
        ),
        *_PROMPT,
        _IMAGE_SET,
        Column("score", NUMBER, "the score, on the metric's own scale; null without one"),
        *_STATUS,
        Column("left_out", TEXT, "why the prompt is in no table of means; null for a complete prompt"),
        Column("draws", NUMBERS, "of a judge: the score of each repeat, null for one that could not be read"),
        Column("entropy", NUMBER, "of a judge by probability: bits, mean over the repeats"),
        Column("outside", NUMBER, "of a judge by probability: that of anything but a mark, mean over the repeats"),
        Column("entropy_draws", NUMBERS, "entropy of each repeat, of a judge with several"),
        Column("outside_draws", NUMBERS, "outside of each repeat, of a judge with several"),
        Column("parts", PARTS, "of a judge of parts: what was asked about, and the answers in [0, 1]"),
        Column("phrases", TEXT, "of a metric that reads noun phrases: their source (spacy, rules, user)"),
        Column("parsing", TEXT, "released, if the replies are read as the released code reads them"),
        Column("exchange", TEXTS, "of a judge: digests of the recorded answers in resources/exchanges"),
        Column("fingerprint", TEXT, "digest of what made the score: results/fingerprints/{fingerprint}.json"),
        Column("key", TEXT, "digest of everything that decides the score, of a metric that runs locally"),
    ),
)
IMAGES = Table(
    "images",
    "Images of {scenario}: one row per image set and prompt, from the manifests.",
    (
        _IMAGE_SET,
        *_PROMPT,
        *_STATUS,
        Column("file", TEXT, "the image, relative to results/"),
        Column("sha256", TEXT, "SHA-256 of the file"),
        Column("key", TEXT, "digest of everything that decides the image"),
        Column("prompt", TEXT, "the text that the image was made from"),
        Column("seed", SEED, "seed of the initial noise; null for an image from elsewhere"),
        Column("k", WHOLE, "denoising step after which the refined prompt took over; null: from noise on"),
        Column("carried", TRUTH, "whether the image repeats the one that it starts from", True),
        Column("state", TEXT, "what a refiner left for the next one, as JSON"),
        Column("software", TEXT_BY_NAME, "versions, and the machine that made the image"),
        Column("exchange", TEXT, "of a hosted image: digest of the recorded answer in resources/exchanges"),
    ),
)
TABLES = (SCORES, IMAGES)


def arrow_type(name: str) -> "pa.DataType":
    """The Arrow type that a column's type names.

    Raises:
        KeyError: no such type.
    """
    import pyarrow as pa

    parts = [("text", pa.string()), ("kind", pa.string()), ("value", pa.float64()), ("status", pa.string())]
    return {
        TEXT: pa.string(),
        NUMBER: pa.float64(),
        WHOLE: pa.int64(),
        SEED: pa.uint64(),
        TRUTH: pa.bool_(),
        TEXTS: pa.list_(pa.string()),
        NUMBERS: pa.list_(pa.float64()),
        TEXT_BY_NAME: pa.map_(pa.string(), pa.string()),
        PARTS: pa.list_(pa.struct(parts)),
    }[name]


def arrow_schema(table: Table) -> "pa.Schema":
    """The schema of a table without its facts (`writing.write_parquet`); each field carries its `description`."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field(each.name, arrow_type(each.type), not each.required, {"description": each.description})
            for each in table.columns
        ]
    )
