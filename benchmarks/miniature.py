"""Benchmark of the miniature: its parts on held-out scenes, and the whole method against its baselines.

256 prompts with held-out pairings and three seeds. An independent judge, which shares no weights with the critic or the
metrics, decides per image which of the prompt's four facts are true; an image is right if all are. Failures are built
into the scene world: the figures show that the pipeline works as it should there, and are no evidence about the paper.

Methods, each from the image of the same seed:
  sd           the prompt
  gpt_rewrite  the mock's rewriting, from the text alone
  every_fact   the sentences of all four facts, without a look at the image
  blind_two    the two sentences that this world's failures make most useful, without a look at the image
  best_of_5    five seeds, the best by CLIPScore
  k0 ... k4    DetailScribe: the prompt refined by the small vision-language model, from step k on (0: from the start)
  detailscribe the best of these four by CLIPScore; with the initial image as many images as best_of_5
  ablation_k0  the same critic without the decomposition
  planted_N    a critic whose answers are right in N % of cases (50: blind), refined from the start

The last line is JSON. `--write` writes the figures and the contact sheets next to this file.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import argparse
import json
import multiprocessing
import os
import platform
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from miniature_document import contact_sheet, document, skill_figure
from PIL import Image

from detailscribe.engines import torch_setup
from detailscribe.methods.reply_parsing import last_brackets
from detailscribe.miniature import assembly, planted_critic, stand_in, weights_info
from detailscribe.miniature.judge import check_scene
from detailscribe.miniature.models import autoencoder
from detailscribe.miniature.models.detection import detect
from detailscribe.miniature.models.sd3_text import T5_TOKENS
from detailscribe.miniature.shipped import load_part
from detailscribe.miniature.stand_in_seeing import Seen, facts_shown, look, relation_stands
from detailscribe.miniature.vlm.answers import answers
from detailscribe.miniature.vlm.tokens import critique_question
from detailscribe.miniature.world.arrangements import SIDE_PX
from detailscribe.miniature.world.captions import random_caption
from detailscribe.miniature.world.drawing import draw_scene
from detailscribe.miniature.world.facts import FACTS, fact_phrases, fact_sentences
from detailscribe.miniature.world.noise import wrong_scene
from detailscribe.miniature.world.scenes import Scene, held_out_scenes, random_scene
from detailscribe.miniature.world.sprites import load_sprites
from detailscribe.prompts.noun_phrase_rules import phrases_by_rules
from detailscribe.scores import blip_vqa, clip_score, image_reward
from detailscribe.tables.intervals import mean_intervals

HERE = Path(__file__).parent
STEPS, GUIDANCE, KS = 28, 4.5, (0, 1, 2, 4)
SEEDS_OF_FIVE = 5
SKILLS = (50, 60, 80, 100)  # of the planted critics, in percent
BLIND_TWO = (1, 3)  # facts: the second entity and the background, the best pair of this world
ASKED_AT_ONCE = 32
BATCH = 32
MIN_ACCURACY = 0.95


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=256)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scenes", type=int, default=512, help="held-out scenes for measuring the parts")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    silence_truncation_warnings()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "miniature"
        assembly.build_miniature(folder)
        parts = metric_accuracy(load_scorers(folder), options.scenes) | reconstruction(options.scenes)
        study = compare_all(folder, options.prompts, options.seeds)
    prompts = [prompt for _, prompt in test_set(options.prompts)]
    right, samples = study.right(), study.samples
    table = shares(right)
    for name, row in table.items():
        print(f"{name:14}{row['share']:8.3f}  [{row['low95']:.3f}, {row['high95']:.3f}]")
    figures = {
        "prompts": options.prompts,
        "seeds": options.seeds,
        "parts": parts,
        "right": table,
        "facts": study.facts_right(),
        "critic": study.critic_accuracy(),
        "curve": study.skill_curve(),
        "minutes": round((time.monotonic() - began) / 60, 1),
        "weights": weights_info()["commit"][:12],
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}",
    }
    if options.write:
        (HERE / "miniature.md").write_text(document(figures), encoding="utf-8")
        skill_figure(figures, HERE / "miniature_skill.svg")
        contact_sheet(samples["every_fact"][:64], prompts[:64]).save(HERE / "miniature_samples.png")
        failures = [i for i in range(len(prompts)) if not right["sd"][i, 0]][:8]
        names = ("sd", *(f"k{k}" for k in KS), "best_of_5")
        images = [samples[name][i] for i in failures for name in names]
        titles = [prompts[i] if name == "sd" else name for i in failures for name in names]
        contact_sheet(images, titles, columns=len(names)).save(HERE / "miniature_refined.png")
    print(json.dumps(figures))


def silence_truncation_warnings() -> None:
    """No warnings that CLIP's encoders truncate long prompts: that is intended."""
    import diffusers
    import transformers

    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()


