"""Training questions of BLIP-VQA about scenes and collages, and entity targets per image patch."""

import numpy as np

from detailscribe.miniature.world.arrangements import SIDE_PX
from detailscribe.miniature.world.phrases import known_phrases, positions, true_phrases
from detailscribe.miniature.world.scenes import Box, Scene
from detailscribe.miniature.world.vocabulary import ENTITIES, PLURALS, with_article

QUESTIONS = 8  # per image, half of them true
THINGS = len(ENTITIES) + len(PLURALS)  # the first of `known_phrases`, which name no position
POSITIONS = positions()
PATCH_PX = 16


def scene_questions(scene: Scene, whole: Scene, rng: np.random.Generator) -> tuple[list[str], list[bool]]:
    """Questions about a drawn scene with their answers, at most half of them true.

    Of the false ones, one is about the missing entity, if any, one about a visible entity in a wrong position, and the
    rest about random phrases.

    Args:
        scene: As drawn.
        whole: The same with both entities.
    """
    true, undecided = true_phrases(scene)
    every = known_phrases()
    candidates = sorted(true)
    yes = [candidates[i] for i in rng.permutation(len(candidates))[: QUESTIONS // 2]]
    missing = sorted(true_phrases(whole)[0] - true - undecided)
    no = [missing[int(rng.integers(len(missing)))]] if missing else []
    visible = [thing for thing in true if f"{thing} at the top" in every]
    while len(yes) + len(no) < QUESTIONS:
        phrase = every[int(rng.integers(len(every)))] if rng.random() < 0.6 else every[int(rng.integers(THINGS))]
        if visible and len(no) < 2:
            phrase = f"{visible[int(rng.integers(len(visible)))]} {POSITIONS[int(rng.integers(len(POSITIONS)))]}"
        if phrase not in true and phrase not in undecided:
            no.append(phrase)
    return yes + no, [True] * len(yes) + [False] * len(no)


def collage_questions(shown: set[str], rng: np.random.Generator) -> tuple[list[str], list[bool]]:
    """Questions about the entities of a collage, in any position, with their answers; half of them true."""
    present, absent = sorted(shown), [entity for entity in ENTITIES if entity not in shown]
    half = QUESTIONS // 2
    entities = [present[int(rng.integers(len(present)))] for _ in range(half)]
    entities += [absent[i] for i in rng.permutation(len(absent))[:half]]
    return [with_article(entity) for entity in entities], [True] * half + [False] * half


def patch_targets(boxes: list[Box]) -> np.ndarray:
    """Which entities cover the centre of each patch: (36 patches, 24 entities), float32, 0 or 1."""
    cells = SIDE_PX // PATCH_PX
    centres = PATCH_PX * np.arange(cells) + (PATCH_PX - 1) / 2
    targets = np.zeros((cells, cells, len(ENTITIES)), np.float32)
    for entity, x, y, side in boxes:
        covered = (np.abs(centres[:, None] - y) < side / 2) & (np.abs(centres[None] - x) < side / 2)
        targets[covered, ENTITIES.index(entity)] = 1
    return targets.reshape(cells * cells, -1)
