"""Speed of the scorers against a straightforward implementation, on networks of the real sizes with random weights.

The straightforward implementation scores one image at a time with the same classes: text and image are encoded for
every image, a prompt is padded to 35 word pieces for ImageReward, and for BLIP-VQA, as in T2I-CompBench's code, the
image is encoded again for every question and the network loaded again for every position of a phrase. Both start from
the same JPEG files, alternately, in the same process and threads; the faster of two rounds counts. `speedup` of
blip_vqa excludes loading; `speedup_with_loading` includes it on both sides, amortised over `IMAGES_PER_SHARD` images.

Usage: python benchmarks/scores.py. The last line is JSON.
"""

import json
import math
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from detailscribe.engines import torch_setup
from detailscribe.miniature.models import blip as random_blip
from detailscribe.scores import blip, blip_vqa, clip_score, image_reward

import open_clip  # isort: skip
from torchvision import transforms  # isort: skip

PROMPTS = {
    "A raccoon in a flour-dusted apron kneads dough with both paws on a wooden table beside a blue bowl and a jug.": [
        *("a raccoon", "a flour-dusted apron", "dough", "both paws", "a wooden table", "a blue bowl", "a jug"),
    ],
    "A fox and a parrot perch on a narrow branch over a river, a red kite and two grey clouds in the evening sky.": [
        *("a fox", "a parrot", "a narrow branch", "a river", "a red kite", "two grey clouds", "the evening sky"),
    ],
}
IMAGE_SETS, VQA_IMAGE_SETS = 4, 1  # images scored per prompt; the study has 16
IMAGES_PER_SHARD = 800  # of a scenario's 50 prompts
SIZE_PX, ROUNDS = 1024, 2
DEVICE = torch_setup.default_device()


