"""Instructions for raters: the scale from 1 to 5 with examples, and the note that is sent with the sheets (README.txt).

Source: the scale is that of the paper's judges, in words of our own; the rubric that its human raters saw is not
published.
"""

from typing import NamedTuple

EXAMPLE_PROMPT = "A raccoon kneads dough."


class ScalePoint(NamedTuple):
    """A rating that can be given.

    Attributes:
        rating: From 1 to 5.
        label: A few words, as on a button.
        meaning: One line.
        example: An image of EXAMPLE_PROMPT that deserves it, in words.
    """

    rating: int
    label: str
    meaning: str
    example: str


SCALE = [
    ScalePoint(
        *(1, "Poor interaction", "the interaction is poor, or the subjects do not act as they should"),
        "A raccoon and a lump of dough are both there, but it only stands beside it and looks away.",
    ),
    ScalePoint(
        *(2, "Wrong subject", "a subject is wrong or inaccurate"),
        "Somebody kneads the dough, but it is a cat, or a raccoon with two heads.",
    ),
    ScalePoint(
        *(3, "Critical part missing", "a critical part is missing"),
        "A raccoon makes the right movement with its paws, but on a bare table: there is no dough.",
    ),
    ScalePoint(
        *(4, "Details need work", "nearly perfect, some details need work"),
        "A raccoon presses its paws into dough, but one paw melts into it or has a finger too many.",
    ),
    ScalePoint(
        *(5, "Nothing to correct", "nothing to correct"),
        "A raccoon presses both paws into dough, which gives way under them. You would change nothing.",
    ),
]
QUESTION = "How well does each image show what its prompt asks for? Rate it with a whole number from 1 to 5."
RULES = [
    "Where two ratings fit, give the lower one: a cat that stands beside the dough is a 1, not a 2.",
    "Judge each image by its prompt alone, not by the other images: all of them may deserve a 5, or a 1.",
    "Beauty and style do not count, and neither does anything that the prompt does not mention.",
    "If you cannot judge an image (it does not open, you do not understand the prompt), say so instead of guessing, "
    "and write the reason as a comment. It is then left out, and counts neither for nor against anything.",
]


def sheets_note(raters: list[str]) -> str:
    """The text of README.txt beside the rating sheets.

    Args:
        raters: Names, each of whom has a page and a workbook.
    """
    return f"""RATING IMAGES

Sheets of: {", ".join(raters)}. Each person uses the files with their own name, and one of the two, not both:

  NAME.html   a page that opens in any browser, without internet. Recommended: it shows the images in full size.
  NAME.xlsx   a workbook for Excel, LibreOffice or Numbers.

The page
  1. Open NAME.html by a double click. "How to rate" on the page says what the ratings mean.
  2. The browser stores each rating as you give it. You can close the page and go on later in the same browser.
  3. To go on in another browser or on another computer: press "Download ratings", open the page there, and press
     "Import ratings".
  4. When you are done, press "Download ratings" and send back NAME.csv.

The workbook
  1. Open NAME.xlsx. Its first sheet says what the ratings mean.
  2. Fill in the yellow cells: a rating from 1 to 5, or "yes" under "cannot judge", and a comment if you like.
  3. Save it as .xlsx under its name, and send it back.

Neither file says how an image was made. Images that look the same are shown once.
"""


def pairs_note(raters: list[str]) -> str:
    """The text of README.txt beside the pages of pairs.

    Args:
        raters: Names, each of whom has a page.
    """
    return f"""COMPARING IMAGES

Pages of: {", ".join(raters)}. Each person uses the file with their own name.

  1. Open NAME.html by a double click, in any browser, without internet. "How to compare" on the page says what counts.
  2. The browser stores each choice as you make it. You can close the page and go on later in the same browser.
  3. To go on in another browser or on another computer: press "Download choices", open the page there, and press
     "Import choices".
  4. When you are done, press "Download choices" and send back NAME.pairs.csv.

The page does not say how an image was made.
"""
