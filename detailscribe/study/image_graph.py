"""Graph of a study's images: what each image set and selection is made from, without cycles, and the jobs that draw."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from detailscribe.engines.acceleration.first_steps import refinement_steps
from detailscribe.errors import InputError, SetupError
from detailscribe.study.plugins import plugin_errors
from detailscribe.study.refinements import (
    FROM_SCRATCH,
    INITIAL,
    PROMPT_SWITCH,
    Needs,
    RefineJob,
    Refinement,
    RefinerEntry,
    Selection,
    candidates_of_critic,
    load_refiner,
)

IMAGE_SET = re.compile(r"[a-z][a-z0-9_-]*")  # a name that is also a folder
GROUPS = ("critics", "rewriters", "refiners")


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
        self._levels: dict[str, int] = {}
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
        place, text = f"refiners: {name}", entry.get("text", "")
        try:
            module = load_refiner(entry["refiner"])
        except (InputError, SetupError) as error:
            raise type(error)(f"{place}: {error}") from error
        self._check_text(f"{place}: text", text)
        own = {key: value for key, value in entry.items() if key not in ("refiner", "of", "text", "image_model")}
        if unknown := sorted(set(own) - set(module.SETTINGS)):
            known = ", ".join(module.SETTINGS) or "none"
            raise InputError(f"{place}: {unknown[0]!r} is no setting of {entry['refiner']}; its settings: {known}")
        source = entry if "of" in entry else self._config["critics"].get(text) or self._config["rewriters"].get(text)
        model, settings = entry.get("image_model", ""), {**module.SETTINGS, **own}
        parts = (name, entry["refiner"], self.source(source or {}), text, model, settings)
        facts = (getattr(module, "READS_IMAGE", True), self._config["generation"]["steps"], self._pipeline(model))
        try:
            with plugin_errors("refiner", entry["refiner"]):
                graph = module.graph(RefinerEntry(*parts, *facts))
            _check_parts(entry["refiner"], graph)
            for part in graph:
                self._check_text("texts", part.text if isinstance(part, Refinement) else "")
        except (InputError, SetupError) as error:
            raise type(error)(f"{place}: {error}") from error
        if any(isinstance(part, Selection) for part in graph):
            self.in_chains |= {part.name for part in graph if isinstance(part, Refinement)}
        for part in graph:
            if isinstance(part, Selection):
                if part.name in self.selections:
                    raise InputError(f"{place} makes the selection {part.name!r}, which exists already; rename one")
                self.selections[part.name] = part
            else:
                self.refinements.append(part)

    def _pipeline(self, image_model: str) -> str:
        entry = self._config["image_models"].get(image_model or self._config["image_model"], {})
        return entry.get("pipeline", "")

    def _check_text(self, place: str, text: str) -> None:
        if text and text not in self._config["critics"] and text not in self._config["rewriters"]:
            known = ", ".join([*self._config["critics"], *self._config["rewriters"]]) or "none"
            raise InputError(f"{place}: {text!r} is no critic and no rewriter; there are: {known}")

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

    def level(self, name: str, path: tuple[str, ...] = ()) -> int:
        """How many jobs that draw refinements come before the images of an image set or selection; `path` led there."""
        if name in path:
            raise InputError(_circle_message(self, self._config, [*path[path.index(name) :], name]))
        if name not in self._levels:  # a search of many rounds has more paths than can be walked
            below = max((self.level(each, (*path, name)) for each in self.sources_of(name)), default=0)
            self._levels[name] = below + (name in self._made_by)
        return self._levels[name]

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
                with plugin_errors("refiner", refinement.refiner):
                    count += sum(steps({**refinement.settings, **values}, full) for values in sets.values())
        return count

    def flat(self, selection: str) -> list[str]:
        """The image sets that a selection chooses from in the end."""
        names = []
        for name in self.selections[selection].among:
            names += self.flat(name) if name in self.selections else [name]
        return list(dict.fromkeys(names))


def _check_parts(module: str, parts: list[Refinement | Selection]) -> None:
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


def check_graph(graph: ImageGraph, config: dict, image_sets: list[str]) -> None:
    """Check every name that a step starts from, and that no step needs its own images.

    Args:
        image_sets: Every image set of the study, each once.

    Raises:
        InputError: names the entry, the value and what can be done.
    """
    if twice := sorted({*image_sets, "multi_seed"} & set(graph.selections)):
        raise InputError(f"selections: {twice[0]!r} is the name of an image set already; rename it")
    if INITIAL in {*graph.selections, *(name for each in graph.refinements for name in each.image_sets)}:
        raise InputError(f"{INITIAL!r} stands for the image of the first seed; rename the image set or selection")
    names, texts = [each.name for each in graph.refinements], {*config["critics"], *config["rewriters"]}
    if doubled := [name for name in config["refiners"] if name in texts] + [n for n in names if names.count(n) > 1]:
        raise InputError(f"critics, rewriters and refiners have two entries {doubled[0]!r}; rename one")
    known = list(dict.fromkeys([*image_sets, *graph.selections]))
    for place, name in _sources(graph, config):
        if name not in known:
            raise InputError(
                f"{place}: {name!r} is no image set and no selection; {_remedy(graph, config, name, known)}"
            )
    for each in graph.selections.values():
        for other in each.among:
            if other in graph.selections and graph.selections[other].by != each.by:
                raise InputError(
                    f"selections: {each.name}: among: {other!r} selects by {graph.selections[other].by}, not by "
                    f"{each.by}; name its image sets instead"
                )
    for name in known:
        graph.level(name)


def _circle_message(graph: ImageGraph, config: dict, circle: list[str]) -> str:
    """What is wrong with image sets that are made from each other.

    Args:
        circle: Names, each made from the next one; the last is the first.
    """
    name = circle[0]
    place = f"selections: {name}: among"
    if refinement := graph.refinement_of(name):
        group = next((group for group in GROUPS if refinement.name in config[group]), "refiners")
        place = f"{group}: {refinement.name}: of"
    return f"{place}: {' <- '.join(circle)}: these images would be made from themselves; let one start from another"


def _sources(graph: ImageGraph, config: dict) -> Iterator[tuple[str, str]]:
    """Place and name of everything that a step starts from."""
    for group in GROUPS:
        for name, entry in config[group].items():
            if "of" in entry:
                yield f"{group}: {name}: of", graph.source(entry)
    for refinement in graph.refinements:
        yield f"refiners: {refinement.name}: of", refinement.of
    for selection in graph.selections.values():
        for name in selection.among:
            yield f"selections: {selection.name}: among", name


def _remedy(graph: ImageGraph, config: dict, name: str, known: list[str]) -> str:
    """What to write instead of a name that is neither an image set nor a selection."""
    own = next((list(each.image_sets) for each in graph.refinements if each.name == name), [])
    if own:
        return f"name one of its image sets ({', '.join(own)}), or a selection among them"
    if name in ("multi_seed", "equal_compute_seeds"):
        return "make a selection among the seeds' images (original-SEED)"
    return f"there are: initial, {', '.join(known)}"
