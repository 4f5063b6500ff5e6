"""All-clear remarks of critiques, which name no fault, and faults that begin like one."""

import pytest

from detailscribe.scores.judges.all_clear import is_all_clear
from detailscribe.scores.judges.remarks import remarks_of

FAULTS = """
Nothing in the image holds the log.
Nothing grips the rope.
Nothing is under the pin
Nothing is correct.
Nothing connects the handle and the head.
Nothing to hold the pin with.
Nothing is visible in the bucket.
Nothing that the prompt names is shown.
None of the legs look correct.
None on the table.
Left paw: none.
Everything floats: no object rests on the table.
Everything in the kitchen is upside down.
Everything is present twice.
Everything that the prompt names is upside down.
All legs look correct but the tail is fused with the log.
All four paws are present but two are fused together.
All the legs are present, one of them twice.
All of the paws have no claws.
No issues with the paw, but the rolling pin floats above the dough.
No issues with the paw, the rolling pin floats above the dough.
No issues (the tail is missing, see above).
No problem with the cat. The ball is missing.
No error except the missing tail.
No fault lines in the rock where the hammer hits.
No paw holds the pin.
No visible handle.
No contact between paw and pin.
No action between the two.
The cat has no tail and looks fine.
The paw is not correct.
The extra leg is visible.
Only the tail looks correct.
Everything looks correct, apart from the tail.
Paw floats above the dough: no issues with the pin.
Paw floats above the dough: the pin is correct.
Fused paw: correct.
Two tails. Everything else is fine.
"""
# In the words of several families of models.
CLEAR = """
None.
N/A
Not applicable.
None detected
No issues.
No issues detected.
No issues with the cat.
No visible abnormalities.
No anomalies observed here.
No abnormalities were found in the fence.
No other visible issues with the rolling pin.
No missing elements.
No correction needed.
No corrections are needed for the background.
No action required.
Nothing to correct.
Nothing abnormal in the background.
Nothing wrong with the hammer.
Nothing is missing.
Nothing else is missing.
Nothing appears out of place.
Everything looks correct.
Everything is correct and complete.
Everything in the background looks normal.
All elements are present.
All four legs are present and correct.
All parts appear complete, no changes needed.
Both paws look natural.
The tail looks correct.
The rolling pin appears normal; no correction needed.
**Tail**: no issues.
**Background:** No issues detected.
Completeness: All elements are present.
Missing parts: none.
Abnormal parts: None detected.
Log – looks natural.
Cat's ears: look fine, no changes required.
Everything that the prompt names can be seen; keep it.
Everything that this critic knows (a cat on the left, a ball) can be seen; keep it.
Nothing that the prompt names is known to this critic; the prompt stays as it is.
"""


@pytest.mark.parametrize("remark", FAULTS.strip().splitlines())
def test_a_fault_that_begins_like_an_all_clear_is_a_remark(remark):
    assert remarks_of(f"1. {remark}\n<A cat.>") == [remark.replace("**", "")]


@pytest.mark.parametrize("remark", CLEAR.strip().splitlines())
def test_an_all_clear_is_no_remark(remark):
    assert remarks_of(f"1. The log bends.\n2. {remark}\n<A cat.>") == ["The log bends."]


def test_an_empty_remark_is_no_all_clear():
    assert not any(map(is_all_clear, ("", " ", "-", ":", "keep it")))
