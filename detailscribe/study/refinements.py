"""Refinements and selections: steps of a study that start from images of an earlier step (`image_graph`).

A critic with `after_step` is a refinement of its own (the prompt switch); so is a rewriter with `of`. Others are
entries of `refiners`, whose module says which image sets they make (`methods/refiners/__init__.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from detailscribe.study.plugins import load_plugin

if TYPE_CHECKING:
    from types import ModuleType

PACKAGE = "detailscribe.methods.refiners"
REQUIRED_NAMES = ("ALGORITHM", "SETTINGS", "graph", "request")
INITIAL = "initial"  # in `of` and `among`: the image of the first seed
PROMPT_SWITCH, FROM_SCRATCH = "prompt_switch", "from_scratch"


@dataclass(frozen=True)
class Refinement:
    """Image sets that one step makes from the images of another.

    Attributes:
        name: Of its parameters, refine-{name}.
        refiner: Module that draws it.
        of: Image set or selection that it starts from.
        image_sets: What it makes, each with the settings that set it apart, such as {"k": 1} or {"strength": 0.6}.
        text: Critic or rewriter whose refined prompts it draws; empty: the own prompts of `of`.
        settings: Settings that its image sets share.
        image_model: Entry of `image_models`; empty: the study's own.
        reads_image: Whether it needs the images of `of`, or their prompts and seeds alone.
    """

    name: str
    refiner: str
    of: str
    image_sets: dict[str, dict]
    text: str = ""
    settings: dict = field(default_factory=dict)
    image_model: str = ""
    reads_image: bool = True


@dataclass(frozen=True)
class Selection:
    """The best of some image sets for each prompt, by one metric or judge: an image set of its own to later steps.

    Attributes:
        name: Of the selection.
        among: Image sets and selections; the first of them wins a tie.
        by: A metric, or judge-{name}.
        rank: 1 for the best, 2 for the second best, which a search with several beams goes on from.
    """

    name: str
    among: tuple[str, ...]
    by: str
    rank: int = 1


@dataclass(frozen=True)
class RefinerEntry:
    """An entry of `refiners`, as its module's `graph` gets it.

    Attributes:
        name: Of the entry.
        refiner: Its module.
        of: Image set or selection to start from; by default what the critic in `text` looked at.
        text: Critic or rewriter whose refined prompts are drawn; empty for none.
        image_model: Entry of `image_models`; empty: the study's own.
        settings: The module's `SETTINGS`, with the entry's own values.
        reads_image: The module's `READS_IMAGE`.
        steps: Denoising steps of a full run.
        pipeline: Class in diffusers of the image model; empty if there is no such entry, which is an error of its own.
    """

    name: str
    refiner: str
    of: str
    text: str
    image_model: str
    settings: dict
    reads_image: bool
    steps: int
    pipeline: str

    def refinement(
        self, image_sets: dict[str, dict], name: str = "", of: str = "", settings: dict | None = None
    ) -> Refinement:
        """A refinement of this entry.

        Args:
            image_sets: The image sets, each with the settings that set it apart.
            name: If the entry has several; it begins with the entry's.
            of: If it does not start from the entry's own `of`.
            settings: What decides all its images; by default nothing else.
        """
        return Refinement(
            *(name or self.name, self.refiner, of or self.of, image_sets, self.text, settings or {}),
            *(self.image_model, self.reads_image),
        )


@dataclass
class Needs:
    """What some images are made with.

    Attributes:
        image_sets: Image sets that start from no image.
        refined: Image sets by refinement.
        texts: Critics and rewriters of these.
        selections: Selections among them.
        seen: All names of image sets and selections.
    """

    image_sets: list[str] = field(default_factory=list)
    refined: dict[str, list[str]] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    selections: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class RefineJob:
    """Refinements that one job of a shard draws, with one load of one image model.

    Attributes:
        rule: Name of its rule.
        refinements: What it draws.
        image_model: Entry of `image_models`; empty: the study's own.
    """

    rule: str
    refinements: tuple[Refinement, ...]
    image_model: str

    @property
    def image_sets(self) -> list[str]:
        """The image sets that the job makes."""
        return [name for each in self.refinements for name in each.image_sets]


def candidates_of_critic(name: str, entry: dict) -> dict[str, int | None]:
    """Image sets of a critic with their k; None starts from noise with the refined prompt alone."""
    after_step = entry["after_step"]
    if after_step == "none":
        return {}
    return {name: None} if after_step == "scratch" else {f"{name}-k{k}": k for k in after_step}


def load_refiner(name: str) -> ModuleType:
    """Import a refiner by the name of its module, in `methods/refiners` or elsewhere, or by the path of its file.

    Raises:
        InputError, SetupError: as `load_plugin`.
    """
    return load_plugin("refiner", PACKAGE, name, REQUIRED_NAMES)