def load_scorers(folder: Path) -> dict:
    """The three metrics, loaded as the study loads them."""
    vocabulary = f"local-dir:{folder / 'blip_vqa'}"
    reward = {"model": f"local-dir:{folder / 'image_reward'}", "revision": "", "vocabulary": vocabulary}
    vqa = {"model": vocabulary, "revision": "", "vocabulary": vocabulary, "size_px": SIDE_PX}
    return {
        "clip_score": load_clip(folder),
        "image_reward": image_reward.load(reward),
        "blip_vqa": blip_vqa.load(vqa),
    }


def load_clip(folder: Path) -> clip_score.Scorer:
    """The metric that selects among images."""
    return clip_score.load({"model": f"local-dir:{folder / 'clip'}", "pretrained": "", "revision": ""})


def test_set(count: int) -> list[tuple[Scene, str]]:
    """Scenes with held-out pairings, and a prompt for each."""
    rng = np.random.default_rng(2)
    return [(scene, random_caption(scene, rng, background=True)) for scene in held_out_scenes(count, seed=1)]


def metric_accuracy(scorers: dict, count: int) -> dict:
    """How often each metric scores a held-out scene higher with its caption than with a caption wrong in one thing.

    BLIP-VQA asks about entities only, so it is tested with wrong entities; the others also with wrong arrangements.
    """
    rng, sprites = np.random.default_rng(3), load_sprites()
    accuracy = {}
    for name, scorer in scorers.items():
        kinds = ("first", "second") if name == "blip_vqa" else ("first", "second", "place")
        won = []
        for _ in range(count):
            scene = random_scene(rng, held_out=True)
            wrong = wrong_scene(scene, rng, kinds, any_split=True)
            captions = [random_caption(each, rng, background=True) for each in (scene, wrong)]
            image = Image.fromarray(draw_scene(scene, sprites))
            phrases = [[phrases_by_rules(caption) for caption in captions]] if name == "blip_vqa" else []
            better, worse = scorer.score(captions, [image, image], *phrases)
            won.append(better > worse)
        accuracy[name] = float(np.mean(won))
        print(f"{name} scores the correct caption higher on {accuracy[name]:.3f} of {count} held-out scenes")
    return {"told_apart": accuracy, "told_apart_least": MIN_ACCURACY}


def reconstruction(count: int) -> dict:
    """Fidelity of the autoencoder on held-out scenes, and entities that the judge finds before and after it."""
    rng, sprites = np.random.default_rng(99), load_sprites()
    scenes = [random_scene(rng, held_out=True) for _ in range(count)]
    originals = [draw_scene(scene, sprites) for scene in scenes]
    device = torch_setup.default_device()
    decoded = autoencoder.reconstruct(load_part("autoencoder").to(device), originals, device)
    figures = {}
    for name, images in (("entities_found_in_scenes", originals), ("entities_found_after_autoencoder", decoded)):
        found = [check_scene(scene, each)[:2] for scene, each in zip(scenes, detect(images), strict=True)]
        figures[name] = float(np.mean(found))
    figures["psnr_db"] = round(autoencoder.psnr(originals, decoded), 2)
    print(figures)
    return figures


@dataclass(frozen=True)
class Outcome:
    """What the judge saw in the images of prompts.

    Attributes:
        facts: By method, whether each fact is true: (prompts, seeds, 4), bool.
        answers: By critic, whether it named a fact, and whether that fact was wrong: (answers, 2), bool.
        samples: By method, the images of the first seed.
    """

    facts: dict[str, np.ndarray]
    answers: dict[str, np.ndarray]
    samples: dict[str, list[Image.Image]]

    def right(self) -> dict[str, np.ndarray]:
        """By method: whether all facts of each image are true, (prompts, seeds), float64."""
        return {method: rows.all(-1).astype(float) for method, rows in self.facts.items()}

    def facts_right(self) -> dict[str, dict[str, float]]:
        """By method: the share of images in which each fact is true."""
        return {
            method: {fact: round(float(share), 3) for fact, share in zip(FACTS, rows.mean((0, 1)), strict=True)}
            for method, rows in self.facts.items()
        }

    def critic_accuracy(self) -> dict[str, dict[str, float]]:
        """By critic: the share of facts about which it is right, by the judge, and of faults that it found."""
        accuracy = {}
        for critic, rows in self.answers.items():
            named, wrong = rows.T
            accuracy[critic] = {
                "right": round(float((named == wrong).mean()), 3),
                "found": round(float(named[wrong].mean()), 3),
                "named_rightly": round(float(wrong[named].mean()), 3),
            }
        return accuracy

    def skill_curve(self) -> list[dict[str, float]]:
        """Share of a critic's answers that are right against the share of final images that are, by planted critic."""
        accuracy, right = self.critic_accuracy(), self.right()
        names = [f"planted_{skill}" for skill in SKILLS]
        return [{"critic": accuracy[name]["right"], "images": round(float(right[name].mean()), 3)} for name in names]


