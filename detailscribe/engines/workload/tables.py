"""Markdown tables of the expected memory and the work of a configuration's Stable Diffusion 3 profiles."""

from detailscribe.engines.acceleration.first_steps import refinement_steps
from detailscribe.engines.acceleration.options import SD3
from detailscribe.engines.workload.architectures import PUBLISHED
from detailscribe.engines.workload.profile_memory import PHASES, expected_memory, rows_at_once, sd3_work

MEASURED_PEAK_GB: dict[str, str] = {}  # by profile, as benchmarks/engine.md has it: figure and card
NOT_MEASURED = "not measured yet"


def memory_table(config: dict) -> str:
    """A row per profile: expected bytes on the GPU by phase, smallest GPU, main memory, disk; in GB of 10^9 bytes."""
    head = ["profile", *(f"{phase}, GB" for phase in PHASES), "peak, GB", "GPU, GiB", "main memory, GB", "disk, GB"]
    rows = []
    for name, model in profiles(config).items():
        expected = expected_memory(model, largest_batch(model, config))
        sizes = [*expected.gpu.values(), expected.gpu_peak]
        gpu = str(expected.smallest_gpu_gib or "none")
        rows.append([f"`{name}`", *map(_gb, sizes), gpu, _gb(expected.main), _gb(expected.disk)])
        rows[-1].append(MEASURED_PEAK_GB.get(name, NOT_MEASURED))
    return _table([*head, "peak measured, GB"], rows)


def work_table(config: dict) -> str:
    """A row per model: operations of a row, a text, a decoded image, an image from noise, and a prompt of the study."""
    head = ["model", "row, TFLOP", "text, TFLOP", "decoding, TFLOP", "image, PFLOP", "prompt of the study, PFLOP"]
    rows = {}
    for model in profiles(config).values():
        if model["path"] not in rows:
            work, row = sd3_work(model), row_flop(model, config)
            flops = [row / 1e12, work.text().flop / 1e12, work.decoding().flop / 1e12]
            totals = [image_flop(model, config) / 1e15, study_flop(model, config) / 1e15]
            rows[model["path"]] = [f"{value:.4g}" for value in [*flops, *totals]]
    return _table(head, [[path, *row] for path, row in rows.items()])


def replace_table(document: str, table: str) -> str:
    """The document with this table in place of the one with the same head.

    Raises:
        ValueError: there is none.
    """
    lines = document.splitlines(keepends=True)
    first = lines.index(f"{table.partition(chr(10))[0]}\n")
    last = next((i for i in range(first, len(lines)) if not lines[i].startswith("|")), len(lines))
    return "".join([*lines[:first], f"{table}\n", *lines[last:]])


def profiles(config: dict) -> dict[str, dict]:
    """The profiles of published Stable Diffusion 3 models."""
    models = {name: model for name, model in config["image_models"].items() if model["pipeline"] == SD3}
    return {name: model for name, model in models.items() if model["path"] in PUBLISHED}


def largest_batch(model: dict, config: dict) -> int:
    """Rows of the transformer's largest batch in a study."""
    candidates = max((len(set(ks)) for ks in _switches(config)), default=1)
    return rows_at_once(model, candidates, config["generation"]["guidance"])


def row_flop(model: dict, config: dict) -> int:
    """Operations of a row of the transformer in one step."""
    rows = largest_batch(model, config)
    return sd3_work(model).step(rows).flop // rows


def image_flop(model: dict, config: dict) -> int:
    """Operations of one image from noise: its text, all steps with guidance, its decoding."""
    rows = config["generation"]["steps"] * _halves(config)
    return sd3_work(model).text().flop + rows * row_flop(model, config) + sd3_work(model).decoding().flop


def study_flop(model: dict, config: dict) -> int:
    """Operations of a prompt of the study in the image model.

    Steps that candidates share count once, and so do texts in a job: one for the images from text alone, one for the
    refinements. The empty text of guidance, encoded once per job, is left out.
    """
    steps, seeds = config["generation"]["steps"], {*config["seeds"], *config["extra_seeds"]}
    from_text = len(seeds) + len(config["rewriters"])
    refined = sum(critic["after_step"] == "scratch" for critic in config["critics"].values())  # they start from noise
    shared = sum(refinement_steps(ks, steps) for ks in _switches(config))
    images = from_text + refined + sum(len(set(ks)) for ks in _switches(config))
    all_steps = (from_text + refined) * steps + shared
    texts = 1 + len(config["rewriters"]) + (1 if _switches(config) else 0) + len(config["critics"])
    rows = all_steps * _halves(config)
    work = sd3_work(model)
    return rows * row_flop(model, config) + texts * work.text().flop + images * work.decoding().flop


def _switches(config: dict) -> list[list[int]]:
    """The ks of the critics whose text takes over after a step."""
    return [critic["after_step"] for critic in config["critics"].values() if isinstance(critic["after_step"], list)]


def _halves(config: dict) -> int:
    return 2 if config["generation"]["guidance"] > 1 else 1


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