def main() -> None:
    """Build the networks, score with both implementations, print."""
    print(f"{DEVICE}, {torch.get_num_threads()} threads, torch {torch.__version__}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = save_images(folder)
        results = {}
        for metric in (_clip_score, _image_reward, _blip_vqa):
            name = metric.__name__.strip("_")
            results[name] = metric(folder, files)
            print(f"{name}: {results[name]}", flush=True)
    print(f"\n{'metric':14}{'straightforward':>18}{'ours':>10}{'speed-up':>10}   (images per second)")
    for metric, row in results.items():
        print(f"{metric:14}{row['straightforward']:18.3f}{row['images_per_second']:10.3f}{row['speedup']:10.2f}")
    print(f"BLIP-VQA with loading: {results['blip_vqa']['speedup_with_loading']:.2f}")
    print(json.dumps({**results, "device": str(DEVICE)}))


def save_images(folder: Path) -> dict[str, list[Path]]:
    """JPEG files by prompt."""
    generator, files = np.random.default_rng(0), {}
    for index, prompt in enumerate(PROMPTS):
        for n in range(IMAGE_SETS):
            small = Image.fromarray(generator.integers(0, 256, (9, 9, 3), dtype=np.uint8))
            path = folder / f"{index}-{n}.jpg"
            small.resize((SIZE_PX, SIZE_PX), Image.Resampling.BICUBIC).save(path, quality=75)
            files.setdefault(prompt, []).append(path)
    return files


def measure(files: dict[str, list[Path]], straightforward, ours, tolerance: float) -> dict:
    """Time both implementations, alternately, per image.

    Args:
        files: Images by prompt.
        straightforward, ours: Functions of (prompt, opened image) that give a score.
        tolerance: Largest allowed difference of the two scores of an image.
    """
    pairs = [(prompt, file) for prompt, paths in files.items() for file in paths]
    seconds_of = {straightforward: [[] for _ in pairs], ours: [[] for _ in pairs]}
    for round_ in range(ROUNDS):
        getattr(ours, "forget", lambda: None)()
        for index, (prompt, file) in enumerate(pairs):
            scores = []
            for implementation in (straightforward, ours) if round_ % 2 else (ours, straightforward):
                start = time.perf_counter()
                with Image.open(file) as image:
                    image.load()
                    scores.append(implementation(prompt, image))
                seconds_of[implementation][index].append(time.perf_counter() - start)
            assert abs(scores[0] - scores[1]) <= tolerance, (prompt, file.name, scores)
    seconds = {implementation: sum(map(min, times)) for implementation, times in seconds_of.items()}
    return {
        "images_per_second": round(len(pairs) / seconds[ours], 4),
        "speedup": round(seconds[straightforward] / seconds[ours], 3),
        "straightforward": round(len(pairs) / seconds[straightforward], 4),
    }


def _clip_score(folder: Path, files: dict[str, list[Path]]) -> dict:
    from safetensors.torch import save_file

    model_folder = folder / "clip"
    model_folder.mkdir()
    config = open_clip.get_model_config("ViT-B-32-quickgelu")
    torch.manual_seed(0)
    model = open_clip.CLIP(**config)
    (model_folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    save_file(
        {name: tensor.contiguous() for name, tensor in model.state_dict().items()},
        model_folder / "open_clip_model.safetensors",
    )
    name = f"local-dir:{model_folder}"
    model, _, prepare = open_clip.create_model_and_transforms(name, precision="fp32", device=DEVICE)
    model, tokenizer = model.eval(), open_clip.get_tokenizer(name)
    scorer = clip_score.load({"model": name, "pretrained": "", "revision": ""})

    @torch.no_grad()
    def straightforward(prompt: str, image: Image.Image) -> float:
        image_embedding = model.encode_image(prepare(image)[None].to(DEVICE), normalize=True)
        text_embedding = model.encode_text(tokenizer([clip_score.PREFIX + prompt]).to(DEVICE), normalize=True)
        return 2.5 * max((image_embedding @ text_embedding.T).item(), 0.0)

    def ours(prompt: str, image: Image.Image) -> float:
        return scorer.score([prompt], [image])[0]

    ours.forget = lambda: scorer._text_embedding.cache_clear()
    straightforward(*first(files)), ours(*first(files))
    return measure(files, straightforward, ours, 1e-4)


def _image_reward(folder: Path, files: dict[str, list[Path]]) -> dict:
    model_folder = folder / "image_reward"
    model_folder.mkdir()
    random_blip.save_image_reward(model_folder, vocabulary(), random_blip.IMAGE_REWARD)
    name = f"local-dir:{model_folder}"
    scorer = image_reward.load({"model": name, "revision": "", "vocabulary": name})
    # The same network, so that both use the same memory.
    model, tokenizer = scorer._model, blip.load_tokenizer(name)
    prepare = prepared([transforms.Resize(224, BICUBIC), transforms.CenterCrop(224)])

    @torch.no_grad()
    def straightforward(prompt: str, image: Image.Image) -> float:
        image_states = model["vision"](pixel_values=prepare(image)[None].to(DEVICE)).last_hidden_state
        tokens = tokenizer(prompt, padding="max_length", truncation=True, max_length=35, return_tensors="pt").to(DEVICE)
        text_states = model["text"](
            input_ids=tokens.input_ids,
            attention_mask=tokens.attention_mask,
            encoder_hidden_states=image_states,
            encoder_attention_mask=torch.ones(image_states.shape[:-1], dtype=torch.long, device=DEVICE),
        ).last_hidden_state[:, 0]
        return (model["mlp"](text_states).item() - image_reward.MEAN) / image_reward.DEVIATION

    def ours(prompt: str, image: Image.Image) -> float:
        return scorer.score([prompt], [image])[0]

    straightforward(*first(files)), ours(*first(files))
    return measure(files, straightforward, ours, 1e-4)


def _blip_vqa(folder: Path, files: dict[str, list[Path]]) -> dict:
    model_folder = folder / "blip_vqa"
    model_folder.mkdir()
    random_blip.save_blip_vqa(model_folder, vocabulary(), random_blip.BLIP_VQA)
    name = f"local-dir:{model_folder}"
    parameters = {"model": name, "revision": "", "vocabulary": name, "size_px": 480}
    start = time.perf_counter()
    scorer = blip_vqa.load(parameters)
    loading_s = time.perf_counter() - start
    model, tokenizer = scorer._model, blip.load_tokenizer(parameters["vocabulary"])
    enc, yes, no = tokenizer.convert_tokens_to_ids(["[ENC]", "yes", "no"])
    prepare = prepared([transforms.Resize((480, 480), BICUBIC)])

    @torch.no_grad()
    def straightforward(prompt: str, image: Image.Image) -> float:
        answers = []
        for phrase in PROMPTS[prompt]:
            image_states = model.vision_model(pixel_values=prepare(image)[None].to(DEVICE)).last_hidden_state
            question = blip_vqa.question_for(phrase)
            tokens = tokenizer(question, truncation=True, max_length=35, return_tensors="pt").to(DEVICE)
            tokens.input_ids[:, 0] = enc
            text_states = model.text_encoder(
                input_ids=tokens.input_ids,
                attention_mask=tokens.attention_mask,
                encoder_hidden_states=image_states,
                encoder_attention_mask=torch.ones(image_states.shape[:-1], dtype=torch.long, device=DEVICE),
            ).last_hidden_state
            begin = torch.full((1, 1), model.decoder_start_token_id, device=DEVICE)
            shares = model.text_decoder(input_ids=begin, encoder_hidden_states=text_states).logits[0, 0].softmax(-1)
            answers.append((shares[yes] / (shares[yes] + shares[no])).item())
        return round(math.prod(round(answer, 4) for answer in answers), 4)

    def ours(prompt: str, image: Image.Image) -> float:
        return scorer.score([prompt], [image], [PROMPTS[prompt]])[0]

    few = {prompt: paths[:VQA_IMAGE_SETS] for prompt, paths in files.items()}
    ours(*first(files))
    result = measure(few, straightforward, ours, 2e-4)
    seconds = [1 / result["straightforward"], 1 / result["images_per_second"]]
    with_loading = [each + times * loading_s / IMAGES_PER_SHARD for each, times in zip(seconds, (8, 1), strict=True)]
    return result | {
        "loading_s": round(loading_s, 2),
        "speedup_with_loading": round(with_loading[0] / with_loading[1], 3),
    }


BICUBIC = transforms.InterpolationMode.BICUBIC


def prepared(sizes: list):
    """The authors' preparation with torchvision."""
    mean, deviation = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    return transforms.Compose([*sizes, transforms.ToTensor(), transforms.Normalize(mean, deviation)])


def vocabulary() -> list[str]:
    """As many words as BERT's vocabulary has, including those of the prompts."""
    words = random_blip.vocabulary(list(PROMPTS))
    return words + [f"[unused{n}]" for n in range(30522 - len(words))]


def first(files: dict[str, list[Path]]) -> tuple[str, Image.Image]:
    """A prompt and an image to warm up with."""
    prompt = next(iter(files))
    return prompt, Image.open(files[prompt][0])


if __name__ == "__main__":
    main()
