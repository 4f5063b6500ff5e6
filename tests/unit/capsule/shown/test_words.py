"""A message keeps the words of the code and of the study's own texts, and nothing of a machine or a person."""

import pytest

from detailscribe.capsule.shown.words import Words

W = "[withheld]"


@pytest.fixture(scope="module")
def words() -> Words:
    found = Words(["A frog and a red-haired penguin near the café.", "original-262 judge-main offline-stand-in"])
    found.add_answer("I cannot check badgers, carry or flour-dusted things.")
    return found


@pytest.mark.parametrize(
    ("message", "cleaned"),
    [
        ("", ""),
        (
            "judge-main: the model declined: I cannot check badgers",
            "judge-main: the model declined: I cannot check badgers",
        ),
        ("'a frog': no score  in the reply", "'a frog': no score  in the reply"),
        ("the red-haired penguin (café)", "the red-haired penguin (café)"),
        ("status 429, 0.5 s, 12%", "status 429, 0.5 s, 12%"),
        ("by:original-262", "by:original-262"),
        ("cannot reach gpu17.lab.example.org", f"cannot reach {W}"),
        ("cannot reach 10.0.0.17:8000", f"cannot reach {W}"),
        ("quota of zqbrandt is exceeded", f"quota of {W} is exceeded"),
        ("/home/zqbrandt/x.png: a frog", f"{W}: a frog"),
        ("/images/model", W),
        ("C:\\Users\\zqbrandt", W),
        ("frog-penguin", W),  # words that are known, joined to what may be a name
        ("sk-Zq7Wm2Kd9Xv4Bn8", W),
        ("zqbrandt@lab.org", W),
        ("it says flour-dus", "it says flour-dus"),  # cut within a word of an answer
        ("it says flour-dus; 3 of 4", "it says flour-dus; 3 of 4"),
        ("it says badg ...", "it says badg ..."),
        ("badg is not a word", f"{W} is not a word"),
        ("it says peng", f"it says {W}"),  # of a prompt, which no message cuts
    ],
)
def test_cleaned_messages(words, message, cleaned):
    assert words.clean(message) == cleaned
    assert words.clean(cleaned) == cleaned
    assert bool(words.unknown(message)) == (W in cleaned) or "..." in message or message.endswith(("dus", "4"))


def test_a_cleaned_table_is_the_table_of_cleaned_messages(words):
    one, other = "declined by zqbrandt", "no frog at host17.lab"
    assert words.clean(f"judge-main: {one}; {other}") == f"judge-main: {words.clean(one)}; {words.clean(other)}"
