"""HPSv3's network: Qwen2-VL without its word head, and a small head that reads the state at a mark in the text.

Source: Ma et al. 2025, "HPSv3: Towards Wide-Spectrum Human Preference Score", section 4.1, arXiv:2508.03789; details
that the paper leaves open are those of the authors' package hpsv3 1.0.0.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from detailscribe.errors import SetupError
from detailscribe.scores import blip
from detailscribe.scores.vision_language import loading_errors

if TYPE_CHECKING:
    import torch

HEAD = "rm_head."
WORDS = "model.embed_tokens.weight"
# Names of tensors in the checkpoint, and in transformers' model without a word head.
PREFIXES = {"visual.": "visual.", "model.": "language_model."}
OWN_WORD_HEAD = "lm_head."  # in the checkpoint, and not used


class RewardModel:
    """The network with its head; `network` is transformers' Qwen2-VL, `head` three linear layers in fp32."""

    def __init__(self, network: Any, head: torch.nn.Module):
        self.network, self.head = network, head

    def reward(self, inputs: Any, mark: int) -> tuple[float, float]:
        """Mean and logarithmic spread of the preference of one input: the head's two outputs at the mark.

        Args:
            inputs: Of the processor, a batch of one.
            mark: Number of the mark's token.

        Raises:
            ValueError: the mark is not there exactly once.
        """
        import torch

        ids = inputs["input_ids"]
        at = (ids[0] == mark).nonzero().flatten().tolist()
        if len(at) != 1:
            raise ValueError(f"the text has the mark of the reward {len(at)} times instead of once")
        # Positions count tokens, those of the image too, as the authors train: not Qwen2-VL's rows and columns.
        positions = torch.arange(ids.shape[1], device=ids.device).expand(3, 1, -1)
        names = ("input_ids", "attention_mask", "pixel_values", "image_grid_thw")
        states = self.network(**{name: inputs[name] for name in names}, position_ids=positions, use_cache=False)
        mean, spread = self.head(states.last_hidden_state[0, at[0]].float()).tolist()
        return mean, spread

    def state(self) -> dict[str, torch.Tensor]:
        """All tensors by name."""
        return {**self.network.state_dict(), **{HEAD + name: each for name, each in self.head.state_dict().items()}}


def load_reward_model(file: Path, sizes: Any, dtype: torch.dtype, device: torch.device) -> RewardModel:
    """Load the authors' checkpoint.

    Args:
        file: Tensors under the names of transformers 4.45, in safetensors' format.
        sizes: Configuration of the Qwen2-VL that was trained; its vocabulary is taken from the checkpoint.
        dtype: Of the network; the head is always in fp32.

    Raises:
        SetupError: the file cannot be read or is not such a checkpoint.
    """
    import torch
    from safetensors.torch import load_file
    from transformers import Qwen2VLModel

    with loading_errors(str(file), "the weights of HPSv3"):
        state = load_file(file)
    if lacking := [name for name in (WORDS, f"{HEAD}0.weight", f"{HEAD}5.weight") if name not in state]:
        raise SetupError(f"{file} is not the checkpoint of HPSv3: it has no {lacking[0]}; correct `model`")
    sizes.text_config.vocab_size = state[WORDS].shape[0]
    head = _head({name.removeprefix(HEAD): each for name, each in state.items() if name.startswith(HEAD)}, file)
    body = {name: each for name, each in state.items() if not name.startswith((HEAD, OWN_WORD_HEAD))}
    with loading_errors(str(file), "the weights of HPSv3"), torch.device("meta"):
        expected = Qwen2VLModel(sizes).state_dict()
    body = blip.rename_state(body, PREFIXES)
    _check_names(body, expected, file)
    with loading_errors(str(file), "the weights of HPSv3"):
        network = Qwen2VLModel.from_pretrained(None, config=sizes, state_dict=body, dtype=dtype)
    _round_frequencies(network)
    return RewardModel(network.eval().to(device), head.eval().to(device))


def _head(state: dict, file: Path) -> torch.nn.Module:
    """The head with the sizes of its tensors; without the dropout, which only training uses."""
    from torch import nn

    (first, width), (second, _), (outputs, _) = (state[f"{n}.weight"].shape for n in (0, 3, 5))
    head = nn.Sequential(
        *(nn.Linear(width, first), nn.ReLU(), nn.Identity()),
        *(nn.Linear(first, second), nn.ReLU(), nn.Linear(second, outputs)),
    )
    blip.load_strictly(head, state, f"the head in {file}")
    return head.float()


def _check_names(found: dict, expected: dict, file: Path) -> None:
    """Refuse what transformers would only warn of: tensors that are missing, unknown, or of another shape."""
    wrong = sorted(found.keys() ^ expected.keys())
    wrong = wrong or [name for name, each in expected.items() if found[name].shape != each.shape]
    if wrong:
        raise SetupError(
            f"{file} is not the checkpoint of HPSv3: {wrong[0]} is missing, unknown or of another shape "
            f"({len(wrong)} tensors are); correct `model`, or `vocabulary`, whose config.json gives the sizes"
        )


def _round_frequencies(network: Any) -> None:
    """Keep the rotary frequencies in bfloat16, as the authors' code does in training and use.

    At position 800 the rounding turns pairs of coordinates by up to 0.9 radian: without it, it is another model.
    """
    import torch

    for name, buffer in network.named_buffers():
        if name.endswith("inv_freq"):
            buffer.copy_(buffer.to(torch.bfloat16).to(buffer.dtype))
