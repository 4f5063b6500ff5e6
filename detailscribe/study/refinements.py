"""Refinements and selections: steps of a study that start from images of an earlier step, as a graph without cycles.

A critic with `after_step` is a refinement of its own (the prompt switch); so is a rewriter with `of`. Others are
entries of `refiners`, whose module says which image sets they make (`methods/refiners/__init__.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from detailscribe.engines.acceleration.first_steps import refinement_steps
from detailscribe.errors import InputError
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
    """

    name: str
    among: tuple[str, ...]
    by: str


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
    """

    name: str
    refiner: str
    of: str
    text: str
    image_model: str
    settings: dict
    reads_image: bool

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


class ImageGraph:
    """Everything that starts from images, of one configuration.

    Args:
        config: The configuration.
        initial: Image set of the initial images.

    Raises:
        InputError: an entry names what does not exist, or needs its own images; a module is missing or wrong.
    """

    def __init__(self, config: dict, initial: str):
        self._config, self._initial = config, initial
        self.refinements: list[Refinement] = []
        self.selections: dict[str, Selection] = {}
        self.in_chains: set[str] = set()  # refinements of an entry that has selections: no row of their own in tables
        self._add_configured()
        for name, entry in config["refiners"].items():
            self._add_refiner(name, entry)
        self._made_by = {name: each for each in self.refinements for name in each.image_sets}

    def _add_configured(self) -> None:
        config = self._config
        for name, entry in config["critics"].items():
            if entry["after_step"] != "none":
                sets, scratch = candidates_of_critic(name, entry), entry["after_step"] == "scratch"
                refiner = FROM_SCRATCH if scratch else PROMPT_SWITCH
                values = {image_set: {} if k is None else {"k": k} for image_set, k in sets.items()}
                self.refinements.append(Refinement(name, refiner, self.source(entry), values, name, reads_image=False))
        for name, entry in config["rewriters"].items():
            if "of" in entry:
                of = self.source(entry)
                self.refinements.append(Refinement(name, FROM_SCRATCH, of, {name: {}}, name, reads_image=False))
        for name, entry in config["selections"].items():
            among = tuple(self._initial if each == INITIAL else each for each in entry["among"])
            self.selections[name] = Selection(name, among, entry["by"])

    def _add_refiner(self, name: str, entry: dict) -> None:
        module, place, text = load_refiner(entry["refiner"]), f"refiners: {name}", entry.get("text", "")
        if text and text not in self._config["critics"] and text not in self._config["rewriters"]:
            raise InputError(f"{place}: text: {text!r} is neither one of critics nor of rewriters")
        own = {key: value for key, value in entry.items() if key not in ("refiner", "of", "text", "image_model")}
        if unknown := sorted(set(own) - set(module.SETTINGS)):
            known = ", ".join(module.SETTINGS) or "none"
            raise InputError(f"{place}: {unknown[0]!r} is no setting of {entry['refiner']}, which has: {known}")
        source = entry if "of" in entry else self._config["critics"].get(text) or self._config["rewriters"].get(text)
        model, settings = entry.get("image_model", ""), {**module.SETTINGS, **own}
        parts = (name, entry["refiner"], self.source(source or {}), text, model, settings)
        try:
            graph = module.graph(RefinerEntry(*parts, reads_image=getattr(module, "READS_IMAGE", True)))
        except InputError as error:
            raise InputError(f"{place}: {error}") from error
        if any(isinstance(part, Selection) for part in graph):
            self.in_chains |= {part.name for part in graph if isinstance(part, Refinement)}
        for part in graph:
            if isinstance(part, Selection):
                if part.name in self.selections:
                    raise InputError(f"{place} makes the selection {part.name!r}, which exists already; rename one")
                self.selections[part.name] = part
            else:
                self.refinements.append(part)

    def source(self, entry: Mapping) -> str:
        """The image set or selection that an entry looks at: its `of`, or the initial images."""
        of = entry.get("of", INITIAL)
        return self._initial if of == INITIAL else of

    def source_of_critic(self, critic: str) -> str:
        """The image set or selection that a critic looks at."""
        return self.source(self._config["critics"][critic])

    def needs_source(self, refinement: Refinement) -> bool:
        """Whether a refinement's job reads the images that it starts from, or their rows."""
        stops = self._config["critics"].get(refinement.text, {}).get("stop", False)
        return refinement.reads_image or refinement.of != self._initial or stops

    def check(self, image_sets: list[str]) -> None:
        """Check every name that a step starts from, and that no step needs its own images.

        Args:
            image_sets: Every image set of the study.

        Raises:
            InputError: names the entry.
        """
        known = {*image_sets, *self.selections}
        if twice := sorted({*image_sets, "multi_seed"} & set(self.selections)):
            raise InputError(f"selections: {twice[0]!r} is the name of an image set already; rename it")
        names = [each.name for each in self.refinements]
        if doubled := next((name for name in names if names.count(name) > 1), ""):
            raise InputError(f"critics, rewriters and refiners have two entries {doubled!r}; rename one")
        places = [(f"refiners: {each.name}: of", each.of) for each in self.refinements]
        for group in ("critics", "rewriters", "refiners"):
            for name, entry in self._config[group].items():
                places.append((f"{group}: {name}: of", self.source(entry)))
        for each in self.selections.values():
            places += [(f"selections: {each.name}: among", name) for name in each.among]
            for other in each.among:
                if other in self.selections and self.selections[other].by != each.by:
                    raise InputError(
                        f"selections: {each.name}: among {other!r}, which selects by {self.selections[other].by}, not "
                        f"by {each.by}; name its image sets instead"
                    )
        for place, name in places:
            if name not in known:
                raise InputError(f"{place}: {name!r} is no image set and no selection; there are: {', '.join(known)}")
        for name in known:
            self._level(name, ())

    def level(self, name: str) -> int:
        """How many jobs that draw refinements come before the images of an image set or selection."""
        return self._level(name, ())

    def sources_of(self, name: str) -> list[str]:
        """What the images of an image set or selection are made from: image sets and selections."""
        if name in self.selections:
            return list(self.selections[name].among)
        if name not in self._made_by:
            return []
        refinement = self._made_by[name]
        texts = {**self._config["critics"], **self._config["rewriters"]}
        looked_at = [self.source(texts[refinement.text])] if refinement.text else []
        return list(dict.fromkeys([refinement.of, *looked_at]))

    def _level(self, name: str, path: tuple[str, ...]) -> int:
        if name in path:
            circle = " <- ".join([*path[path.index(name) :], name])
            raise InputError(f"of: {circle}: these images would be made from themselves; let one start from another")
        below = max((self._level(each, (*path, name)) for each in self.sources_of(name)), default=0)
        return below + (name in self._made_by)

    def refinement_of(self, image_set: str) -> Refinement | None:
        """The refinement that makes an image set; None for one that starts from no image."""
        return self._made_by.get(image_set)

    @cached_property
    def jobs(self) -> list[RefineJob]:
        """The jobs of a shard that draw refinements, in their order: one for each level and image model."""
        groups: dict[tuple[int, str], list[Refinement]] = {}
        for each in self.refinements:
            level = max(self.level(name) for name in each.image_sets)
            groups.setdefault((level, each.image_model), []).append(each)
        jobs = []
        for level, model in sorted(groups):
            number = f"_{level}" if level > 1 else ""
            rule = f"refine_images{number}{f'_by_{model}' if model else ''}"
            jobs.append(RefineJob(rule, tuple(groups[level, model]), model))
        return jobs

    def needs(self, names: Iterable[str]) -> Needs:
        """Everything that some image sets and selections are made with, themselves included."""
        needs, open_names = Needs(), list(names)
        while open_names:
            name = open_names.pop(0)
            if name in needs.seen:
                continue
            needs.seen.add(name)
            open_names += self.sources_of(name)
            if name in self.selections:
                needs.selections.append(name)
            elif refinement := self._made_by.get(name):
                needs.refined.setdefault(refinement.name, []).append(name)
                needs.texts += [refinement.text] if refinement.text and refinement.text not in needs.texts else []
            else:
                needs.image_sets.append(name)
        return needs

    def steps(self, needs: Needs, full: int, first_steps_are_reused: bool = False) -> int:
        """Denoising steps of the refinements of some needs, steps that candidates share counted once.

        Args:
            full: Steps of a full run.
            first_steps_are_reused: Whether refinements of the initial images continue their saved latents.
        """
        count = 0
        for refinement in self.refinements:
            sets = {name: refinement.image_sets[name] for name in needs.refined.get(refinement.name, [])}
            if refinement.refiner == PROMPT_SWITCH:
                reuse = first_steps_are_reused and refinement.of == self._initial
                count += refinement_steps([each["k"] for each in sets.values()], full, 0 if reuse else None)
            elif refinement.refiner == FROM_SCRATCH:
                count += full * len(sets)
            else:
                module = load_refiner(refinement.refiner)
                steps = getattr(module, "steps", lambda values, full: full)
                count += sum(steps({**refinement.settings, **values}, full) for values in sets.values())
        return count

    def flat(self, selection: str) -> list[str]:
        """The image sets that a selection chooses from in the end."""
        names = []
        for name in self.selections[selection].among:
            names += self.flat(name) if name in self.selections else [name]
        return list(dict.fromkeys(names))


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
