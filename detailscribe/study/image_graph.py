"""Graph of a study's images: what each image set and selection is made from, without cycles, and the jobs that draw."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import pairwise

from detailscribe.errors import MOST_NAMES, InputError, known_names
from detailscribe.study.plugins import plugin_errors
from detailscribe.study.refinements import (
    CRITICS,
    CRITIQUE,
    FROM_SCRATCH,
    INITIAL,
    PROMPT_SWITCH,
    REFINERS,
    REWRITE,
    REWRITERS,
    SELECTIONS,
    Needs,
    RefineJob,
    Refinement,
    RefinerEntry,
    Selection,
    candidates_of_critic,
    check_parts,
    check_settings,
    errors_at,
    load_refiner,
)

GROUPS = (CRITICS, REWRITERS, REFINERS)


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
        # Steps of a search, which are no rows of tables: refinements of an entry that has selections, and selections
        # that a later round of their entry starts from. (A refinement and a selection may share a name.)
        self.in_chains: set[str] = set()
        self.rounds: set[str] = set()
        self._add_configured()
        for name, entry in config["refiners"].items():
            with errors_at(f"refiners: {name}"):
                self._add_refiner(name, entry)
        self._levels: dict[str, int] = {}
        self._flat: dict[str, list[str]] = {}
        self._made_by = {name: each for each in self.refinements for name in each.image_sets}

    def _add_configured(self) -> None:
        config = self._config
        for name, entry in config["critics"].items():
            if entry["after_step"] != "none":
                sets, scratch = candidates_of_critic(name, entry), entry["after_step"] == "scratch"
                refiner = FROM_SCRATCH if scratch else PROMPT_SWITCH
                values = {image_set: {} if k is None else {"k": k} for image_set, k in sets.items()}
                made = Refinement(name, refiner, self.source(entry), values, name, reads_image=False)
                made = replace(made, text_stage=CRITIQUE, text_of=made.of, entry=(CRITICS, name))
                self.refinements.append(made)
        for name, entry in config["rewriters"].items():
            if "of" in entry:
                made = Refinement(name, FROM_SCRATCH, self.source(entry), {name: {}}, name, reads_image=False)
                self.refinements.append(replace(made, text_stage=REWRITE, entry=(REWRITERS, name)))
        for name, entry in config["selections"].items():
            among = tuple(self._initial if each == INITIAL else each for each in entry["among"])
            self.selections[name] = Selection(name, among, entry["by"], entry=(SELECTIONS, name))

    def _add_refiner(self, name: str, entry: dict) -> None:
        module, text = load_refiner(entry["refiner"]), entry.get("text", "")
        self._check_text("text", text)
        own = {key: value for key, value in entry.items() if key not in ("refiner", "of", "text", "image_model")}
        if unknown := sorted(set(own) - set(module.SETTINGS)):
            known = ", ".join(module.SETTINGS) or "none"
            raise InputError(f"{unknown[0]!r} is no setting of {entry['refiner']}; its settings: {known}")
        check_settings(own, module.SETTINGS)
        source = entry if "of" in entry else self._config["critics"].get(text) or self._config["rewriters"].get(text)
        model, settings = entry.get("image_model", ""), {**module.SETTINGS, **own}
        refiner = RefinerEntry(
            name,
            entry["refiner"],
            of=self.source(source or {}),
            text=text,
            image_model=model,
            settings=settings,
            reads_image=getattr(module, "READS_IMAGE", True),
            steps=self._config["generation"]["steps"],
            pipeline=self._image_model(model).get("pipeline", ""),
        )
        with plugin_errors("refiner", entry["refiner"]):
            graph = module.graph(refiner)
        check_parts(entry["refiner"], graph)
        if any(isinstance(part, Selection) for part in graph):
            own_selections = {part.name for part in graph if isinstance(part, Selection)}
            starts = {each for part in graph for each in (part.among if isinstance(part, Selection) else (part.of,))}
            self.in_chains |= {part.name for part in graph if isinstance(part, Refinement)}
            self.rounds |= own_selections & starts
        for part in graph:
            if isinstance(part, Selection):
                if part.name in self.selections:
                    raise InputError(f"its selection {part.name!r} exists already; rename one")
                self.selections[part.name] = replace(part, entry=(REFINERS, name))
            else:
                self._check_text("texts", part.text)
                stage = CRITIQUE if part.text in self._config["critics"] else REWRITE if part.text else ""
                looked_at = self.source_of_critic(part.text) if stage == CRITIQUE else ""
                made = replace(part, text_stage=stage, text_of=looked_at, entry=(REFINERS, name))
                self.refinements.append(made)

    def _image_model(self, name: str) -> Mapping:
        """An entry of `image_models`; the study's own for an empty name, empty if there is none."""
        return self._config["image_models"].get(name or self._config["image_model"], {})

    def _check_text(self, place: str, text: str) -> None:
        if text and text not in self._config["critics"] and text not in self._config["rewriters"]:
            known = known_names(text, [*self._config["critics"], *self._config["rewriters"]], "there are: ")
            raise InputError(f"{place}: {text!r} is no critic and no rewriter; {known}")

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
        return [RefineJob(tuple(groups[level, model]), model, level) for level, model in sorted(groups)]

    def reuses_first_steps(self, refinement: Refinement) -> bool:
        """Whether a refinement continues latents of the initial image, as `reuse_first_steps` of the image model says.

        A prompt switch of that image does, with the study's own model. Another image may have moved noise, whose first
        steps are not those of its seed.
        """
        of_initial = refinement.refiner == PROMPT_SWITCH and refinement.of == self._initial
        switches = any(values.get("k") for values in refinement.image_sets.values())
        kept = not refinement.image_model and self._image_model("").get("reuse_first_steps", False)
        return bool(of_initial and switches and kept)

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

    def flat(self, selection: str) -> list[str]:
        """The image sets that a selection chooses from in the end."""
        if selection not in self._flat:  # as for `level`
            names = []
            for name in self.selections[selection].among:
                names += self.flat(name) if name in self.selections else [name]
            self._flat[selection] = list(dict.fromkeys(names))
        return self._flat[selection]


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
                    f"{each.place}: among: {other!r} selects by {graph.selections[other].by}, not by "
                    f"{each.by}; name its image sets instead"
                )
    for name in known:
        graph.level(name)


