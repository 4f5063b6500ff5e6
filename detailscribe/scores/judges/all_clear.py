"""All-clear remarks of a critique ("No issues with the cat.", "Everything looks correct."), which name no fault.

A remark is one only if each of its clauses is: a fault that begins like one ("Nothing grips the rope.") is a fault. In
doubt a remark is kept, since a lost fault is a fault that no judge sees.
"""

from __future__ import annotations

import re

# Words after which a remark names what is wrong after all, or some of it.
_RESERVES = re.compile(
    r"\b(?:but|except\w*|excluding|however|al?though|though|yet|only|instead|while|whereas|despite|besides|unless|beyond"
    r"|otherwise|elsewhere|aside|apart|until|because|other than|not)\b",
    re.IGNORECASE,
)
_CLAUSE_ENDS = re.compile(r"[.;!:,]+(?:\s+|$)|\s+[-–—]+\s+|(?<=\))\s+")
_ADVERBS = r"(?:(?:all|also|both|well|very|quite|fully|entirely|completely|perfectly|clearly|already|overall|visually|to be) )*"
_LOOKS = r"(?:is|are|looks?|appears?|seems?)"
_RIGHT = (
    r"(?:correct|fine|good|normal|natural|intact|ok|okay|accurate|consistent|complete|perfect|well[- ](?:formed|drawn|done)"
    r"|anatomically correct|as (?:expected|described|intended|required|requested|it should be|they should be)"
    r"|in (?:order|place))"
)
_THERE = r"(?:present|visible|there|shown|included|accounted for|complete|depicted)"
_FAULT = (
    r"(?:issues?|problems?|faults?|errors?|flaws?|defects?|mistakes?|abnormalit(?:y|ies)|anomal(?:y|ies)|artifacts?"
    r"|artefacts?|distortions?|deformit(?:y|ies)|inconsistenc(?:y|ies)|discrepanc(?:y|ies)|concerns?|irregularit(?:y|ies))"
)
_CHANGE = (
    r"(?:corrections?|changes?|adjustments?|modifications?|fix(?:es)?|edits?|improvements?|remed(?:y|ies)|repairs?|action)"
)
_WRONG = (
    r"(?:wrong|missing|abnormal|unusual|odd|strange|bizarre|amiss|incorrect|distorted|deformed|doubled|out of place"
    r"|unnatural|incomplete|off)"
)
_FOUND = (
    r"(?:(?:(?:is|are|was|were|has been|have been|could be|can be) )?"
    r"(?:found|detected|visible|noted|noticed|observed|seen|identified|present|apparent|here|there|remains?))"
)
_NEEDED = r"(?:(?:is|are|was|were|seems?) )?(?:needed|required|necessary)"
_OF_WHAT = r"(?:(?:with|in|on|for|to|about|regarding|around|here|there|at all)(?: [\w'’-]+){0,7})"
_PROMPT = r"that (?:the|this) \w+ (?:names|knows|mentions|describes|asks for|requires|requests|lists)(?: \([^()]*\))?"
_WHOLE = (  # a clause that says by itself that all is well
    rf"(?:none|n/a|not applicable)(?: {_FOUND}| {_NEEDED})?",
    rf"no (?:(?:further|other|more|additional|new|visible|obvious|apparent|major|significant|clear|notable) )*"
    rf"(?:{_WRONG} )?{_FAULT}(?: {_FOUND})?",
    rf"no (?:(?:further|other|more|additional|new) )*{_CHANGE}(?: {_NEEDED})?",
    rf"nothing(?: else| further| more)?(?: {_LOOKS}| here {_LOOKS})? {_WRONG}(?: here)?",
    rf"nothing(?: else| further| more)?(?: needs)? to (?:be )?(?:correct|fix|change|add|improve|adjust|remark|report|note)(?:ed)?",
    r"nothing(?: else| further| more)?(?: {0})?".format(_NEEDED),
    rf"{_LOOKS} {_ADVERBS}{_RIGHT}",
)
_SUBJECT = (  # a clause about a thing or a place in the image
    rf"no (?:(?:visible|obvious|apparent|major|significant|clear|notable|further|other) )*(?:{_WRONG} )?{_FAULT}"
    rf"(?: {_FOUND})? {_OF_WHAT}",
    rf"no (?:further |other |more )?{_CHANGE}(?: {_NEEDED})? {_OF_WHAT}",
    rf"no missing [\w-]+(?: [\w-]+)?",
    rf"nothing(?: else)?(?: {_LOOKS})? {_WRONG} {_OF_WHAT}",
    rf"nothing to (?:correct|fix|change|add|improve|adjust) {_OF_WHAT}",
    rf"everything(?: (?:here|in (?:the|this) (?:image|picture|scene|background|foreground)))? {_LOOKS} {_ADVERBS}(?:{_RIGHT}|{_THERE})",
    rf"(?:everything|nothing) {_PROMPT} (?:can be seen|{_LOOKS} {_ADVERBS}(?:{_THERE}|{_RIGHT})|is known to this critic)",
    rf"(?:all|both|each|every)(?: of)?(?: [\w'’-]+){{1,5}} {_LOOKS} {_ADVERBS}(?:{_RIGHT}|{_THERE})(?: and {_ADVERBS}(?:{_RIGHT}|{_THERE}))*",
    rf"(?:the|its|his|her|their)(?: [\w'’-]+){{1,5}} {_LOOKS} {_ADVERBS}{_RIGHT}(?: and {_ADVERBS}{_RIGHT})*",
)
# Clauses that say nothing more beside one that does.
_BESIDE = (
    r"(?:please )?(?:keep|leave|retain) (?:it|them|this|everything)(?: as (?:it is|they are|is))?|as (?:it is|they are|is)"
    r"|(?:the|this) \w+ (?:stays|remains) as it is|(?:this|it|they|these) (?:is|are|looks?|appears?) [\w-]+ly? ?"
)
_NONE_LEFT = rf"(?:it|they|this|these) {_LOOKS} {_ADVERBS}{_RIGHT}(?: and {_ADVERBS}{_RIGHT})*"
