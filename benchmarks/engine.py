"""How long the candidates of a prompt take: the released way, plain diffusers, and this engine in each profile.

All ways draw the same candidates (k = 0, 1, 2, 4 at 28 steps, guidance 4.5) from the same randomly initialised model in
one run, one after the other in every round, and each way's fastest round counts. What is timed is one prompt's
refinement, its texts encoded; loading and compiling come before and are told apart.

(a) released: one call of the pipeline an image, texts encoded at every call, callback switch, NF4 and model offload;
    a CUDA card only.
(b) plain: the same without offload and quantisation.
(c) this engine, by the profiles of config/config.yaml.

On a CUDA card the model is SD3.5-large at 1024 x 1024 in bf16. On a processor it is a mid-size one at 128 x 128 in
fp32 with the same proportions between the weights of its parts: the T5 encoder has 0.6 times the transformer's, the two
CLIPs 0.1 times, T5's feed-forward is 2.5 times its width. So small a picture has fewer parts than its text, and what
plain diffusers repeats, encoding texts and reading weights, weighs more than at 1024 px: the ratios of a processor are
not those of a card. How much a text weighs is printed.

    python benchmarks/engine.py [--tiny] [--rounds N] [--profiles exact ...]

The last line is JSON. `rows_per_prompt` counts a row of the transformer for each image and step, the second one that
guidance adds left out; it and `encoder_calls_per_text` are those of this engine. `speedup_vs_plain` and
`speedup_vs_released` are of its fastest profile without quantisation, `profile`.
"""

import argparse
import gc
import importlib.metadata
import json
import logging
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
import yaml

from detailscribe.engines import torch_setup
from detailscribe.engines.load import load_engine
from detailscribe.errors import SetupError

KS = [0, 1, 2, 4]
GENERATION = {"steps": 28, "guidance": 4.5, "swap_pooled": False}
PROMPT = "A fox and a parrot perch on a narrow branch, balancing while they exchange glances."
REFINED = f"{PROMPT} The claws of the parrot hold the branch, the fox stands on four whole legs, and both look up."
LOSSLESS = ("exact", "fast")
PROFILES = [*LOSSLESS, "faster", "paper"]
# Sizes: image and texts, transformer (width, layers), T5 (width, layers), CLIPs (width, layers each), decoder's width.
SIZES = {
    "large": {
        "px": 1024,
        "tokens": 512,
        "transformer": (2432, 38),
        "t5": (4096, 24),
        "clips": ((768, 12), (1280, 32)),
        "vae": 128,
    },
    "middle": {
        "px": 128,
        "tokens": 128,
        "transformer": (320, 6),
        "t5": (320, 11),
        "clips": ((128, 3), (192, 4)),
        "vae": 16,
    },
    "tiny": {"px": 64, "tokens": 32, "transformer": (64, 2), "t5": (64, 2), "clips": ((32, 2), (32, 2)), "vae": 8},
}


