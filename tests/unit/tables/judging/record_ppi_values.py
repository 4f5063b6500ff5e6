"""Recorder of the reference values of prediction-powered means: `ppi_values.json`, by the library ppi-python.

    python -m venv /tmp/ppi && /tmp/ppi/bin/pip install ppi-python==0.2.3
    /tmp/ppi/bin/python tests/unit/tables/judging/record_ppi_values.py

For planted people and judges, some good and some useless, it records the data, and the library's weight, estimate and
95 % interval, also without each of the first rated prompts. The library is not a dependency of the project.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_name("ppi_values.json")
CASES = {  # rated prompts, others, error of the judge, its share of the truth
    "good judge": (30, 90, 0.3, 1.0),
    "fair judge": (12, 40, 1.0, 1.0),
    "good judge, few others": (40, 10, 0.3, 1.0),
    "useless judge": (25, 60, 1.0, 0.0),
    "judge that is wrong": (25, 60, 0.4, -1.0),
    "many prompts": (400, 1200, 0.7, 1.0),
}
LEFT_OUT = 4


def planted() -> dict[str, dict[str, np.ndarray]]:
    """Ratings of people and scores of judges, by case."""
    found = {}
    for number, (name, (rated, others, error, share)) in enumerate(CASES.items()):
        generator = np.random.default_rng([7, number])
        truth = generator.normal(3.2, 0.9, rated + others)
        ratings = np.clip(np.rint(2 * (truth + generator.normal(0, 0.4, rated + others))) / 2, 1, 5)
        scores = np.round(share * truth + generator.normal(0, error, rated + others) + 3, 2)
        found[name] = {"people": ratings[:rated], "judged": scores[:rated], "others": scores[rated:]}
    return found


def of_library(people: np.ndarray, judged: np.ndarray, others: np.ndarray) -> dict[str, Any]:
    """The library's weight, estimate, 95 % interval, and weights without each of the first rated prompts."""
    from ppi_py import ppi_mean_ci, ppi_mean_pointestimate

    low, high = ppi_mean_ci(people, judged, others, alpha=0.05)
    kept = [np.arange(len(people)) != index for index in range(LEFT_OUT)]
    return {
        "weight": weight_of_library(people, judged, others),
        "estimate": float(np.squeeze(ppi_mean_pointestimate(people, judged, others))),
        "low95": float(np.squeeze(low)),
        "high95": float(np.squeeze(high)),
        "weights_without": [weight_of_library(people[each], judged[each], others) for each in kept],
    }


def weight_of_library(people: np.ndarray, judged: np.ndarray, others: np.ndarray) -> float:
    """The library's power-tuned weight, from its estimates with weights 0 and 1, between which they are linear."""
    from ppi_py import ppi_mean_pointestimate

    tuned, none, full = (
        float(np.squeeze(ppi_mean_pointestimate(people, judged, others, lam=weight))) for weight in (None, 0, 1)
    )
    return (tuned - none) / (full - none)


def main() -> None:
    """Write the file."""
    found = {}
    for name, data in planted().items():
        recorded = data if len(data["people"]) < 100 else {}  # large data are planted again
        found[name] = {key: values.tolist() for key, values in recorded.items()} | {"library": of_library(**data)}
    FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