def _circle_message(graph: ImageGraph, config: dict, circle: list[str]) -> str:
    """What is wrong with image sets that are made from each other: the keys that lead from each to the next.

    Args:
        circle: Names, each made from the next one; the last is the first.
    """
    links = [_link(graph, config, *pair) for pair in pairwise(circle)]
    more = [f"{len(links) - MOST_NAMES} more"] if len(links) > MOST_NAMES else []
    keys = "; ".join([*dict.fromkeys(links[:MOST_NAMES]), *more])
    return f"{keys}: these images would be made from themselves; let one start from another"


def _link(graph: ImageGraph, config: dict, name: str, source: str) -> str:
    """Place and value of the key by which an image set or selection is made from `source`."""
    if (made := graph.refinement_of(name)) is None:
        return f"{graph.selections[name].place}: among: {source}"
    group, entry = made.entry
    if made.text and group == REFINERS and (made.of != source or "of" not in config[group][entry]):
        text_group = CRITICS if made.text in config[CRITICS] else REWRITERS
        if graph.source(config[text_group][made.text]) == source:
            return f"{made.place}: text: {made.text}; {text_group}: {made.text}: of: {source}"
    return f"{made.place}: of: {source}"


def _sources(graph: ImageGraph, config: dict) -> Iterator[tuple[str, str]]:
    """Place and name of everything that a step starts from."""
    for group in GROUPS:
        for name, entry in config[group].items():
            if "of" in entry:
                yield f"{group}: {name}: of", graph.source(entry)
    for refinement in graph.refinements:
        yield f"{refinement.place}: of", refinement.of
    for selection in graph.selections.values():
        for name in selection.among:
            yield f"{selection.place}: among", name


def _remedy(graph: ImageGraph, config: dict, name: str, known: list[str]) -> str:
    """What to write instead of a name that is neither an image set nor a selection."""
    own = next((list(each.image_sets) for each in graph.refinements if each.name == name), [])
    if own:
        return f"name one of its image sets ({', '.join(own)}), or a selection among them"
    if name in ("multi_seed", "equal_compute_seeds"):
        return "make a selection among the seeds' images (original-SEED)"
    return known_names(name, [INITIAL, *known], "there are: ")
