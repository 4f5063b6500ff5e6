"""How fast the scorers are, against the straightforward way, on networks of the real sizes with random weights.

Straightforward is one image at a time by the same classes: text and picture encoded for every image, a prompt padded to
35 pieces for ImageReward, and for BLIP-VQA, as in T2I-CompBench's code, the image encoded anew for every question and
the network loaded anew for every position of a phrase. Both ways start from the same JPEG files, in turns, in the same
process, on the same threads; the quicker of two rounds counts. `speedup` of blip_vqa leaves all loading out;
`speedup_with_loading` counts it on both sides, as it weighs for `IMAGES_OF_A_SHARD` images.

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
from detailscribe.miniature import blip as random_blip
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
IMAGE_SETS, VQA_IMAGE_SETS = 4, 1  # images of a prompt that are scored; the study has 16
IMAGES_OF_A_SHARD = 800  # of a scenario's 50 prompts
SIZE_PX, ROUNDS = 1024, 2
WHERE = torch_setup.default_device()


def main() -> None:
    """Build, score both ways, print."""
    print(f"{WHERE}, {torch.get_num_threads()} threads, torch {torch.__version__}", flush=True)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        files = pictures(folder)
        results = {}
        for metric in (_clip_score, _image_reward, _blip_vqa):
            name = metric.__name__.strip("_")
            results[name] = metric(folder, files)
            print(f"{name}: {results[name]}", flush=True)
    print(f"\n{'metric':14}{'straightforward':>18}{'ours':>10}{'speed-up':>10}   (images a second)")
    for metric, row in results.items():
        print(f"{metric:14}{row['straightforward']:18.3f}{row['images_per_second']:10.3f}{row['speedup']:10.2f}")
    print(f"BLIP-VQA with loading: {results['blip_vqa']['speedup_with_loading']:.2f}")
    print(json.dumps({**results, "device": str(WHERE)}))


def pictures(folder: Path) -> dict[str, list[Path]]:
    """JPEG files by prompt."""
    stream, files = np.random.default_rng(0), {}
    for at, prompt in enumerate(PROMPTS):
        for n in range(IMAGE_SETS):
            small = Image.fromarray(stream.integers(0, 256, (9, 9, 3), dtype=np.uint8))
            path = folder / f"{at}-{n}.jpg"
            small.resize((SIZE_PX, SIZE_PX), Image.Resampling.BICUBIC).save(path, quality=75)
            files.setdefault(prompt, []).append(path)
    return files


def compared(files: dict[str, list[Path]], straightforward, ours, tolerance: float) -> dict:
    """Time both ways, in turns, image by image.

    Args:
        files: Images by prompt.
        straightforward, ours: Functions of (prompt, opened image) that give a score.
        tolerance: How far the two scores of an image may be apart.
    """
    pairs = [(prompt, file) for prompt, paths in files.items() for file in paths]
    taken = {straightforward: [[] for _ in pairs], ours: [[] for _ in pairs]}
    for round_ in range(ROUNDS):
        getattr(ours, "forget", lambda: None)()
        for at, (prompt, file) in enumerate(pairs):
            scores = []
            for way in (straightforward, ours) if round_ % 2 else (ours, straightforward):
                start = time.perf_counter()
                with Image.open(file) as image:
                    image.load()
                    scores.append(way(prompt, image))
                taken[way][at].append(time.perf_counter() - start)
            assert abs(scores[0] - scores[1]) <= tolerance, (prompt, file.name, scores)
    seconds = {way: sum(map(min, times)) for way, times in taken.items()}
    return {
        "images_per_second": round(len(pairs) / seconds[ours], 4),
        "speedup": round(seconds[straightforward] / seconds[ours], 3),
        "straightforward": round(len(pairs) / seconds[straightforward], 4),
    }


def _clip_score(folder: Path, files: dict[str, list[Path]]) -> dict:
    from safetensors.torch import save_file

    place = folder / "clip"
    place.mkdir()
    config = open_clip.get_model_config("ViT-B-32-quickgelu")
    torch.manual_seed(0)
    model = open_clip.CLIP(**config)
    (place / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    save_file(
        {name: tensor.contiguous() for name, tensor in model.state_dict().items()},
        place / "open_clip_model.safetensors",
    )
    name = f"local-dir:{place}"
    model, _, prepare = open_clip.create_model_and_transforms(name, precision="fp32", device=WHERE)
    model, tokenizer = model.eval(), open_clip.get_tokenizer(name)
    scorer = clip_score.load({"model": name, "pretrained": "", "revision": ""})

    @torch.no_grad()
    def straightforward(prompt: str, image: Image.Image) -> float:
        seen = model.encode_image(prepare(image)[None].to(WHERE), normalize=True)
        said = model.encode_text(tokenizer([clip_score.PREFIX + prompt]).to(WHERE), normalize=True)
        return 2.5 * max((seen @ said.T).item(), 0.0)

    def ours(prompt: str, image: Image.Image) -> float:
        return scorer.score([prompt], [image])[0]

    ours.forget = lambda: scorer._said.cache_clear()
    straightforward(*first(files)), ours(*first(files))
    return compared(files, straightforward, ours, 1e-4)


def _image_reward(folder: Path, files: dict[str, list[Path]]) -> dict:
    place = folder / "image_reward"
    place.mkdir()
    random_blip.save_image_reward(place, vocabulary(), random_blip.IMAGE_REWARD)
    name = f"local-dir:{place}"
    scorer = image_reward.load({"model": name, "revision": "", "vocabulary": name})
    # The same network, so that the two do not differ in where their memory lies.
    model, tokenizer = scorer._model, blip.word_pieces(name)
    prepare = prepared([transforms.Resize(224, BICUBIC), transforms.CenterCrop(224)])

    @torch.no_grad()
    def straightforward(prompt: str, image: Image.Image) -> float:
        seen = model["vision"](pixel_values=prepare(image)[None].to(WHERE)).last_hidden_state
        asked = tokenizer(prompt, padding="max_length", truncation=True, max_length=35, return_tensors="pt").to(WHERE)
        read = model["text"](
            input_ids=asked.input_ids,
            attention_mask=asked.attention_mask,
            encoder_hidden_states=seen,
            encoder_attention_mask=torch.ones(seen.shape[:-1], dtype=torch.long, device=WHERE),
        ).last_hidden_state[:, 0]
        return (model["mlp"](read).item() - image_reward.MEAN) / image_reward.DEVIATION

    def ours(prompt: str, image: Image.Image) -> float:
        return scorer.score([prompt], [image])[0]

    straightforward(*first(files)), ours(*first(files))
    return compared(files, straightforward, ours, 1e-4)


def _blip_vqa(folder: Path, files: dict[str, list[Path]]) -> dict:
    place = folder / "blip_vqa"
    place.mkdir()
    random_blip.save_blip_vqa(place, vocabulary(), random_blip.BLIP_VQA)
    parameters = {"model": f"local-dir:{place}", "revision": "", "vocabulary": f"local-dir:{place}", "size_px": 480}
    start = time.perf_counter()
    scorer = blip_vqa.load(parameters)
    loading_s = time.perf_counter() - start
    model, tokenizer = scorer._model, blip.word_pieces(parameters["vocabulary"])
    enc, yes, no = tokenizer.convert_tokens_to_ids(["[ENC]", "yes", "no"])
    prepare = prepared([transforms.Resize((480, 480), BICUBIC)])

    @torch.no_grad()
    def straightforward(prompt: str, image: Image.Image) -> float:
        answers = []
        for phrase in PROMPTS[prompt]:
            seen = model.vision_model(pixel_values=prepare(image)[None].to(WHERE)).last_hidden_state
            asked = tokenizer(blip_vqa.question(phrase), truncation=True, max_length=35, return_tensors="pt").to(WHERE)
            asked.input_ids[:, 0] = enc
            read = model.text_encoder(
                input_ids=asked.input_ids,
                attention_mask=asked.attention_mask,
                encoder_hidden_states=seen,
                encoder_attention_mask=torch.ones(seen.shape[:-1], dtype=torch.long, device=WHERE),
            ).last_hidden_state
            begin = torch.full((1, 1), model.decoder_start_token_id, device=WHERE)
            shares = model.text_decoder(input_ids=begin, encoder_hidden_states=read).logits[0, 0].softmax(-1)
            answers.append((shares[yes] / (shares[yes] + shares[no])).item())
        return round(math.prod(round(answer, 4) for answer in answers), 4)

    def ours(prompt: str, image: Image.Image) -> float:
        return scorer.score([prompt], [image], [PROMPTS[prompt]])[0]

    few = {prompt: paths[:VQA_IMAGE_SETS] for prompt, paths in files.items()}
    ours(*first(files))
    result = compared(few, straightforward, ours, 2e-4)
    seconds = [1 / result["straightforward"], 1 / result["images_per_second"]]
    with_loading = [each + times * loading_s / IMAGES_OF_A_SHARD for each, times in zip(seconds, (8, 1), strict=True)]
    return result | {
        "loading_s": round(loading_s, 2),
        "speedup_with_loading": round(with_loading[0] / with_loading[1], 3),
    }


BICUBIC = transforms.InterpolationMode.BICUBIC


def prepared(sizes: list):
    """The authors' preparation by torchvision."""
    mean, deviation = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    return transforms.Compose([*sizes, transforms.ToTensor(), transforms.Normalize(mean, deviation)])


def vocabulary() -> list[str]:
    """As many words as BERT's vocabulary has, those of the prompts among them."""
    words = random_blip.vocabulary(list(PROMPTS))
    return words + [f"[unused{n}]" for n in range(30522 - len(words))]


def first(files: dict[str, list[Path]]) -> tuple[str, Image.Image]:
    """A prompt and an image to warm up with."""
    prompt = next(iter(files))
    return prompt, Image.open(files[prompt][0])


if __name__ == "__main__":
    main()
