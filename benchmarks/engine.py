"""How long the candidates of a prompt take: the released way, plain diffusers, and this engine in each profile.

All ways draw the same candidates (k = 0, 1, 2, 4 at 28 steps, guidance 4.5) from the same randomly initialised model,
one way after the other, and each way's fastest round counts. What is timed is one prompt's refinement, its texts
encoded; loading, compiling and warm-up come before and are told apart. `engine_ways.py` says what the ways are.

On a CUDA card the model is SD3.5-large at 1024 x 1024 in bf16, made on the card when a way needs it there; ways that
quantise or offload read it from disk (from memory, if /dev/shm has room), after the others, and a card for those alone
never holds all 27.4 GB. On a processor it is a mid-size one at 128 x
128 in fp32: so small a picture has fewer parts than its text, and what plain diffusers repeats, encoding texts and
reading weights, weighs more than at 1024 px. The ratios of a processor are not those of a card.

    python benchmarks/engine.py                                        exact, fast, plain
    python benchmarks/engine.py --ways fast plain --budget-seconds 400
    python benchmarks/engine.py --tiny --rounds 1 --steps 8            to try the benchmark itself
    python benchmarks/engine.py --check                                see engine_check.py

Seconds on one H100, derived and not measured (750 TFLOP/s in a product, 1.5 times the floor, 7187 TFLOP a prompt): a
round 14; build 15 to 30; a way 2 x 3 of warm-up and 2 x 14 of rounds: exact and plain 35 each, fast the same and 30 to
120 of compiling (two kinds of block, three numbers of rows). Together 120 to 260. Saving 27 GB once for `paper`,
`faster` and the like: 15 to 60, and as much for each of them to load.

Each line of output is JSON: the machine, then each way as soon as it is known, with an `error` or `skipped` where
there are no figures; the last line has all of them. `rows_per_prompt` counts a row of the transformer for each image
and step, the second one that guidance adds left out; it and `encoder_calls_per_text` are those of this engine.
`speedup_vs_plain` and `speedup_vs_released` are of its fastest lossless profile, `profile`. Exit status 1: no way could
be measured, the device was lost, or a check failed.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from engine_floor import rates, work_of
from engine_measure import TEXTS, Budget, Plan, measure, words_of
from engine_model import SIZES, Model, quiet
from engine_ways import LEAST_STEPS, empty_compile_cache, entry_of, is_resident, profiles, way_names

from detailscribe.engines import torch_setup
from detailscribe.engines.machine.hardware import image_software, processor_name

LOSSLESS = ("exact", "fast")
DEFAULT_WAYS = ("exact", "fast", "plain")
STARTED = time.monotonic()


def main(arguments: list[str] | None = None) -> int:
    """Measure or check; returns the exit status."""
    options = parse(arguments)
    os.environ["HF_HUB_OFFLINE"] = "1"
    quiet()
    try:
        if options.check:
            from engine_check import run_checks

            return run_checks(options.ways or list(LOSSLESS), options.size, STARTED, options.budget_seconds, say)
        with empty_compile_cache():
            return benchmark(options)
    except Exception as error:  # noqa: BLE001 - a line for whoever reads the output
        say({"error": words_of(error)})
        return 1


def benchmark(options: argparse.Namespace) -> int:
    """Measure every way; returns the exit status."""
    device = torch_setup.default_device()
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    size_name = options.size or ("large" if device.type == "cuda" else "middle")
    budget = Budget(options.budget_seconds, STARTED)
    model = Model(size_name, device, dtype)
    lost = ""
    try:
        plan, machine = prepare(model, size_name, options)
        say(machine)
        lines: list[dict] = []
        for name in in_order(options.ways or DEFAULT_WAYS, model):
            if lost:
                lines.append({"way": name, "skipped": f"the device was lost in {lost}: run it in a process of its own"})
            else:
                seconds = [line["seconds"] for line in lines if "seconds" in line]
                lines.append(measure(name, model, plan, budget, max(seconds, default=None)))
            lost = name if "device_lost" in lines[-1] else lost
            for key, value in (("build_s", model.build_s), ("save_s", model.save_s)):
                if value is not None and key not in machine:
                    machine[key] = lines[-1][key] = value
            say(lines[-1])
    finally:
        model.close()
    say(summary(machine, plan, lines))
    return 0 if any("seconds" in line for line in lines) and not lost else 1


def prepare(model: Model, size_name: str, options: argparse.Namespace) -> tuple[Plan, dict]:
    """Count the model's work and measure the device; no weights are made for it."""
    device = model.device
    measured, work = rates(device, model.dtype), work_of(model.work, device)
    plan = Plan(options.rounds, options.steps, work, measured["tflops"])
    machine = {
        "device": processor_name(),
        "date": datetime.now(UTC).isoformat("T", "seconds"),
        "commit": options.commit or commit(),
        "size": size_name,
        "size_px": model.size["px"],
        "steps": options.steps,
        "million_weights": {
            name: round(sum(p.numel() for p in part.parameters()) / 1e6, 1) for name, part in model.work.modules.items()
        },
        "rates": measured,
        "work": {
            name: value if isinstance(value, str | None) else float(f"{value:.4g}") for name, value in work.items()
        },
        "floor_s": round(plan.floor(plan.least_rows, TEXTS), 4),
        "software": image_software({"precision": "bf16", "compile": "regions"}),
    }
    if device.type == "cuda":
        machine["memory_gb"] = round(torch.cuda.get_device_properties(device).total_memory / 1e9, 1)
    return plan, machine


