"""All-clear remarks of a critique ("No issues with the cat.", "Everything looks correct."), which name no fault.

A remark is one only if each of its clauses is: many faults begin alike ("Nothing grips the rope."). In doubt a remark
is kept, since no judge is asked about one that is dropped.
"""

from __future__ import annotations

import re

# Words after which a remark names a fault after all.
_RESERVES = re.compile(
    r"\b(?:but|except\w*|excluding|however|al?though|though|yet|only|instead|while|whereas|despite|besides|beyond"
    r"|unless|until|otherwise|elsewhere|aside|apart|because|other than|not(?! applicable))\b",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(r"(?:(?<=\S)(?=[.;!:,](?:\s|$))|\s(?=[-–—]+\s))([.;!:,]|[-–—])[-–—]*(?:\s+|$)")
_LOOKS = r"(?:is|are|looks?|appears?|seems?)"
_ADVERBS = (
    r"(?:(?:all|also|both|well|very|quite|fully|entirely|completely|perfectly|clearly|already|anatomically|to be) )*"
)
_RIGHT = (
    rf"{_ADVERBS}(?:correct|fine|good|normal|natural|intact|ok|okay|accurate|consistent|complete|perfect"
    r"|as (?:expected|described|intended|required|requested)|in (?:order|place)|well[- ](?:formed|drawn|done))"
)
_THERE = rf"{_ADVERBS}(?:present|visible|there|shown|included|depicted|accounted for)"
_FAULT = (
    r"(?:issues?|problems?|faults?|errors?|flaws?|defects?|mistakes?|abnormal(?:ity|ities)|anomal(?:y|ies)|art[ie]facts?"
    r"|distortions?|deformit(?:y|ies)|inconsistenc(?:y|ies)|discrepanc(?:y|ies)|concerns?|irregularit(?:y|ies)"
    r"|(?:abnormal|missing|unusual|incorrect|distorted|deformed) (?:parts?|elements?|objects?|things?|details?|limbs?))"
)
_CHANGE = r"(?:corrections?|changes?|adjustments?|modifications?|fix(?:es)?|edits?|improvements?|repairs?)"
_FOUND = (
    r"(?:(?:is|are|was|were|has been|have been) )?"
    r"(?:found|detected|visible|noted|noticed|observed|seen|identified|present|apparent|here|there)"
)
_NEEDED = r"(?:(?:is|are|was|were) )?(?:needed|required|necessary)"
_WRONG = (
    r"(?:wrong|missing|abnormal|unusual|odd|strange|bizarre|amiss|incorrect|distorted|deformed|unnatural|out of place)"
)
_MORE = r"(?:(?:else|further|more|other|additional|new|visible|obvious|apparent|major|significant|clear|notable) ){0,3}"
_PROMPT = r"that (?:the|this) \w+ (?:names|knows|mentions|describes|asks for|requires|lists)(?: \([^()]*\))?"
_STATES = rf"{_LOOKS} (?:{_RIGHT}|{_THERE})(?: and (?:{_RIGHT}|{_THERE}))*"
# Clauses that are an all-clear wherever they stand.
_NO_FAULT = (
    rf"no {_MORE}(?:{_FAULT}(?: {_FOUND})?|{_CHANGE}(?: {_NEEDED})?)|no action {_NEEDED}"
    rf"|nothing {_MORE}(?:{_LOOKS} )?(?:{_WRONG}|to (?:correct|fix|change|add|improve|adjust|report|note))"
)
_CLEAR = rf"{_NO_FAULT}|everything {_STATES}|{_LOOKS} {_RIGHT}(?: and {_RIGHT})*"
# Where in the image; of these words, none that could be a second statement.
_WORDS = r"(?: (?!(?:no|never|has|have|had|lacks?|without|is|are|was|were|makes?)\b)[\w'’-]+)"
_WHERE = rf"(?: (?:with|in|on|at|for|to|about|regarding|around){_WORDS}{{1,7}}| here| at all)"
# Clauses about one thing: a topic before them ("Left paw: none.") may name a fault.
_ABOUT = (
    rf"(?:none|n/a|not applicable)(?: (?:found|detected|noted|observed|identified|needed|required))?|nothing"
    rf"|(?:{_NO_FAULT}){_WHERE}|everything{_WHERE} {_STATES}|(?:all|both|each|every){_WORDS}{{1,5}} {_STATES}"
    rf"|(?:(?:the|its|his|her|their){_WORDS}{{1,4}}|it|they|this) {_LOOKS} {_RIGHT}(?: and {_RIGHT})*"
    rf"|everything {_PROMPT} (?:can be seen|{_STATES})|nothing {_PROMPT} is known to this critic"
)
_BESIDE = r"(?:keep|leave) (?:it|them|this|everything)(?: as (?:it is|they are|is))?|(?:the|this) \w+ stays as it is"
_SECTION = re.compile(
    rf"(?:\w+ ){{0,2}}(?:completeness|overall|others?|background|foreground|scene|image|check|{_FAULT})", re.IGNORECASE
)
_TOPIC_WORDS = 6  # at most, of a topic before a colon or dash
_IS_CLEAR = re.compile(_CLEAR, re.IGNORECASE)
_IS_ABOUT = re.compile(f"{_CLEAR}|{_ABOUT}", re.IGNORECASE)
_IS_BESIDE = re.compile(_BESIDE, re.IGNORECASE)


def is_all_clear(remark: str) -> bool:
    """Whether a whole remark says that nothing is wrong, or that something is right.

    Args:
        remark: On one line, without its number.
    """
    if _RESERVES.search(remark):
        return False
    listed = re.sub(r"\([^()]*\)", lambda inside: inside[0].replace(",", " "), remark)
    pieces = [*_CLAUSE_END.split(" ".join(listed.split()).strip(" \"'")), ""]
    clauses = [(clause, end) for clause, end in zip(pieces[::2], pieces[1::2], strict=True) if clause]
    pattern, found = _IS_ABOUT, False
    for place, (clause, end) in enumerate(clauses):
        if pattern.fullmatch(clause):
            found = True
        elif place == 0 and end and end in ":-–—" and len(clause.split()) <= _TOPIC_WORDS:
            pattern = _IS_ABOUT if _SECTION.fullmatch(clause) else _IS_CLEAR
        elif not (found and _IS_BESIDE.fullmatch(clause)):
            return False
    return found