def build(size: dict, device: torch.device, dtype: torch.dtype):
    """A Stable Diffusion 3.5 of this size with random weights."""
    from diffusers import (
        AutoencoderKL,
        FlowMatchEulerDiscreteScheduler,
        SD3Transformer2DModel,
        StableDiffusion3Pipeline,
    )
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection, T5Config, T5EncoderModel

    from detailscribe.miniature.assembly import clip_tokenizer
    from detailscribe.miniature.models.sd3_text import t5_tokenizer

    tokenizers = [clip_tokenizer("<|endoftext|>", 77), clip_tokenizer("!", 77), t5_tokenizer()]
    (width, layers), (t5_width, t5_layers), head = size["transformer"], size["t5"], 64 if size["px"] > 64 else 16
    torch.manual_seed(0)
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    with device:
        clips = [
            CLIPTextModelWithProjection(
                CLIPTextConfig(
                    vocab_size=len(tokenizer),
                    hidden_size=clip_width,
                    intermediate_size=4 * clip_width,
                    projection_dim=clip_width,
                    num_hidden_layers=clip_layers,
                    num_attention_heads=max(1, clip_width // 64),
                    eos_token_id=tokenizer.eos_token_id,
                    bos_token_id=tokenizer.bos_token_id,
                    pad_token_id=tokenizer.pad_token_id,
                )
            )
            for tokenizer, (clip_width, clip_layers) in zip(tokenizers, size["clips"], strict=False)
        ]
        t5 = T5EncoderModel(
            T5Config(
                vocab_size=len(tokenizers[2]),
                d_model=t5_width,
                d_kv=head,
                d_ff=t5_width * 5 // 2,
                num_layers=t5_layers,
                num_heads=t5_width // head,
                feed_forward_proj="gated-gelu",
                is_encoder_decoder=False,
                use_cache=False,
            )
        )
        transformer = SD3Transformer2DModel(
            sample_size=size["px"] // 8,
            num_layers=layers,
            attention_head_dim=head,
            num_attention_heads=width // head,
            caption_projection_dim=width,
            joint_attention_dim=t5_width,
            pooled_projection_dim=sum(clip_width for clip_width, _ in size["clips"]),
            out_channels=16,
            pos_embed_max_size=max(32, size["px"] // 16 * 3),
            qk_norm="rms_norm",
        )
        vae = AutoencoderKL(
            block_out_channels=tuple(size["vae"] * factor for factor in (1, 2, 4, 4)),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            latent_channels=16,
            norm_num_groups=min(32, size["vae"]),
            use_quant_conv=False,
            use_post_quant_conv=False,
            scaling_factor=1.5305,
            shift_factor=0.0609,
        )
    torch.set_default_dtype(default)
    parts = {"text_encoder": clips[0], "text_encoder_2": clips[1], "text_encoder_3": t5}
    names = ("tokenizer", "tokenizer_2", "tokenizer_3")
    return StableDiffusion3Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        transformer=transformer.eval(),
        vae=vae.eval(),
        **{name: part.eval() for name, part in parts.items()},
        **dict(zip(names, tokenizers, strict=True)),
    )


class Plain:
    """One pipeline call an image, as the released code draws them; counts as the engine does."""

    def __init__(self, pipe, size: dict):
        self.pipe, self.size, self.steps = pipe, size, GENERATION["steps"]
        self.counts = {"encoder_calls": 0, "transformer_rows": 0}
        pipe.text_encoder.register_forward_hook(lambda *_: self._count("encoder_calls", 1))
        pipe.transformer.register_forward_pre_hook(
            lambda _, args, kwargs: self._count("transformer_rows", len(kwargs["hidden_states"])), with_kwargs=True
        )

    @torch.no_grad()
    def refine(self, prompt: str, refined: str, seed: int, ks: list[int]) -> list:
        return [self._image(prompt, refined, seed, k) for k in ks]

    def _image(self, prompt: str, refined: str, seed: int, k: int):
        swap = {}
        if k:
            embeds, negative, _, _ = self.pipe.encode_prompt(
                refined, None, None, max_sequence_length=self.size["tokens"]
            )
            swap = {"prompt_embeds": torch.cat([negative, embeds])}
        return self.pipe(
            prompt if k else refined,
            height=self.size["px"],
            width=self.size["px"],
            num_inference_steps=self.steps,
            guidance_scale=GENERATION["guidance"],
            max_sequence_length=self.size["tokens"],
            generator=torch.Generator("cpu").manual_seed(seed),
            callback_on_step_end=lambda _, i, time, tensors: dict(swap) if i == k else {},
        ).images[0]

    def _count(self, name: str, number: int) -> None:
        self.counts[name] += number


def floor(pipe, size: dict, rows: int, texts: int) -> dict:
    """What the work of one prompt must take: operations at the speed of a large product, bytes at that of a copy."""
    from torch.utils.flop_counter import FlopCounterMode

    where, dtype = pipe.transformer.device, pipe.transformer.dtype

    def operations(work) -> int:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            work()
        return counter.get_total_flops()

    side, length = size["px"] // 8, size["tokens"] + 77
    row = operations(
        lambda: pipe.transformer(
            hidden_states=torch.zeros(1, 16, side, side, device=where, dtype=dtype),
            timestep=torch.zeros(1, device=where),
            encoder_hidden_states=torch.zeros(1, length, size["t5"][0], device=where, dtype=dtype),
            pooled_projections=torch.zeros(1, pipe.transformer.config.pooled_projection_dim, device=where, dtype=dtype),
        )
    )
    text = operations(
        lambda: pipe.encode_prompt(
            PROMPT, None, None, do_classifier_free_guidance=False, max_sequence_length=size["tokens"]
        )
    )
    picture = operations(lambda: pipe.vae.decode(torch.zeros(1, 16, side, side, device=where, dtype=dtype)))
    weights = sum(p.numel() * p.element_size() for p in pipe.transformer.parameters())
    total = rows * row + texts * text + len(KS) * picture
    edge = 8192 if where.type == "cuda" else 1024
    one = torch.randn(edge, edge, device=where, dtype=dtype)
    product_s = timed(lambda: one @ one, where, 20)
    block = torch.empty(2**28, dtype=torch.uint8, device=where)
    copy_s = timed(lambda: block.clone(), where, 5)
    speed, bandwidth = 2 * edge**3 / product_s, 2 * block.numel() / copy_s
    calls = GENERATION["steps"]
    print(
        f"Work of a prompt: {total / 1e12:.3g} TFLOP ({rows} rows of {row / 1e9:.3g} GFLOP, {texts} texts of "
        f"{text / 1e9:.3g}, {len(KS)} pictures of {picture / 1e9:.3g}); a text is {text / row:.2f} of a row, where in "
        "SD3.5-large it is 0.1 at 1024 px and 0.7 at 256 px\n"
        f"Weights of the transformer: {weights / 1e9:.3g} GB, read {calls} times\n"
        f"Measured here: {speed / 1e9:.4g} GFLOP/s in a product of {edge}, {bandwidth / 1e9:.3g} GB/s in a copy\n"
        f"Floor: {max(total / speed, calls * weights / bandwidth):.3g} s"
    )
    return {"flops": total, "floor_s": max(total / speed, calls * weights / bandwidth)}


def timed(work, where: torch.device, rounds: int = 1) -> float:
    """Seconds of the fastest of some rounds."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        if where.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def release(where: torch.device) -> None:
    """Let go of what nothing holds any longer."""
    gc.collect()
    if where.type == "cuda":
        torch.cuda.empty_cache()


def ways(folder: Path, size: dict, cuda: bool, profiles: list[str]) -> dict:
    """How to make each way, by name; a way that cannot run here raises a sentence when it is made."""
    config = yaml.safe_load((Path(__file__).parents[1] / "config" / "config.yaml").read_text(encoding="utf-8"))
    fixed = {"path": str(folder), "revision": "benchmark", "size_px": size["px"], "max_sequence_length": size["tokens"]}

    def profile(name: str) -> dict:
        entry = config["image_models"][f"sd35_large_{name}"] | fixed
        return entry | ({"precision": "fp32"} if not cuda and entry["precision"] == "bf16" else {})

    made = {"a released": lambda: Plain(load_engine(profile("paper"), GENERATION).pipe, size)}
    made["b plain"] = lambda: Plain(load_engine(profile("exact"), GENERATION).pipe, size)
    for name in profiles:
        made[f"c {name}"] = lambda name=name: load_engine(profile(name), GENERATION)
    return made


def measure(made: dict, rounds: int, where: torch.device) -> tuple[dict, dict]:
    """Times of every way that runs, and why the others do not.

    A card holds one way at a time; on a processor all stay loaded and take turns, so that other load falls on all.
    """
    results, skipped = {}, {}
    groups = [[name] for name in made] if where.type == "cuda" else [list(made)]
    for group in groups:
        loaded = {}
        for name in group:
            if where.type == "cuda":
                torch.cuda.reset_peak_memory_stats()
            start = time.perf_counter()
            try:
                loaded[name] = made[name]()
                loaded[name].steps = max(KS) + 2  # every number of rows is met, and compiled for
                loaded[name].refine(PROMPT, REFINED, 1, KS)
                loaded[name].steps = GENERATION["steps"]
            except SetupError as error:
                skipped[name] = str(error)
                loaded.pop(name, None)
                print(f"{name:12} cannot run here: {error}", flush=True)
                continue
            ready_s = time.perf_counter() - start
            print(f"{name:12} loaded, compiled and warm after {ready_s:.1f} s", flush=True)
            results[name] = {"ready_s": round(ready_s, 1), "seconds": [], "cpu_seconds": []}
        for number in range(rounds):
            for name, way in loaded.items():
                if hasattr(way, "prepare"):
                    way.prepare([])  # forget this prompt's texts, not the empty one
                before, cpu = dict(way.counts), time.process_time()
                seconds = timed(lambda way=way, number=number: way.refine(PROMPT, REFINED, 2 + number, KS), where)
                result = results[name]
                result["seconds"].append(seconds)
                result["cpu_seconds"].append(time.process_time() - cpu)
                result |= {key: way.counts[key] - before[key] for key in before}
                print(f"{name:12} round {number + 1}: {seconds:.2f} s", flush=True)
        if where.type == "cuda" and group[0] in results:
            results[group[0]]["peak_gb"] = round(torch.cuda.max_memory_allocated() / 1e9, 1)
        if where.type == "cuda":
            loaded.clear()
            way = None  # the loop's name for it
            release(where)
    return results, skipped


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the candidates of a prompt in every way.")
    parser.add_argument("--tiny", action="store_true", help="a tiny model, to try the benchmark itself")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--profiles", nargs="+", default=PROFILES, choices=PROFILES, help="exact or fast among them")
    arguments = parser.parse_args()
    where = torch_setup.default_device()
    cuda = where.type == "cuda"
    size = SIZES["tiny" if arguments.tiny else "large" if cuda else "middle"]
    device = torch.cuda.get_device_name() if cuda else f"CPU, {torch.get_num_threads()} thread(s)"
    versions = {name: importlib.metadata.version(name) for name in ("torch", "diffusers", "transformers")}
    print(f"{device}; {size['px']} px; {versions}", flush=True)
    logging.getLogger("diffusers").setLevel(logging.ERROR)  # its remarks on texts that are cut

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        pipe = build(size, where, torch.bfloat16 if cuda else torch.float32).to(where)
        share = {
            name: sum(p.numel() for p in getattr(pipe, name).parameters()) for name in ("transformer", "text_encoder_3")
        }
        print({name: f"{count / 1e6:.1f} M weights" for name, count in share.items()}, flush=True)
        work = floor(pipe, size, 2 * 107, 2)
        pipe.save_pretrained(folder, max_shard_size="10GB")
        del pipe
        release(where)
        results, skipped = measure(ways(folder, size, cuda, arguments.profiles), arguments.rounds, where)

    best = {name: min(result["seconds"]) for name, result in results.items()}
    print(
        f"\n{'way':12} {'s/prompt':>9} {'CPU s':>9} {'rows':>6} {'texts':>6} {'GB':>6} {'vs plain':>9} {'of floor':>9}"
    )
    for name, result in results.items():
        print(
            f"{name:12} {best[name]:9.2f} {min(result['cpu_seconds']):9.2f} {result['transformer_rows']:6} "
            f"{result['encoder_calls']:6} {result.get('peak_gb', ''):>6} {best['b plain'] / best[name]:9.2f} "
            f"{best[name] / work['floor_s']:9.2f}"
        )
    if not cuda:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"Peak memory of the process, all ways together: {peak:.1f} GB")
    lossless = min((name for name in results if name.removeprefix("c ") in LOSSLESS), key=best.get)
    ratio = {name: round(best["b plain"] / best[name], 3) for name in results}
    released = best.get("a released")
    print(
        json.dumps(
            {
                "rows_per_prompt": results[lossless]["transformer_rows"] // 2,
                "encoder_calls_per_text": results[lossless]["encoder_calls"] / 2,  # p0 and p1; "" was there
                "speedup_vs_released": round(released / best[lossless], 3) if released else None,
                "speedup_vs_plain": ratio[lossless],
                "device": device,
                "profile": lossless.removeprefix("c "),
                "speedups_vs_plain": ratio,
                "cpu_time_vs_plain": {
                    name: round(min(results["b plain"]["cpu_seconds"]) / min(result["cpu_seconds"]), 3)
                    for name, result in results.items()
                },
                "rows_per_prompt_plain": results["b plain"]["transformer_rows"] // 2,
                "encoder_calls_plain": results["b plain"]["encoder_calls"],
                "seconds": {name: round(seconds, 3) for name, seconds in best.items()},
                "floor_s": round(work["floor_s"], 3),
                "skipped": skipped,
                "versions": versions,
            }
        )
    )


if __name__ == "__main__":
    main()