def in_order(names: tuple[str, ...] | list[str], model: Model) -> list[str]:
    """The ways in the order asked for, but those that read from disk last: the model on the device makes room."""
    return sorted(dict.fromkeys(names), key=lambda name: not is_resident(entry_of(name, model)))


def summary(machine: dict, plan: Plan, lines: list[dict]) -> dict:
    """All figures in one object."""
    ways = {line["way"]: line for line in lines}
    measured = {name: line for name, line in ways.items() if "seconds" in line}
    lossless = min((name for name in LOSSLESS if name in measured), key=lambda n: measured[n]["seconds"], default=None)
    best, plain, released = measured.get(lossless or ""), measured.get("plain"), measured.get("released")

    def ratio(one: dict | None, other: dict | None, key: str = "seconds") -> float | None:
        return round(one[key] / other[key], 3) if one and other else None

    return {
        "rows_per_prompt": best and best["transformer_rows"] // 2,
        "encoder_calls_per_text": best and best["encoder_calls"] / TEXTS,
        "speedup_vs_released": ratio(released, best),
        "speedup_vs_plain": ratio(plain, best),
        "profile": lossless,
        "of_floor": best and best["of_floor"],
        "speedups_vs_plain": {name: ratio(plain, line) for name, line in measured.items()},
        "cpu_time_vs_plain": {name: ratio(plain, line, "cpu_seconds") for name, line in measured.items()},
        "rows_per_prompt_plain": plain and plain["transformer_rows"] // 2,
        "encoder_calls_plain": plain and plain["encoder_calls"],
        "seconds": {name: line["seconds"] for name, line in measured.items()},
        "seconds_per_step": {name: line["seconds_per_step"] for name, line in measured.items()},
        "skipped": {name: line["skipped"] for name, line in ways.items() if "skipped" in line},
        "failed": {name: line["error"] for name, line in ways.items() if "error" in line},
        "device_lost": next((name for name, line in ways.items() if "device_lost" in line), None),
        "rounds": plan.rounds,
        "total_s": round(time.monotonic() - STARTED, 1),
        "peak_main_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 1),
        **machine,
        "ways": ways,
    }


def commit() -> str | None:
    """The repository's commit, with a mark if files differ from it; None outside a repository."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        run = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return run.stdout.strip() or None


def say(line: dict) -> None:
    """Print a line of JSON at once."""
    print(json.dumps(line), flush=True)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Time the candidates of a prompt in every way, or check this machine.")
    parser.add_argument("--ways", nargs="+", choices=way_names(), help=f"by default {', '.join(DEFAULT_WAYS)}")
    parser.add_argument("--steps", type=int, default=28, help=f"denoising steps of an image, at least {LEAST_STEPS}")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--size",
        choices=SIZES,
        help="by default large on a card, middle on a processor; see engine_check.py for --check",
    )
    parser.add_argument("--tiny", action="store_const", const="tiny", dest="size", help="to try the benchmark itself")
    parser.add_argument("--budget-seconds", type=float, help="ways that would not end in this time are left out")
    parser.add_argument("--commit", help="for a copy of the repository without its history")
    parser.add_argument("--check", action="store_true", help="check this machine instead")
    options = parser.parse_args(arguments)
    if options.steps < LEAST_STEPS:
        parser.error(f"--steps must be at least {LEAST_STEPS}, got {options.steps}")
    if options.check and (other := [name for name in options.ways or () if name not in profiles()]):
        parser.error(f"--check is of this engine's profiles ({', '.join(profiles())}), got {' '.join(other)}")
    if options.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {options.rounds}")
    return options


if __name__ == "__main__":
    sys.exit(main())
