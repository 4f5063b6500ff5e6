"""Benchmark of the miniature: its parts on held-out scenes, and the whole method against its baselines.

256 prompts with held-out pairings and three seeds. An independent judge, which shares no weights with the critic or the
metrics, decides per image whether both entities are arranged as the prompt means. Failures are built into the scene
world: the figures show that the pipeline works as it should there, and are no evidence about the paper.

Methods, each from the image of the same seed:
  sd           the prompt
  gpt_rewrite  the mock's rewriting, from the text alone
  every_part   all true sentences about the scene, without a critic
  best_of_5    five seeds, the best by CLIPScore
  k0 ... k4    DetailScribe: the refined prompt replaces the prompt after step k (0: from the start)
  detailscribe the best of these four by CLIPScore; with the initial image as many images as best_of_5
  ablation_k0  the critic without the decomposition

The last line is JSON. `--write` writes the figures and the contact sheets next to this file.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import argparse
import json
import os
import platform
import tempfile
import time

import numpy as np
import torch
from miniature_document import contact_sheet, document
from PIL import Image

from detailscribe.engines import torch_setup
from detailscribe.methods.reply_parsing import last_brackets
from detailscribe.miniature import assembly, stand_in, weights_info
from detailscribe.miniature.judge import check_scene
from detailscribe.miniature.models import autoencoder
from detailscribe.miniature.models.detection import detect
from detailscribe.miniature.models.sd3_text import T5_TOKENS
from detailscribe.miniature.shipped import load_part
from detailscribe.miniature.world.arrangements import SIDE_PX
from detailscribe.miniature.world.captions import entity_sentence, random_caption, scene_components
from detailscribe.miniature.world.drawing import draw_scene
from detailscribe.miniature.world.noise import wrong_scene
from detailscribe.miniature.world.scenes import Scene, held_out_scenes, random_scene
from detailscribe.miniature.world.sprites import load_sprites
from detailscribe.prompts.noun_phrase_rules import phrases_by_rules
from detailscribe.scores import blip_vqa, clip_score, image_reward
from detailscribe.tables.intervals import mean_intervals

HERE = Path(__file__).parent
STEPS, GUIDANCE, KS = 28, 4.5, (0, 1, 2, 4)
SEEDS_OF_FIVE = 5
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
    torch.set_num_threads(len(os.sched_getaffinity(0)))  # a single process does all the work
    pipe = assembly.sd3_pipeline().to(torch_setup.default_device())
    pipe.set_progress_bar_config(disable=True)
    with tempfile.TemporaryDirectory() as folder:
        assembly.build_miniature(Path(folder) / "miniature")
        scorers = load_scorers(Path(folder) / "miniature")
    parts = metric_accuracy(scorers, options.scenes) | reconstruction(options.scenes)
    scenes = held_out_scenes(options.prompts, seed=1)
    rng = np.random.default_rng(2)
    prompts = [random_caption(scene, rng, background=True) for scene in scenes]
    right, samples = compare(pipe, scorers["clip_score"], scenes, prompts, options.seeds)
    table = shares(right)
    for name, row in table.items():
        print(f"{name:14}{row['share']:8.3f}  [{row['low95']:.3f}, {row['high95']:.3f}]")
    figures = {
        "prompts": options.prompts,
        "seeds": options.seeds,
        "parts": parts,
        "right": table,
        "minutes": round((time.monotonic() - began) / 60, 1),
        "weights": weights_info()["commit"][:12],
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}",
    }
    if options.write:
        (HERE / "miniature.md").write_text(document(figures), encoding="utf-8")
        contact_sheet(samples["every_part"][:64], prompts[:64]).save(HERE / "miniature_samples.png")
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
    return {
        "clip_score": clip_score.load({"model": f"local-dir:{folder / 'clip'}", "pretrained": "", "revision": ""}),
        "image_reward": image_reward.load(
            {"model": f"local-dir:{folder / 'image_reward'}", "revision": "", "vocabulary": vocabulary}
        ),
        "blip_vqa": blip_vqa.load({"model": vocabulary, "revision": "", "vocabulary": vocabulary, "size_px": SIDE_PX}),
    }


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


def compare(
    pipe, clip: clip_score.Scorer, scenes: list[Scene], prompts: list[str], seeds: int
) -> tuple[dict[str, np.ndarray], dict[str, list[Image.Image]]]:
    """By method: whether each image is right, (prompts, seeds), float64; and the images of the first seed."""
    right: dict[str, list[list[bool]]] = {}
    samples: dict[str, list[Image.Image]] = {}

    def keep(method: str, images: list[Image.Image]) -> None:
        arranged = [check_scene(scene, each)[2] for scene, each in zip(scenes, detect(images), strict=True)]
        right.setdefault(method, []).append(arranged)
        samples.setdefault(method, images)

    def best_by_clip_score(sets: list[list[Image.Image]]) -> list[Image.Image]:
        scores = np.array([clip.score(prompts, images) for images in sets])
        return [sets[best][i] for i, best in enumerate(scores.argmax(0))]

    rewritten = [last_brackets(stand_in.answer_rewrite(prompt)) for prompt in prompts]
    complete = [
        " ".join([prompt, *(entity_sentence(scene, which, True) for which in range(2))])
        for scene, prompt in zip(scenes, prompts, strict=True)
    ]
    for number in range(seeds):
        numbers = [1000 * number + i for i in range(len(prompts))]
        initial = generate(pipe, prompts, numbers)
        keep("sd", initial)
        keep("gpt_rewrite", generate(pipe, rewritten, numbers))
        keep("every_part", generate(pipe, complete, numbers))
        others = [
            generate(pipe, prompts, [each + 100_000 * other for each in numbers]) for other in range(1, SEEDS_OF_FIVE)
        ]
        keep("best_of_5", best_by_clip_score([initial, *others]))
        candidates = refined_images(pipe, prompts, numbers, initial, [scene_components(scene) for scene in scenes], KS)
        for k, images in zip(KS, candidates, strict=True):
            keep(f"k{k}", images)
        keep("detailscribe", best_by_clip_score(candidates))
        keep("ablation_k0", refined_images(pipe, prompts, numbers, initial, [None] * len(scenes), (0,))[0])
        print(f"seed {number + 1} of {seeds} generated", flush=True)
    return {method: np.array(rows, float).T for method, rows in right.items()}, samples


def refined_images(
    pipe, prompts: list[str], seeds: list[int], initial: list[Image.Image], components: list, ks: tuple[int, ...]
) -> list[list[Image.Image]]:
    """Images by k after a critique of the initial ones; an unchanged prompt keeps its initial image."""
    refined = [
        last_brackets(stand_in.answer_critique(*each)) for each in zip(prompts, components, initial, strict=True)
    ]
    changed = [i for i, prompt in enumerate(prompts) if refined[i] != prompt]
    before, after, numbers = ([values[i] for i in changed] for values in (prompts, refined, seeds))
    sets = []
    for k in ks:
        images = dict(zip(changed, generate(pipe, before, numbers, after, k), strict=True))
        sets.append([images.get(i, image) for i, image in enumerate(initial)])
    return sets


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
