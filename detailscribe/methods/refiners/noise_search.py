"""Noise search, zero-order: rounds of images whose noise lies near that of the best image so far, kept by a verifier.

With `texts` it is a search over noise and prompts: a round then also draws refined prompts, each with the noise of the
best image so far, so that noise and prompt improve in turn. With `width` it is a beam search: a round starts from the
best images so far, as many as that; one that several image sets hold counts once.

Settings: `rounds`; `width`; `neighbours` of each image that a round starts from; `share` of new noise in each, from 0
(the same noise) to 1 (a noise of its own); `verifier`, a metric or judge-NAME; `texts`, for each round a list of
critics and rewriters whose refined prompts it draws. `text: NAME` means `texts: [[NAME]]`. A critic for round r + 1 may
look at the best image of round r: `of: {entry}-r{r}`. The cost is a full run for each neighbour and text. The defaults
draw 4 images, which with the initial one take the 140 denoising steps of DetailScribe.

The best image of a round is the best of the one that the round started from, which wins a tie, of its neighbours and
of its texts. What decides a neighbour: id of the prompt, seed of the image that the search started from, round, number
and share, and the moves before it; no other prompt, no verifier and no name of an entry, so that two verifiers choose
from the same first round. A neighbour has the prompt of the best image so far. An image that was not drawn from noise
with its prompt alone (`of: detailscribe-k1`) has neighbours that are.

Source: Ma et al. 2025, arXiv 2501.09732, zero-order search; reimplementation github.com/sayakpaul/tt-scale-flux at
68f19b7f9131ab9187e912d0fe4a1bb1e0d2307d. Differs: the start of a round stays a candidate, where Ma et al. go on from
the best neighbour, and the reimplementation from a new noise if no neighbour is better; neighbours are those of
`engines/near_noise.py`; one verifier, no ensemble of ranks. Prompts in the same search are ours.
"""

from dataclasses import replace

from detailscribe.errors import InputError
from detailscribe.images.image_set import ImageRequest
from detailscribe.images.recipes import ImageRecipes, moved_request, shifts_of
from detailscribe.methods.refiners import Source
from detailscribe.methods.refiners.settings import derived_seed, needs_sd3, verifier, whole_number
from detailscribe.study.refinements import Refinement, RefinerEntry, Selection

ALGORITHM = 1
SETTINGS = {"rounds": 2, "width": 1, "neighbours": 2, "share": 0.3, "verifier": "", "texts": []}
READS_IMAGE = False
MOST_ROUNDS, MOST_NEIGHBOURS, MOST_IMAGES = 64, 256, 4096


def graph(entry: RefinerEntry) -> list[Refinement | Selection]:
    """Of each round the neighbours, the texts and the selections; the last selection has the entry's own name."""
    rounds = whole_number(entry, "rounds", 1, MOST_ROUNDS)
    neighbours = whole_number(entry, "neighbours", 0, MOST_NEIGHBOURS)
    needs_sd3(entry, "moves the noise")
    by, share, texts = verifier(entry), _share(entry), _texts(entry, rounds, neighbours)
    width = whole_number(entry, "width", 1, 1 + neighbours + len(texts[0]))  # as many as the first round has images
    if (images := rounds * width * neighbours) > MOST_IMAGES:
        raise InputError(
            f"rounds, width and neighbours together mean {images} images of a prompt, and at most {MOST_IMAGES} are "
            "possible; lower one"
        )
    parts: list[Refinement | Selection] = []
    starts = [entry.of]
    for number in range(1, rounds + 1):
        name = f"{entry.name}-r{number}"
        drawn = []
        for beam, start in enumerate(starts if neighbours else []):
            own = range(beam * neighbours + 1, (beam + 1) * neighbours + 1)
            sets = {f"{name}-n{each}": {"round": number, "neighbour": each, "share": share} for each in own}
            drawn.append(replace(entry.refinement(sets, f"{name}-b{beam + 1}" if beam else name, start), text=""))
        for text in texts[number - 1]:
            drawn.append(replace(entry.refinement({f"{name}-{text}": {}}, f"{name}-{text}", starts[0]), text=text))
        among = (*starts, *(image_set for each in drawn for image_set in each.image_sets))
        selected = [name if number < rounds else entry.name]
        selected += [f"{name}-b{rank}" for rank in range(2, width + 1)] if number < rounds else []
        parts += [*drawn, *(Selection(each, among, by, rank) for rank, each in enumerate(selected, 1))]
        starts = selected
    return parts


def request(source: Source, image_set: str, values: dict, recipes: ImageRecipes) -> ImageRequest:
    """A neighbour in noise of the source's image, or its own noise with another text."""
    shifts = shifts_of(source.state)
    if "neighbour" in values:
        seed = recipes.parameters["seed"] if source.seed is None else source.seed
        # The moves so far, too: a search that starts from a search counts its rounds again.
        own = (values["round"], values["neighbour"], *(moved for moved, _ in shifts))
        shifts.append((derived_seed(source.id, seed, *own), values["share"]))
    request = recipes.from_noise_request(source.id, image_set, source.text, seed=source.seed)
    return moved_request(request, shifts)


def _share(entry: RefinerEntry) -> float:
    share = entry.settings["share"]
    if type(share) not in (int, float) or not 0 < share <= 1:
        raise InputError(f"share must be a number above 0 and at most 1, got {share!r}")
    return float(share)


def _texts(entry: RefinerEntry, rounds: int, neighbours: int) -> list[list[str]]:
    """Critics and rewriters of each round."""
    texts = entry.settings["texts"]
    if entry.text and texts:
        raise InputError("give either text or texts, not both: text: NAME means texts: [[NAME]]")
    if entry.text:
        texts = [[entry.text]]
    for names in texts if isinstance(texts, list) else [texts]:
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InputError(f"texts must be a list of names for each round, as in [[NAME], [OTHER]], got {names!r}")
        if len(set(names)) < len(names):
            raise InputError(f"texts has a name twice in a round, got {names!r}; remove one")
    if len(texts) > rounds:
        raise InputError(f"texts has {len(texts)} rounds, and rounds is {rounds}; raise rounds, or shorten texts")
    texts = [*texts, *([] for _ in range(rounds - len(texts)))]
    if not neighbours and [] in texts:
        raise InputError(
            f"round {texts.index([]) + 1} of {rounds} draws nothing: neighbours is 0, and texts has none for it"
        )
    return texts
