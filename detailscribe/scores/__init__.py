"""Metrics: one module each, and the loader of a metric module; docs/metrics.md writes one from scratch.

A metric is a module with these names: in this package (`module: clip_score` in the config; `preference.hps_v3` in one
inside it), anywhere that Python can import from (`module: my_lab.aesthetics`), or a file (`module:
my_metrics/sharpness.py`).

ALGORITHM: int
    Raise it when the same weights and libraries would give other scores; scores under the old number are recomputed.
LIBRARIES: tuple[str, ...]
    Distributions, by their name on PyPI, whose versions belong to a score's fingerprint.
load(parameters: dict) -> Scorer
    Called at most once per job, and only if a score is missing. `parameters` are the metric's own from the config.
    If weights are not available, raise `errors.SetupError` with a one-line message and the remedy.

If it needs weights from the Hugging Face hub, also

weights(parameters: dict) -> list[dict]
    Files that `load` fetches: `repository`, `revision` ("" for the newest), `files` (names or patterns), or the
    `address` of one, which goes into torch's cache; none for those on this machine. `snakemake weights` fetches them
    and records commit and digests; `load` then finds a file by
    `engines.weights.fetch_model_file(repository, name, revision)`, or the folder by
    `engines.weight_records.resolve_model_path(repository, revision)`.

and a Scorer, any object with

score(prompts: list[str], images: list[PIL.Image.Image]) -> list[float]
    One number per pair, higher for a better image (the negative of a measure that is better when lower). The prompt is
    the original one, also for refined images; images have any mode and size. A pair's score must not depend on the
    other pairs. Never invent one: raise for what cannot be scored.
weights: str
    Digest of the weights loaded, for instance `engines.metric_weights.state_digest(model.state_dict())`; "" if there
    are none.

It may also have

RECIPE: dict
    Wording of the model's input and preparation of the images; belongs to a score's fingerprint.
READS_PHRASES: bool
    Whether `score` takes a third list, the noun phrases of each prompt.
RANGE: list[float]
    Lowest and highest possible score; an unbounded metric has none.
LABEL: str
    What people read in figures and reports; by default the name of its entry.
ENVIRONMENT: str
    Name of the file in envs/ that its jobs run in, if that is not scores; rules/score.smk has a rule for each. Its
    pins replace the versions of LIBRARIES in planning.
reader(parameters: dict) -> Callable[[dict], tuple[int, int]]
    A function of a prompt record that counts tokens, in the text and read by the metric, for truncation.csv.

Importing the module should be cheap: import torch and models inside `load`, and `detailscribe.engines.torch_setup`
before torchvision, transformers, diffusers or open_clip. State formula, range and direction in the docstring.
"""

from types import ModuleType

from detailscribe.study.plugins import load_plugin

REQUIRED_NAMES = ("ALGORITHM", "LIBRARIES", "load")
# Keys of a metric's entry that locate its code and weights; a fingerprint holds the digest of the weights instead.
LOCATION_KEYS = ("module", "model", "pretrained", "revision", "vocabulary")


def load_metric(module: str) -> ModuleType:
    """Import a metric by the name of its module, in this package or elsewhere, or by the path of its file.

    Raises:
        InputError: there is no such module, or it lacks a name that a metric needs.
        SetupError: the module imports a package that is not installed.
    """
    return load_plugin("metric", __name__, module, REQUIRED_NAMES)
