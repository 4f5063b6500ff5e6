"""PickScore: which picture people would pick, learnt from choices between two.

Formula: s * cos(E_image, E_text), with a CLIP ViT-H/14 trained on those choices and its own scale s, about 100. Real
pictures mostly lie between 17 and 24; higher is better. A prompt is cut at 77 tokens. A table's value is the mean over
images.

Source: Kirstain et al. 2023, "Pick-a-Pic: An Open Dataset of User Preferences for Text-to-Image Generation".
"""

from collections.abc import Callable
from functools import cached_property, lru_cache

from PIL import Image

from detailscribe.engines.metric_weights import LOCAL_DIR
from detailscribe.engines.weight_records import resolve_model_path
from detailscribe.engines.weights import local_folder
from detailscribe.errors import SetupError
from detailscribe.scores.preparation import cropped

ALGORITHM = 1
LIBRARIES = ("torch", "transformers", "tokenizers", "pillow")
TOKENS = 77
RECIPE = {"tokens": TOKENS, "picture": "Pillow, bicubic, centre crop"}


class Scorer:
    """A loaded PickScore."""

    def __init__(self, model, tokenizer, where):
        self._model, self._tokenizer, self._where = model, tokenizer, where
        self._said = lru_cache(maxsize=4096)(self._encode)  # a prompt comes once an image set

    def score(self, prompts: list[str], images: list[Image.Image]) -> list[float]:
        """PickScore of each pair, one at a time; images of any mode and size. No pairs, no scores."""
        import torch

        scores = []
        side = self._model.config.vision_config.image_size
        # The patches go through a convolution, which a card would else compute in TF32.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            for prompt, image in zip(prompts, images, strict=True):
                pixels = torch.from_numpy(cropped(image, side))[None].to(self._where)
                seen = self._model.visual_projection(self._model.vision_model(pixel_values=pixels).pooler_output)
                agreement = torch.nn.functional.cosine_similarity(seen, self._said(prompt))
                scores.append((self._model.logit_scale.exp() * agreement).item())
        return scores

    def _encode(self, prompt: str):
        ids = self._tokenizer(prompt, truncation=True, max_length=TOKENS, return_tensors="pt").input_ids
        return self._model.text_projection(self._model.text_model(input_ids=ids.to(self._where)).pooler_output)

    @cached_property
    def weights(self) -> str:
        """Digest of the weights and the vocabulary loaded."""
        from detailscribe.engines.metric_weights import state_digest
        from detailscribe.files.digests import digest

        return digest([state_digest(self._model.state_dict()), self._tokenizer.get_vocab()])


def load(parameters: dict) -> Scorer:
    """Load PickScore.

    Args:
        parameters: `model`, "yuvalkirstain/PickScore_v1" or "local-dir:FOLDER" with a CLIP in transformers' form and
            its tokenizer; `revision` of the repository.

    Raises:
        SetupError: the model cannot be found, fetched or loaded.
    """
    from detailscribe.engines.torch_setup import default_device  # before transformers

    from transformers import CLIPModel  # isort: skip

    try:
        model = CLIPModel.from_pretrained(_place(parameters), revision=parameters["revision"] or None)
    except (OSError, ValueError, RuntimeError) as error:
        first_line = str(error).strip().partition("\n")[0]
        raise SetupError(
            f"{parameters['model']} could not be loaded ({first_line}): connect to the network once, or set `model` to "
            "local-dir:FOLDER"
        ) from error
    return Scorer(model.float().eval().to(default_device()), _tokenizer(parameters), default_device())


def reader(parameters: dict) -> Callable[[dict], tuple[int, int]]:
    """A function of a record that counts the tokens of its prompt with start and end: (there, read)."""
    tokenizer = _tokenizer(parameters)

    def count(record: dict) -> tuple[int, int]:
        there = len(tokenizer(record["prompt"], verbose=False).input_ids)
        return there, min(there, TOKENS)

    return count


def weights(parameters: dict) -> list[dict]:
    """What `load` fetches from the hub: repository, revision, files."""
    if parameters["model"].startswith(LOCAL_DIR):
        return []
    files = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"]
    return [{"repository": parameters["model"], "revision": parameters["revision"], "files": files}]


def _place(parameters: dict) -> str:
    place = resolve_model_path(parameters["model"].removeprefix(LOCAL_DIR), parameters["revision"])
    return str(local_folder(place) or place)


def _tokenizer(parameters: dict):
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(_place(parameters), revision=parameters["revision"] or None)
