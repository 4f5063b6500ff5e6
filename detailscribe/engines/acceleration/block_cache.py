"""First-block cache: a step reuses what all blocks but the first did in an earlier step, if the first changed little.

At each step the transformer's first block runs. Its residual (output minus input, of the image's tokens) is compared
with that of the run's last whole step: where the relative L1 difference is below a threshold, what the other blocks
added in that step is added again instead of running them. Only the image's tokens count: the last block of Stable
Diffusion 3 has no output for the text.

Each run has residuals of its own, both rows of a guided step decided together, and a run that forks starts with none:
which image reuses what depends on the prompt's own batch alone.

Source: First Block Cache of ParaAttention, https://github.com/chengzeyi/ParaAttention, after TeaCache,
https://arxiv.org/abs/2411.19108. diffusers' own hook needs a `cache_context`, which SD3Transformer2DModel has not, and
decides for a whole batch.
"""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch


@dataclass
class Residuals:
    """Residuals of a run's last whole step: of the first block, and of the others together.

    Each (rows, tokens, width); with guidance the empty prompt's row comes first. None before the first step.
    """

    first: torch.Tensor | None = None
    others: torch.Tensor | None = None

    def difference(self, residual: torch.Tensor) -> torch.Tensor:
        """Relative L1 difference of a first block's residual from the kept one, 0-dimensional; infinite without one.

        A step with fewer rows, without guidance, is compared with the conditional row.
        """
        if self.first is None or len(self.first) < len(residual):
            return torch.tensor(math.inf, device=residual.device)
        kept = self.first[-len(residual) :].float()
        return (residual.float() - kept).abs().mean() / kept.abs().mean()


class CachedBlocks(torch.nn.Module):
    """All blocks of a transformer as one block, for one step of some runs.

    Args:
        blocks: The transformer's blocks, at least two.
        residuals: Of each run; updated where a run goes through every block.
        threshold: Runs below it reuse; 0 never does.

    Attributes:
        reused: Number of rows that went through the first block only.
    """

    def __init__(self, blocks: torch.nn.ModuleList, residuals: list[Residuals], threshold: float):
        super().__init__()
        self.first, self.others = blocks[0], blocks[1:]
        self.residuals, self.threshold, self.reused = residuals, threshold, 0

    def forward(
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        temb: torch.Tensor,
        joint_attention_kwargs: dict | None = None,
    ) -> tuple[torch.Tensor | None, torch.Tensor]:
        """The blocks' output for the text (None after the last block) and for the image, as of one block.

        Rows are ordered as in `sd3_steps.take_step`: first all rows of the empty prompt, then all others.
        """
        runs = len(self.residuals)
        text, image = self.first(
            hidden_states=hidden_states,
            encoder_hidden_states=encoder_hidden_states,
            temb=temb,
            joint_attention_kwargs=joint_attention_kwargs,
        )
        residual = (image - hidden_states).unflatten(0, (-1, runs))  # (halves, runs, tokens, width)
        differences = [kept.difference(residual[:, run]) for run, kept in enumerate(self.residuals)]
        whole = [run for run, far in enumerate(torch.stack(differences).tolist()) if not far < self.threshold]
        through = image
        if whole:
            rows = (torch.arange(len(image)).unflatten(0, (-1, runs)))[:, whole].flatten().to(image.device)
            through, text, temb = image[rows], text[rows], temb[rows]
            for block in self.others:
                text, through = block(
                    hidden_states=through,
                    encoder_hidden_states=text,
                    temb=temb,
                    joint_attention_kwargs=joint_attention_kwargs,
                )
            through = through.unflatten(0, (-1, len(whole)))
        outputs, before = [], image.unflatten(0, (-1, runs))
        for run, kept in enumerate(self.residuals):
            if run in whole:
                output = through[:, whole.index(run)]
                kept.first, kept.others = residual[:, run].clone(), output - before[:, run]
            else:
                assert kept.others is not None, "a run without residuals is never near"
                output = before[:, run] + kept.others[-len(residual) :]
            outputs.append(output)
        self.reused = (runs - len(whole)) * len(residual)
        return None, torch.stack(outputs, dim=1).flatten(0, 1)


@contextlib.contextmanager
def cached_blocks(transformer: Any, residuals: list[Residuals], threshold: float) -> Iterator[CachedBlocks]:
    """Let one call of a SD3Transformer2DModel go through CachedBlocks; the model is as before at the end."""
    blocks = transformer.transformer_blocks
    cached = CachedBlocks(blocks, residuals, threshold)
    transformer.transformer_blocks = torch.nn.ModuleList([cached])
    try:
        yield cached
    finally:
        transformer.transformer_blocks = blocks
