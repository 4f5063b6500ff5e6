"""Words of a topic that a prompt mentions in some form, or not at all."""

import pytest

from detailscribe.prompts.topic_words import missing_words


@pytest.mark.parametrize(
    ("topic", "prompt"),
    [
        ("assemble-chair", "A beaver assembling a chair."),
        ("cut-cake", "An otter is cutting cakes."),
        ("tie_knot", "A lynx ties knots."),
        ("ride bike", "A gecko riding a Bike!"),
        ("tie-wood", "A lynx tied wooden sticks."),
        ("carry-knife", "Two knives, carried by owls."),
        ("sharing-food", "Two bears share food."),
        ("jumping-rope_2", "Two foxes jump over ropes."),
        ("steam-power", "A steam-powered organ."),
        ("huddling-for-warmth", "Birds huddle, sharing warmth."),
        ("баланс", "Лиса держит баланс."),
    ],
)
def test_inflected_topic_is_found(topic, prompt):
    assert missing_words(topic, prompt) == ""


@pytest.mark.parametrize(
    ("topic", "prompt", "missing"),
    [
        ("burn-wood", "A beaver igniting wood.", "burn"),
        ("cat-nap", "A category of naps.", "cat"),
        ("tie-knot", "", "tie, knot"),
        ("car-wash", "An otter carries a wash tub.", "car"),
    ],
)
def test_missing_words_are_named(topic, prompt, missing):
    assert missing_words(topic, prompt) == f"the prompt does not mention {missing}"