def compare_all(folder: Path, prompts: int, seeds: int) -> Outcome:
    """The comparison over all prompts: one process per core, each with its part of the prompts; one on a GPU."""
    processes = 1 if torch.cuda.is_available() else min(len(os.sched_getaffinity(0)), prompts)
    bounds = [prompts * i // processes for i in range(processes + 1)]
    parts = [(folder, prompts, seeds, range(*each)) for each in pairwise(bounds)]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        outcomes = pool.starmap(compare_part, parts, chunksize=1)
    first = outcomes[0]
    return Outcome(
        {name: np.concatenate([each.facts[name] for each in outcomes]) for name in first.facts},
        {name: np.concatenate([each.answers[name] for each in outcomes]) for name in first.answers},
        {name: [image for each in outcomes for image in each.samples[name]] for name in first.samples},
    )


def compare_part(folder: Path, prompts: int, seeds: int, part: range) -> Outcome:
    """The comparison over a part of the prompts.

    Args:
        folder: The miniature as built.
        prompts: All of them.
        part: Numbers of those to compare.
    """
    silence_truncation_warnings()
    torch.set_num_threads(1)
    pipe = assembly.sd3_pipeline().to(torch_setup.default_device())
    pipe.set_progress_bar_config(disable=True)
    study = Comparison(pipe, load_clip(folder), test_set(prompts), part)
    for number in range(seeds):
        study.draw(number)
        print(f"prompts {part.start + 1} to {part.stop}: seed {number + 1} of {seeds} generated", flush=True)
    return study.outcome()


class Comparison:
    """All methods on the same prompts and seeds.

    Args:
        tested: Scenes and prompts of the whole comparison.
        part: Numbers of those to draw.
    """

    def __init__(self, pipe, clip: clip_score.Scorer, tested: list[tuple[Scene, str]], part: range):
        self._pipe, self._clip, self._part = pipe, clip, part
        self._scenes, self._prompts = map(list, zip(*(tested[i] for i in part), strict=True))
        self._components = [list(fact_phrases(scene)) for scene in self._scenes]
        self._sentences = [fact_sentences(scene) for scene in self._scenes]
        self._facts: dict[str, list[list[tuple]]] = {}
        self._answers: dict[str, list[tuple[bool, bool]]] = {}  # by critic: whether it named a fact, and its truth
        self._samples: dict[str, list[Image.Image]] = {}

    def outcome(self) -> Outcome:
        """Of the seeds drawn."""
        facts = {method: np.array(rows, bool).swapaxes(0, 1) for method, rows in self._facts.items()}
        return Outcome(facts, {critic: np.array(rows, bool) for critic, rows in self._answers.items()}, self._samples)

    def draw(self, number: int) -> None:
        """All images of a seed."""
        numbers = [1000 * number + i for i in self._part]
        initial = self._generate(self._prompts, numbers)
        self._keep("sd", initial)
        rewritten = [last_brackets(stand_in.answer_rewrite(prompt)) for prompt in self._prompts]
        self._keep("gpt_rewrite", self._generate(rewritten, numbers))
        for name, chosen in (("every_fact", range(len(FACTS))), ("blind_two", BLIND_TWO)):
            self._keep(name, self._generate(self._with_facts(chosen), numbers))
        others = [
            self._generate(self._prompts, [each + 100_000 * other for each in numbers])
            for other in range(1, SEEDS_OF_FIVE)
        ]
        self._keep("best_of_5", self._best_by_clip_score([initial, *others]))
        refined = self._criticise("critic", initial, self._components)
        candidates = self._refine(numbers, initial, refined, KS)
        for k, images in zip(KS, candidates, strict=True):
            self._keep(f"k{k}", images)
        self._keep("detailscribe", self._best_by_clip_score(candidates))
        refined = self._criticise("critic_without_decomposition", initial, [[]] * len(self._prompts))
        self._keep("ablation_k0", self._refine(numbers, initial, refined, (0,))[0])
        for skill in SKILLS:
            refined = [
                last_brackets(planted_critic.criticise(prompt, components, image, skill / 100)) or prompt
                for prompt, components, image in zip(self._prompts, self._components, initial, strict=True)
            ]
            self._note(f"planted_{skill}", initial, refined)
            self._keep(f"planted_{skill}", self._refine(numbers, initial, refined, (0,))[0])

    def _generate(self, prompts: list[str], seeds: list[int], refined: list[str] | None = None, k: int = 0):
        return generate(self._pipe, prompts, seeds, refined, k)

    def _keep(self, method: str, images: list[Image.Image]) -> None:
        facts = [facts_shown(scene, look(image, 0.0)) for scene, image in zip(self._scenes, images, strict=True)]
        self._facts.setdefault(method, []).append(facts)
        self._samples.setdefault(method, images)

    def _with_facts(self, chosen) -> list[str]:
        pairs = zip(self._prompts, self._sentences, strict=True)
        return [" ".join([prompt, *(sentences[i] for i in chosen)]) for prompt, sentences in pairs]

    def _best_by_clip_score(self, sets: list[list[Image.Image]]) -> list[Image.Image]:
        scores = np.array([self._clip.score(self._prompts, images) for images in sets])
        return [sets[best][i] for i, best in enumerate(scores.argmax(0))]

    def _criticise(self, critic: str, images: list[Image.Image], components: list[list[str]]) -> list[str]:
        """Refined prompts of the small vision-language model; a reply without one keeps the prompt."""
        questions = [critique_question(*each) for each in zip(self._prompts, map(tuple, components), strict=True)]
        replies: list[str] = []
        for start in range(0, len(questions), ASKED_AT_ONCE):
            asked = slice(start, start + ASKED_AT_ONCE)
            replies += [text for text, _ in answers(questions[asked], [[image] for image in images[asked]])]
        refined = [last_brackets(reply) or prompt for reply, prompt in zip(replies, self._prompts, strict=True)]
        self._note(critic, images, refined)
        return refined

    def _note(self, critic: str, images: list[Image.Image], refined: list[str]) -> None:
        """Remember for each fact whether the critic asks for it, and whether it is wrong in the image."""
        for scene, image, prompt, sentences in zip(self._scenes, images, refined, self._sentences, strict=True):
            wrong = facts_wrong(scene, look(image, 0.0))
            named = [sentence in prompt for sentence in sentences]
            self._answers.setdefault(critic, []).extend(zip(named, wrong, strict=True))

    def _refine(
        self, seeds: list[int], initial: list[Image.Image], refined: list[str], ks: tuple[int, ...]
    ) -> list[list[Image.Image]]:
        """Images by k; an unchanged prompt keeps its initial image."""
        changed = [i for i, prompt in enumerate(self._prompts) if refined[i] != prompt]
        before, after, numbers = ([values[i] for i in changed] for values in (self._prompts, refined, seeds))
        sets = []
        for k in ks:
            images = dict(zip(changed, self._generate(before, numbers, after, k), strict=True))
            sets.append([images.get(i, image) for i, image in enumerate(initial)])
        return sets


def facts_wrong(scene: Scene, seen: Seen) -> list[bool]:
    """Which facts a critic should name: a relation only if what is visible stands otherwise."""
    first, second, _, background = facts_shown(scene, seen)
    return [not first, not second, not relation_stands(scene, seen), not background]


def generate(
    pipe, prompts: list[str], seeds: list[int], refined: list[str] | None = None, k: int = 0
) -> list[Image.Image]:
    """Images of prompts; the refined prompts, if any, replace them after step k (0: from the start).

    Unlike the study, in batches over prompts, and in bfloat16 where the CPU is faster with it.
    """
    if refined and k == 0:
        prompts, refined = refined, None
    images = []
    half = torch.cuda.is_available() or torch.cpu._is_avx512_bf16_supported()
    for start in range(0, len(prompts), BATCH):
        switched = prompt_embeds(pipe, refined[start : start + BATCH]) if refined else None

        def switch_prompt(pipe, step, timestep, values, switched=switched):
            return switched if switched and step == k else {}

        with torch.autocast(pipe.device.type, torch.bfloat16, enabled=half):
            output = pipe(
                prompts[start : start + BATCH],
                num_inference_steps=STEPS,
                guidance_scale=GUIDANCE,
                height=SIDE_PX,
                width=SIDE_PX,
                max_sequence_length=T5_TOKENS,
                generator=[torch.Generator().manual_seed(seed) for seed in seeds[start : start + BATCH]],
                callback_on_step_end=switch_prompt,
                callback_on_step_end_tensor_inputs=["latents", "prompt_embeds"],
            )
        images += output.images
    return images


def prompt_embeds(pipe, prompts: list[str]) -> dict[str, torch.Tensor]:
    """What replaces the text of a batch; the pooled text stays the first prompt's, as in the released code."""
    texts, negative, _, _ = pipe.encode_prompt(prompts, None, None, device=pipe.device, max_sequence_length=T5_TOKENS)
    return {"prompt_embeds": torch.cat([negative, texts])}


def shares(right: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Share of right images by method, with 95 % intervals over prompts."""
    low, high = mean_intervals(np.stack([rows.mean(1) for rows in right.values()], 1), (0, 1))
    return {
        method: {"share": float(rows.mean()), "low95": float(low[i]), "high95": float(high[i])}
        for i, (method, rows) in enumerate(right.items())
    }


if __name__ == "__main__":
    main()
