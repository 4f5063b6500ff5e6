"""Vision-language models in transformers' form that metrics read by their logits: files, precision, loading, questions.

Images are prepared and questions wrapped by the model's own processor and chat template, as its authors do.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from detailscribe.engines.gpu.device_errors import device_error
from detailscribe.engines.metric_weights import LOCAL_DIR
from detailscribe.engines.weight_records import resolve_model_path
from detailscribe.engines.weights import local_folder
from detailscribe.errors import SetupError

if TYPE_CHECKING:
    import torch

LIBRARIES = ("torch", "torchvision", "transformers", "tokenizers", "pillow")
# Everything but weights that transformers reads, and the weights; no second format, and no code.
TOKENIZER_FILES = ["*.json", "*.jinja", "*.txt", "*.model", "!*/*"]
MODEL_FILES = [*TOKENIZER_FILES, "*.safetensors", "!consolidated*"]
PRECISIONS = {"bf16": "bfloat16", "fp32": "float32"}


def torch_dtype(parameters: dict) -> torch.dtype:
    """The number format of a metric's `precision`, bf16 if it has none.

    Raises:
        SetupError: it is neither bf16 nor fp32.
    """
    import torch

    precision = parameters.get("precision", "bf16")
    if precision not in PRECISIONS:
        raise SetupError(f"precision {precision!r} of {parameters['module']} is neither bf16 nor fp32: correct it")
    return getattr(torch, PRECISIONS[precision])


def model_path(model: str, revision: str) -> str:
    """Folder of a `model`, "local-dir:FOLDER" or a repository that was fetched; otherwise the hub repository itself."""
    path = resolve_model_path(model.removeprefix(LOCAL_DIR), revision)
    return str(local_folder(path) or path)


def hub_entry(model: str, revision: str, files: list[str]) -> list[dict]:
    """What to fetch of a `model`: its hub repository with these files; nothing of a folder on this machine."""
    if model.startswith(LOCAL_DIR):
        return []
    return [{"repository": model, "revision": revision, "files": files}]


@contextlib.contextmanager
def loading_errors(model: str, what: str) -> Iterator[None]:
    """Turn what transformers raises for files that it cannot find or read into one sentence.

    Args:
        model: As in the config.
        what: Kind of model that was expected, for the message.

    Raises:
        SetupError: in their place. Faults of a GPU stay what they are.
    """
    try:
        yield
    except SetupError:
        raise
    except Exception as error:
        if device_error(error):
            raise
        first_line = str(error).strip().partition("\n")[0]
        raise SetupError(
            f"{model} could not be loaded as {what} ({first_line}): correct `model`, connect to the network once, or "
            "set `model` to local-dir:FOLDER"
        ) from error


def load_tokenizer(model: str, revision: str) -> Any:
    """Tokenizer of a model, without its weights.

    Raises:
        SetupError: it cannot be found or read.
    """
    from detailscribe.engines import torch_setup  # noqa: F401 - before transformers

    from transformers import AutoTokenizer  # isort: skip

    with loading_errors(model, "a model with a tokenizer"):
        return AutoTokenizer.from_pretrained(model_path(model, revision), revision=revision or "main")


def load_processor(model: str, revision: str) -> Any:
    """Processor of a model: tokenizer, preparation of images, and chat template.

    Raises:
        SetupError: it cannot be found or read, or has no chat template or no preparation of images.
    """
    from transformers import AutoProcessor

    with loading_errors(model, "a vision-language model"):
        processor = AutoProcessor.from_pretrained(model_path(model, revision), revision=revision or "main")
    lacking = [name for name in ("image_processor", "chat_template") if not getattr(processor, name, None)]
    if lacking:
        lacks = " and no ".join(name.replace("_", " ") for name in lacking)
        raise SetupError(f"{model} has no {lacks}: name an instruct model that answers questions about images")
    return processor


def load_network(model: str, revision: str, dtype: torch.dtype, device: torch.device) -> Any:
    """The network of an image-text-to-text model, ready to score.

    Raises:
        SetupError: it cannot be found, downloaded or loaded, or transformers knows no such model.
    """
    from transformers import AutoModelForImageTextToText

    with loading_errors(model, "a vision-language model"):
        network = AutoModelForImageTextToText.from_pretrained(
            model_path(model, revision), revision=revision or "main", dtype=dtype
        )
    return network.eval().to(device)


def model_inputs(processor: Any, image: Any, text: str, **options: object) -> Any:
    """Inputs of one question about one RGB image, as a user's turn with the start of the answer; a batch of one.

    Args:
        options: Of the chat template.
    """
    content = [{"type": "image", "image": image}, {"type": "text", "text": text}]
    return processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        **options,
    )


def weights_digest(state: dict[str, torch.Tensor], processor: Any) -> str:
    """Digest of all that decides a score: tensors by name, vocabulary, chat template, preparation of images."""
    import json

    from detailscribe.engines.metric_weights import state_digest
    from detailscribe.files.digests import digest

    images = json.loads(processor.image_processor.to_json_string())
    parts = [processor.tokenizer.get_vocab(), processor.chat_template, images]
    return digest([state_digest(state), *parts])
