"""One way of the engine's benchmark: loading, compiling, warm-up and timed rounds, within a budget of seconds."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from engine_floor import floor_s, phases_of, release
from engine_model import Model
from engine_ways import GENERATION, KS, LEAST_STEPS, EngineWay, entry_of, is_resident, load_way

from detailscribe.engines.acceleration.first_steps import refinement_steps
from detailscribe.engines.gpu.device_errors import DeviceError
from detailscribe.engines.precision import QUANTIZER, check_precision
from detailscribe.engines.versions import library_versions
from detailscribe.engines.workload.profile_memory import expected_memory, rows_at_once
from detailscribe.errors import InputError, SetupError

# Assumed until a way was measured: how much longer than its operations a prompt takes, and what comes before.
OVER_FLOOR = 2.5
BEFORE_S = {"build": 30.0, "compile": 90.0, "disk": 60.0}
DEVICE_LOST = "the device is lost: after such an error of CUDA nothing more can run in this process"
TEXTS = 2  # of a prompt and its refined one, each encoded once


@dataclass
class Budget:
    """Seconds that are left of a limit; without a limit, infinitely many."""

    limit_s: float | None
    started: float

    @property
    def left_s(self) -> float:
        return float("inf") if self.limit_s is None else self.started + self.limit_s - time.monotonic()


@dataclass(frozen=True)
class Plan:
    """What each way does: rounds, steps of an image, and what the work takes at the device's measured rate."""

    rounds: int
    steps: int
    work: dict
    tflops: float

    def floor(self, rows: int, texts: int) -> float:
        """Seconds of the operations of a prompt's candidates."""
        return floor_s(self.work, self.tflops, rows, texts, len(KS))

    @property
    def least_rows(self) -> int:
        """Rows of the candidates with guidance, shared steps computed once."""
        return 2 * refinement_steps(KS, self.steps)


def measure(name: str, model: Model, plan: Plan, budget: Budget, seconds_before: float | None) -> dict:
    """Figures of a way, or why there are none: `skipped` (it cannot run here, or not in the time), `error`.

    After an error that leaves the device unusable the line also has `device_lost`.

    Args:
        name: Of the way.
        model: Its weights.
        seconds_before: The slowest way's seconds of a prompt so far, from which its need is estimated.
    """
    line: dict = {"way": name}
    try:
        entry = entry_of(name, model)
        line |= {key: entry[key] for key in ("precision", "offload", "compile", "batch")}
        need_s = _need_s(entry, plan, seconds_before) + BEFORE_S["build"] * _builds(model, plan)
        if need_s > budget.left_s:
            line["skipped"] = f"needs about {need_s:.0f} s, and {max(budget.left_s, 0):.0f} s of the budget are left"
        elif too_small := _too_small(entry, model):
            line["skipped"] = too_small
        else:
            _measure(name, model, plan, budget, line)
    except DeviceError as error:
        line["error"] = str(error)
    except SetupError as error:
        line["error" if "load_s" in line else "skipped"] = str(error)
    except Exception as error:  # noqa: BLE001 - the other ways are measured all the same
        line["error"] = words_of(error)
    if not release(model.device):
        line = {"error": DEVICE_LOST} | line | {"device_lost": True}
    return line


def words_of(error: Exception) -> str:
    """An error in one line: a sentence that was written for the user, or the type and the first line."""
    first = str(error).strip().partition("\n")[0]
    return first if isinstance(error, SetupError | InputError) else f"{type(error).__name__}: {first}"


def _builds(model: Model, plan: Plan) -> bool:
    """Whether a way has to wait until the large weights are made."""
    return model.build_s is None and model.save_s is None and plan.work["row_tflop"] > 1


def _too_small(entry: dict, model: Model) -> str:
    """Why the card cannot hold the weights of the published model; "" if it can, or if it is not that model."""
    if not (is_resident(entry) and model.device.type == "cuda" and model.name == "large"):
        return ""
    needed = expected_memory(entry, rows_at_once(entry, len(KS), GENERATION["guidance"])).gpu_peak
    there = torch.cuda.get_device_properties(model.device).total_memory
    if needed <= there:
        return ""
    return f"expected to need {needed / 1e9:.1f} GB of GPU memory, and this card has {there / 1e9:.1f}"


