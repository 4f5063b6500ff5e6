"""Refinements and selections: steps of a study that start from images of an earlier step (`image_graph`).

A critic with `after_step` is a refinement of its own (the prompt switch); so is a rewriter with `of`. Others are
entries of `refiners`, whose module says which image sets they make (`methods/refiners/__init__.py`).
"""

from __future__ import annotations

import contextlib
import operator
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from detailscribe.errors import InputError, SetupError
from detailscribe.study.plugins import load_plugin, plugin_errors

if TYPE_CHECKING:
    from types import ModuleType

PACKAGE = "detailscribe.methods.refiners"
REQUIRED_NAMES = ("ALGORITHM", "SETTINGS", "graph", "request")
IMAGE_SET = re.compile(r"[a-z][a-z0-9_-]*")  # a name that is also a folder
KINDS: dict = {  # of settings, by the types of their defaults
    bool: "true or false",
    (int, float): "a number",
    str: "a text",
    (list, tuple): "a list",
    dict: "a mapping {key: value}",
}
INITIAL = "initial"  # in `of` and `among`: the image of the first seed
PROMPT_SWITCH, FROM_SCRATCH = "prompt_switch", "from_scratch"
CRITICS, REWRITERS, REFINERS, SELECTIONS = "critics", "rewriters", "refiners", "selections"  # groups of entries
CRITIQUE, REWRITE = "critique", "rewrite"  # stages that write refined prompts


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
        text_stage: Stage that writes its refined prompts, CRITIQUE or REWRITE; empty if it has none.
        text_of: What the critic in `text` looks at; only if that is `of`, an image that needs no correction is kept.
        entry: (group, name) of the entry in the configuration that makes it; the graph sets both.
    """

    name: str
    refiner: str
    of: str
    image_sets: dict[str, dict]
    text: str = ""
    settings: dict = field(default_factory=dict)
    image_model: str = ""
    reads_image: bool = True
    text_stage: str = ""
    text_of: str = ""
    entry: tuple[str, str] = ("", "")

    @property
    def place(self) -> str:
        """Where it stands in the configuration, for messages."""
        return _place(self.entry, self.name)


@dataclass(frozen=True)
class Selection:
    """The best of some image sets for each prompt, by one metric or judge: an image set of its own to later steps.

    Attributes:
        name: Of the selection.
        among: Image sets and selections; the first of them wins a tie.
        by: A metric, or judge-{name}.
        rank: 1 for the best, 2 for the second best, which a search with several beams goes on from.
        entry: (group, name) of the entry in the configuration that makes it; the graph sets it.
    """

    name: str
    among: tuple[str, ...]
    by: str
    rank: int = 1
    entry: tuple[str, str] = field(default=("", ""), compare=False)

    @property
    def place(self) -> str:
        """Where it stands in the configuration, for messages."""
        return _place(self.entry, self.name)


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
            name or self.name,
            self.refiner,
            of or self.of,
            image_sets,
            text=self.text,
            settings=settings or {},
            image_model=self.image_model,
            reads_image=self.reads_image,
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

    @property
    def every_image_set(self) -> list[str]:
        """Image sets, those of refinements last."""
        return [*self.image_sets, *(name for names in self.refined.values() for name in names)]


@dataclass(frozen=True)
class RefineJob:
    """Refinements that one job of a shard draws, with one load of one image model.

    Attributes:
        refinements: What it draws.
        image_model: Entry of `image_models`; empty: the study's own.
        level: How many such jobs come before its images, itself included.
    """

    refinements: tuple[Refinement, ...]
    image_model: str
    level: int

    @property
    def label(self) -> str:
        """What sets it apart from the first job of the study's own model; empty for that one."""
        number = str(self.level) if self.level > 1 else ""
        return "_".join(filter(None, (number, self.image_model and f"by_{self.image_model}")))

    @property
    def rule(self) -> str:
        """Name of its rule."""
        return "_".join(filter(None, ("refine_images", self.label)))

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


def steps_of_image(module: ModuleType, refiner: str, values: dict, full: int) -> int:
    """Denoising steps of an image that a refiner's module draws: its `steps`, or a full run.

    Args:
        module: Of the refiner.
        refiner: Its name in the configuration.
        values: Settings of the image set and of the refinement.
        full: Steps of a full run.

    Raises:
        InputError, SetupError: the module fails, or returns no number.
    """
    if not hasattr(module, "steps"):
        return full
    with plugin_errors("refiner", refiner):
        return operator.index(module.steps(values, full))


def check_settings(own: Mapping, defaults: Mapping) -> None:
    """Check that the settings of an entry are of the types of their defaults; a default None says nothing of one.

    Args:
        own: The entry's settings, each of which has a default.
        defaults: `SETTINGS` of the refiner's module.

    Raises:
        InputError: without the entry's place.
    """
    for key, value in own.items():
        kind = next((kind for kind in KINDS if isinstance(defaults[key], kind)), None)
        if kind and (not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool)):
            raise InputError(f"{key} must be {KINDS[kind]}, as its default {defaults[key]!r} is, got {value!r}")


def check_parts(module: str, parts: list[Refinement | Selection]) -> None:
    """Check what the `graph` of a refiner's module returned.

    Args:
        module: The entry's `refiner`.

    Raises:
        InputError: without the entry's place.
    """
    if not isinstance(parts, list) or not parts or not all(isinstance(each, Refinement | Selection) for each in parts):
        raise InputError(f"graph() of {module} must return a list of refinements and selections, got {parts!r}")
    for part in parts:
        image_sets = part.image_sets if isinstance(part, Refinement) else None
        if image_sets == {}:
            raise InputError(f"graph() of {module} gives the refinement {part.name!r} no image set")
        for name in (part.name, *(image_sets or {})):
            if not IMAGE_SET.fullmatch(str(name)):
                raise InputError(
                    f"graph() of {module} names {name!r}; a name has lower-case letters, digits, _ and -, and "
                    "begins with a letter"
                )


@contextlib.contextmanager
def errors_at(place: str) -> Iterator[None]:
    """Name a place of the configuration in the message of an InputError or SetupError."""
    try:
        yield
    except (InputError, SetupError) as error:
        raise type(error)(f"{place}: {error}") from error


def _place(entry: tuple[str, str], name: str) -> str:
    group, own = entry
    return ": ".join((group, own) if name == own else (group, own, name))
