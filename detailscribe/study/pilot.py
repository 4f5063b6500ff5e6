"""The pilot of a study: the five prompts of toy_data_001 with one seed less, every other setting as configured."""

PILOT_SCENARIO = "toy_data_001"
PILOT_FILE = "resources/interacting/toy_data_001.jsonl"


def pilot_config(config: dict) -> None:
    """Narrow a configuration to its pilot, in place.

    Images, answers and scores keep their keys, so that a later study with all seeds takes them over.
    """
    config["scenarios"].setdefault(PILOT_SCENARIO, PILOT_FILE)
    for seeds in ("extra_seeds", "seeds"):
        if len(config[seeds]) > (seeds == "seeds"):
            config[seeds] = config[seeds][:-1]
            return
