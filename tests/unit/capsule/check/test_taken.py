import pytest

from detailscribe.capsule.check.described import read_config
from detailscribe.capsule.check.remade import targets_of
from detailscribe.capsule.check.taken import taken_lines
from detailscribe.capsule.reader import CapsuleReader


def lines(capsule, images: str, whole: bool, has_parser: bool = True) -> list[str]:
    with CapsuleReader(capsule) as reader:
        config = read_config(reader)
        targets = targets_of(reader.members, config, whole, whole and has_parser)
        return taken_lines(reader, config, images, targets, has_parser)


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        ("none", "images are not included"),
        ("thumbnails", "images are included as thumbnails alone"),
        ("whole", "the weights of the metric are not included"),
    ],
)
def test_scores_of_pixels_are_counted_with_the_reason(capsule, images, reason):
    found = [line for line in lines(capsule, images, True) if line.startswith("CLIPScore of ")]
    assert len(found) == 1 and found[0].endswith(f" images: {reason}")
    assert int(found[0].split()[2]) > 10


def test_what_only_a_replay_makes_is_said(capsule):
    said = "\n".join(lines(capsule, "none", False))
    assert (
        "figures: `capsule-replay` makes them again" in said and "noun phrases of 3 prompts: `capsule-replay`" in said
    )
    replayed = "\n".join(lines(capsule, "none", True))
    assert "figures: `" not in replayed and "noun phrases" not in replayed
    assert "drawing of " in replayed and "the table truncation: tokenizers" in replayed


def test_without_a_parser_its_rows_are_taken(capsule):
    assert "noun phrases of 3 prompts: spaCy is not installed" in lines(capsule, "none", True, has_parser=False)
