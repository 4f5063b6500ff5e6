"""What the small vision-language model is taught: questions about drawn scenes with their answers.

Images come with every kind of failure of this world, each fact wrong about as often as right, so that no answer can be
told from the text.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from detailscribe.miniature.stand_in_pairs import pair_mark
from detailscribe.miniature.vlm.tokens import critique_question, mark_question, pair_question, part_question
from detailscribe.miniature.world.arrangements import SAMPLED_ARRANGEMENTS
from detailscribe.miniature.world.captions import random_caption
from detailscribe.miniature.world.facts import FACTS, fact_phrases, fact_sentences, true_facts
from detailscribe.miniature.world.noise import with_failures, wrong_scene
from detailscribe.miniature.world.phrases import known_phrases, true_phrases
from detailscribe.miniature.world.scenes import Scene, random_choice, random_scene
from detailscribe.miniature.world.vocabulary import BACKGROUNDS

TASKS = ("critique",) * 8 + ("blind_critique",) * 4 + ("parts",) * 6 + ("mark",) * 3 + ("compare",) * 3
PARTS_ASKED = 8
ALL_SEEN = "Everything that the prompt names can be seen; keep it."


@dataclass(frozen=True)
class Lesson:
    """Images, and turns of question and answer about them; the images belong to the first question."""

    scenes: tuple[Scene, ...]
    turns: tuple[tuple[str, str], ...]


def random_lesson(rng: np.random.Generator) -> Lesson:
    """A lesson of the training split."""
    meant = random_scene(rng, arrangements=SAMPLED_ARRANGEMENTS)
    drawn, task = failed_scene(meant, rng), random_choice(rng, TASKS)
    caption = random_caption(meant, rng, background=True)
    right = true_facts(drawn, meant)
    if task == "critique":
        return Lesson((drawn,), ((critique_question(caption, fact_phrases(meant)), critique(caption, meant, right)),))
    if task == "blind_critique":
        return Lesson((drawn,), ((critique_question(caption), critique(caption, meant, right)),))
    if task == "parts":
        return Lesson((drawn,), tuple(part_turns(drawn, meant, rng)))
    if task == "mark":
        return Lesson((drawn,), ((mark_question(caption), str(mark(right))),))
    other = failed_scene(meant, rng)
    answer = pair_mark(mark(right), mark(true_facts(other, meant)))
    return Lesson((drawn, other), ((pair_question(caption), str(answer)),))


def failed_scene(meant: Scene, rng: np.random.Generator) -> Scene:
    """A scene as an image model might draw it, or with another entity in place of one."""
    if rng.random() < 0.15:
        return wrong_scene(meant, rng, ("first", "second"))
    named = {fact for fact in FACTS if rng.random() < 0.3}
    drawn = with_failures(meant, named, rng)
    if "background" not in named and rng.random() < 0.2:
        drawn = replace(drawn, background=random_choice(rng, tuple(BACKGROUNDS)))
    return drawn


def critique(caption: str, meant: Scene, right: Sequence[bool]) -> str:
    """Numbered faults, then the caption with a sentence for each of them, in angle brackets."""
    wrong = [i for i, each in enumerate(right) if not each]
    phrases, sentences = fact_phrases(meant), fact_sentences(meant)
    lines = [f"{n}. {phrases[i]}: not in the image." for n, i in enumerate(wrong, 1)] or [f"1. {ALL_SEEN}"]
    return "\n".join([*lines, f"<{' '.join([caption, *(sentences[i] for i in wrong)])}>"])


def mark(right: Sequence[bool]) -> int:
    """5, less one for each wrong fact."""
    return 5 - sum(not each for each in right)


def part_turns(drawn: Scene, meant: Scene, rng: np.random.Generator) -> list[tuple[str, str]]:
    """Yes/no questions: the facts of the scene as meant, in random order, then phrases of this world."""
    turns = list(zip(fact_phrases(meant), true_facts(drawn, meant), strict=True))
    true, undecided = true_phrases(drawn)
    listed, every = sorted(true & set(known_phrases())), known_phrases()
    while len(turns) < PARTS_ASKED:
        phrase = random_choice(rng, listed) if listed and rng.random() < 0.5 else random_choice(rng, every)
        if phrase not in undecided and not drawn.few:
            turns.append((phrase, phrase in true))
        elif drawn.few:
            other = wrong_scene(meant, rng)
            turns.append(random_choice(rng, list(zip(fact_phrases(other), true_facts(drawn, other), strict=True))))
    order = rng.permutation(len(turns))
    return [(part_question(turns[i][0]), "yes" if turns[i][1] else "no") for i in order]
