"""PickScore against a second implementation: open_clip's towers with the same weights."""

import math

import pytest
import torch

from detailscribe.errors import SetupError
from detailscribe.scores import pick_score
from tests.blip_by_definition import prepared
from tests.sample_images import smooth_image

PROMPTS = ["a fox and a parrot on a branch", "A circle of sunflowers.", "", "fox " * 100]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, miniature):
    """A tiny CLIP in transformers' form, with the miniature's vocabulary."""
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(miniature / "sd3" / "tokenizer")
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**sizes, "vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id, "hidden_act": "gelu"}
    vision = {**sizes, "image_size": 32, "patch_size": 8, "hidden_act": "gelu"}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=32))
        for parameter in model.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.15)
    path = tmp_path_factory.mktemp("pick_score")
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def scorer(folder):
    return pick_score.load({"model": f"local-dir:{folder}", "revision": ""})


def by_definition(folder, prompts, images) -> list[float]:
    """s cos(image, text) of each pair with open_clip's own classes, loaded from the same file."""
    import open_clip
    from safetensors.torch import load_file
    from transformers import CLIPTokenizer

    state = load_file(folder / "model.safetensors")
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    model = open_clip.CLIP(
        embed_dim=32,
        vision_cfg={"image_size": 32, "layers": 2, "width": 64, "patch_size": 8, "head_width": 32, "mlp_ratio": 2.0},
        text_cfg={
            "context_length": 77,
            "vocab_size": len(tokenizer),
            "width": 64,
            "heads": 2,
            "layers": 2,
            "mlp_ratio": 2.0,
        },
    ).eval()
    theirs = {
        "logit_scale": state["logit_scale"],
        "visual.class_embedding": state["vision_model.embeddings.class_embedding"],
        "visual.positional_embedding": state["vision_model.embeddings.position_embedding.weight"],
        "visual.conv1.weight": state["vision_model.embeddings.patch_embedding.weight"],
        "visual.proj": state["visual_projection.weight"].T,
        "positional_embedding": state["text_model.embeddings.position_embedding.weight"],
        "token_embedding.weight": state["text_model.embeddings.token_embedding.weight"],
        "text_projection": state["text_projection.weight"].T,
    }
    norms = {"visual.ln_pre": "vision_model.pre_layrnorm", "visual.ln_post": "vision_model.post_layernorm"}
    for ours, name in (norms | {"ln_final": "text_model.final_layer_norm"}).items():
        theirs |= {f"{ours}.{kind}": state[f"{name}.{kind}"] for kind in ("weight", "bias")}
    for ours, name in {"visual.transformer": "vision_model", "transformer": "text_model"}.items():
        for n in range(2):
            block, layer = f"{ours}.resblocks.{n}", f"{name}.encoder.layers.{n}"
            for kind in ("weight", "bias"):
                attention = [state[f"{layer}.self_attn.{part}_proj.{kind}"] for part in "qkv"]
                theirs[f"{block}.attn.in_proj_{kind}"] = torch.cat(attention)
                theirs[f"{block}.attn.out_proj.{kind}"] = state[f"{layer}.self_attn.out_proj.{kind}"]
                for at, part in (("ln_1", "layer_norm1"), ("ln_2", "layer_norm2")):
                    theirs[f"{block}.{at}.{kind}"] = state[f"{layer}.{part}.{kind}"]
                for at, part in (("c_fc", "fc1"), ("c_proj", "fc2")):
                    theirs[f"{block}.mlp.{at}.{kind}"] = state[f"{layer}.mlp.{part}.{kind}"]
    assert model.load_state_dict(theirs, strict=False).unexpected_keys == []
    # open_clip pools at the highest token number. Make the end token the highest.
    end, last = tokenizer.eos_token_id, len(tokenizer) - 1
    table = model.token_embedding.weight.data
    table[[end, last]] = table[[last, end]]
    scores = []
    for prompt, image in zip(prompts, images, strict=True):
        ids = [
            {end: last, last: end}.get(token, token)
            for token in tokenizer(prompt, truncation=True, max_length=77).input_ids
        ]
        with torch.no_grad():
            image_embedding = model.encode_image(torch.from_numpy(prepared(image, 32, crop=True))[None])[0].double()
            text_embedding = model.encode_text(torch.tensor([ids + [0] * (77 - len(ids))]))[0].double()
        scores.append(
            math.exp(state["logit_scale"])
            * float(image_embedding @ text_embedding / (image_embedding.norm() * text_embedding.norm()))
        )
    return scores


def test_score_is_the_published_formula(scorer, folder):
    images = [smooth_image(40 + 9 * seed, 64, seed=seed) for seed in range(len(PROMPTS))]
    scores = scorer.score(PROMPTS, images)
    assert scores == pytest.approx(by_definition(folder, PROMPTS, images), abs=1e-5)
    assert len({round(score, 2) for score in scores}) == len(PROMPTS)


def test_scores_do_not_depend_on_order_and_weights_have_a_digest(scorer, folder):
    images = [smooth_image(64, 64, seed=seed) for seed in range(len(PROMPTS))]
    together = scorer.score(PROMPTS, images)
    assert scorer.score(PROMPTS[::-1], images[::-1])[::-1] == together
    assert len(scorer.weights) == 64
    count = pick_score.reader({"model": f"local-dir:{folder}", "revision": ""})
    there, read = count({"prompt": "fox " * 100})
    assert (there > 77, read) == (True, 77)


def test_unavailable_weights_are_a_set_up_error(tmp_path):
    with pytest.raises(SetupError, match="could not be loaded"):
        pick_score.load({"model": f"local-dir:{tmp_path}", "revision": ""})
