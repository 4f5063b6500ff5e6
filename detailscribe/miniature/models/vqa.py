"""BLIP-VQA of the miniature: answers yes or no to a phrase about an image. The metric and the critic use it."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from detailscribe.miniature.models import blip, clip
from detailscribe.miniature.models.bert_tokens import bert_ids, bert_words
from detailscribe.miniature.models.training import Plan, augmented, image_batch, normalised
from detailscribe.miniature.models.vqa_questions import PATCH_PX, collage_questions, patch_targets, scene_questions
from detailscribe.miniature.world.arrangements import SIDE_PX
from detailscribe.miniature.world.drawing import draw_scene, random_collage
from detailscribe.miniature.world.scenes import random_scene
from detailscribe.miniature.world.sprites import Sprites
from detailscribe.miniature.world.vocabulary import ENTITIES

PLAN = Plan(steps=8000, batch=24, rate=1e-3, falls=0.5, compiled=False, seed=4)
SIZES = blip.Sizes(128, 3, SIDE_PX, 128, 1, 48, patch_px=PATCH_PX, growth=1)
TOKENS = 12
SHOWN = ((True, True), (True, False), (True, True), (False, True))
PATCH_STD = 1.3  # standard deviation of the trained CLIP's patches before its first normalisation
POSITIVE = 4.0  # weight of a covering entity in the patch loss


class VqaModel(nn.Module):
    """BLIP with several questions per image, and an auxiliary head for the entities per patch.

    The auxiliary head trains the image encoder directly; answers alone would be a weak signal. It is not shipped.
    """

    def __init__(self):
        super().__init__()
        self.model = blip.blip_vqa(bert_words(), SIZES)
        self.entity_there = nn.Linear(SIZES.vision_width, len(ENTITIES))

    def forward(self, images: torch.Tensor, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of each answer's first word, and of the entities per patch.

        Args:
            images: (batch, 3, 96, 96), float32, normalised as for CLIP.
            ids: (batch, questions, 12), int64, padded with 0.

        Returns:
            (batch * questions, words), float32, and (batch, 36 patches, 24 entities), float32.
        """
        patches = self.model.vision_model(pixel_values=images).last_hidden_state
        repeated = patches.repeat_interleave(ids.shape[1], 0)
        flat = ids.flatten(0, 1)
        mask = (flat != 0).long()
        encoded = self.model.text_encoder(input_ids=flat, attention_mask=mask, encoder_hidden_states=repeated)
        # The decoder of transformers attends to padding despite the mask, so group questions by length.
        lengths, parts, rows = mask.sum(1), [], []
        for length in lengths.unique().tolist():
            group = (lengths == length).nonzero()[:, 0]
            start = torch.full((len(group), 1), self.model.decoder_start_token_id, device=ids.device)
            states = encoded.last_hidden_state[group, :length]
            decoded = self.model.text_decoder(input_ids=start, encoder_hidden_states=states, use_cache=False)
            parts.append(decoded.logits[:, 0])
            rows.append(group)
        return torch.cat(parts)[torch.cat(rows).argsort()], self.entity_there(patches[:, 1:])


def build() -> VqaModel:
    """The untrained model."""
    return VqaModel()


@torch.no_grad()
def initialise_from(model: VqaModel, trained_clip: Any) -> None:
    """Initialise the image encoder from a trained CLIP, as BLIP's was from a pre-trained encoder.

    Only an approximation: CLIP has more heads and one more normalisation before its first layer, which is folded into
    the patch embedding on average.
    """
    state = clip.with_normalised_input(trained_clip.state_dict())
    first_norm = trained_clip.visual.ln_pre
    scale = first_norm.weight / PATCH_STD
    kernel, positions = state["visual.conv1.weight"], state["visual.positional_embedding"]
    start = first_norm(state["visual.class_embedding"] + positions[0])
    patches = (positions[1:] - positions[1:].mean(1, keepdim=True)) * scale
    vision = {
        "embeddings.patch_embedding.weight": (kernel - kernel.mean(0)) * scale[:, None, None, None],
        "embeddings.patch_embedding.bias": first_norm.bias,
        "embeddings.class_embedding": start[None, None],
        "embeddings.position_embedding": torch.cat([torch.zeros_like(start)[None], patches])[None],
    }
    names = clip.TRANSFORMERS_NAMES | {"attn.in_proj": "self_attn.qkv", "attn.out_proj": "self_attn.projection"}
    for name, tensor in state.items():
        if name.startswith("visual.transformer.resblocks."):
            layer, rest = name.removeprefix("visual.transformer.resblocks.").split(".", 1)
            part, kind = rest.replace("in_proj_", "in_proj.").rsplit(".", 1)
            vision[f"encoder.layers.{layer}.{names[part]}.{kind}"] = tensor
        elif name.startswith("visual.ln_post."):
            vision[f"post_layernorm.{name.removeprefix('visual.ln_post.')}"] = tensor
    model.model.vision_model.load_state_dict(vision)


class Loss:
    """Answers about scenes, whole or with a missing entity, and about collages; and entities per patch.

    Scenes alone would teach that held-out pairings do not occur; collages teach each entity in any position.
    """

    def __init__(self, sprites: Sprites, device: torch.device):
        self._sprites, self._device = sprites, device
        self._yes, self._no = (bert_words().index(word) for word in ("yes", "no"))

    def __call__(self, model: VqaModel, rng: np.random.Generator, batch: int) -> torch.Tensor:
        drawn, ids, answers, covered = [], [], [], []
        for _ in range(batch):
            if rng.random() < 0.3:
                image, boxes, _ = random_collage(rng, self._sprites, max_sprites=3)
                questions, true = collage_questions({box[0] for box in boxes}, rng)
            else:
                whole = random_scene(rng)
                scene = replace(whole, shown=SHOWN[int(rng.integers(len(SHOWN)))])
                image, boxes = draw_scene(scene, self._sprites), scene.boxes()
                questions, true = scene_questions(scene, whole, rng)
            drawn.append(image)
            covered.append(patch_targets(boxes))
            ids.append([bert_ids(f"{question}?", TOKENS, "[ENC]") for question in questions])
            answers += [self._yes if each else self._no for each in true]
        images = normalised(augmented(image_batch(drawn, self._device), rng))
        logits, patch_logits = model(images, torch.tensor(ids, device=self._device))
        answer_loss = functional.cross_entropy(logits.float(), torch.tensor(answers, device=self._device))
        targets = torch.from_numpy(np.stack(covered)).to(self._device)
        weight = torch.tensor(POSITIVE, device=self._device)
        return answer_loss + functional.binary_cross_entropy_with_logits(
            patch_logits.float(), targets, pos_weight=weight
        )