def _need_s(entry: dict, plan: Plan, seconds_before: float | None) -> float:
    """Seconds that a way probably takes for loading, warm-up and one round."""
    prompt_s = seconds_before or OVER_FLOOR * plan.floor(plan.least_rows, TEXTS)
    before_s = BEFORE_S["disk"] * (not is_resident(entry)) + BEFORE_S["compile"] * (entry["compile"] != "none")
    return (before_s if plan.work["row_tflop"] > 1 else 0) + prompt_s * (1 + 2 * LEAST_STEPS / plan.steps)


def _measure(name: str, model: Model, plan: Plan, budget: Budget, line: dict) -> None:
    """Add a way's figures to its line."""
    device = model.device
    # The weights are made, or written, at the first use, which is no part of loading.
    if is_resident(entry_of(name, model)):
        model.resident()
        model.configs  # noqa: B018
    else:
        check_precision(line["precision"])
        model.saved  # noqa: B018
    start = time.perf_counter()
    way = load_way(name, model, plan.steps)
    line |= {"load_s": round(time.perf_counter() - start, 2), "from": "device" if is_resident(way.entry) else "disk"}
    if quantizer := QUANTIZER.get(way.entry["precision"]):
        line |= library_versions([quantizer])
    try:
        with phases_of(way.pipe, device) as phases:
            torch._dynamo.utils.counters.clear()
            way.set_steps(LEAST_STEPS)
            warm = []
            for _ in range(2):
                way.make_ready(1)
                phases.start()
                way.draw(1)
                warm.append(phases.stop()["seconds"])
            # The first call compiles, and makes the libraries choose kernels and reserve memory.
            extra = "warm_up_s" if way.entry["compile"] == "none" else "compile_s"
            line |= {"first_call_s": warm[0], "warm_call_s": warm[1], extra: round(max(warm[0] - warm[1], 0), 2)}
            line["compiled_graphs"] = compiled_graphs()
            way.set_steps(plan.steps)
            best: dict = {}
            line |= {"rounds": [], "compiled_graphs_in_rounds": []}
            for number in range(plan.rounds):
                if line["rounds"] and max(line["rounds"]) > budget.left_s:
                    line["rounds_left_out"] = plan.rounds - number
                    break
                way.make_ready(2 + number)
                before, cpu, compiled = dict(way.counts), time.process_time(), compiled_graphs()
                phases.start()
                images = way.draw(2 + number)
                figures = phases.stop() | {"cpu_seconds": round(time.process_time() - cpu, 4), "images": len(images)}
                figures |= {key: count - before[key] for key, count in way.counts.items()}
                line["rounds"].append(figures["seconds"])
                line["compiled_graphs_in_rounds"].append(compiled_graphs() - compiled)
                if not best or figures["seconds"] < best["seconds"]:
                    best = figures
            line |= best | _against_floor(way, best, plan)
    finally:
        way.close()


def _against_floor(way: Any, best: dict, plan: Plan) -> dict:
    """Peaks, seconds a step of an image, and how much more than the work's least time the prompt and a step take."""
    steps = way.image_steps
    peaks = best["peaks_gb"].values()
    rows = best["transformer_rows"]
    texts = TEXTS if isinstance(way, EngineWay) else best["encoder_calls"]
    whole, denoising = plan.floor(rows, texts), rows * plan.work["row_tflop"] / plan.tflops
    return {
        "peak_allocated_gb": max((peak["allocated"] for peak in peaks), default=None),
        "peak_reserved_gb": max((peak["reserved"] for peak in peaks), default=None),
        "image_steps": steps,
        "seconds_per_step": round(best["denoise_s"] / steps, 5),
        "seconds_per_row": round(best["denoise_s"] / rows, 5),
        "floor_s": round(whole, 4),
        "of_floor": round(best["seconds"] / whole, 3),
        "floor_per_step_s": round(denoising / steps, 5),
        "step_of_floor": round(best["denoise_s"] / denoising, 3),
    }


def compiled_graphs() -> int:
    """Blocks compiled in this process since the counters were cleared, one for each kind and number of rows."""
    return int(torch._dynamo.utils.counters["stats"]["unique_graphs"])
