"""Words of servers for what happened: refused by a filter, cut off, broken off, no credit, wrong set-up, blind model.

Names are compared by their letters and digits (`spelled`), since servers spell one name in several ways:
`content_filter`, `contentFilter`, `CONTENT-FILTER`. `tests/unit/llm/server_shapes.yaml` says which server says what.
"""

import re

FILTERS = {  # finish reasons and error codes of a reply or a prompt that a filter withheld
    *("safety", "sensitive", "prohibitedcontent", "recitation", "blocklist", "spii", "modelarmor", "imagesafety"),
    *("imageprohibitedcontent", "imagerecitation", "guardrailintervened", "refusal", "flagged", "moderation"),
    *("moderationblocked", "contentpolicyviolation", "contentpolicy", "invalidprompt", "datainspectionfailed"),
    *("responsibleaipolicyviolation", "publicerrorunsafegeneration", "requestmoderated", "contentmoderated"),
}
FILTER_PARTS = ("contentfilter", "sensitivecontent", "sensitiveword", "datainspectionfailed", "safetycheck")
CUTS = {"length", "maxtokens", "maxoutputtokens", "maxlength", "modellength", "modelcontextwindowexceeded"}
ENDS = {"stop", "stopsequence", "endturn", "eos", "eostoken", "completed", "complete"}  # of a reply that is whole
BREAKS = {  # finish reasons of a reply that is not complete for a reason of the server
    *("error", "abort", "aborted", "cancelled", "canceled", "networkerror", "insufficientsystemresource", "timeout"),
    *("other", "imageother", "noimage", "malformedfunctioncall", "malformedresponse", "unexpectedtoolcall"),
}
MODEL_PROBLEMS = {
    *("modelnotfound", "invalidmodel", "unknownmodel", "unknownparameter", "unsupportedparameter"),
    *("unsupportedvalue", "modelnotsupported"),
}
KEY_PROBLEMS = {"apikeyinvalid", "invalidapikey", "accountdeactivated", "accessterminated"}
NO_CREDIT = {
    *("insufficientquota", "billinghardlimitreached", "billingnotactive", "insufficientbalance", "arrearage"),
    *("exceededcurrentquotaerror", "insufficientcredits"),
}
STATUS_OF = {  # HTTP status of an error that arrives without one, by its code, type or status
    **dict.fromkeys(("invalidrequesterror", "badrequesterror", "invalidargument", "badrequest"), 400),
    **dict.fromkeys(("authenticationerror", "unauthenticated", "invalidapikey", "unauthorized"), 401),
    **dict.fromkeys(("permissionerror", "permissiondenied", "forbidden"), 403),
    **dict.fromkeys(("notfounderror", "notfound"), 404),
    **dict.fromkeys(("ratelimiterror", "ratelimitexceeded", "resourceexhausted", "toomanyrequests"), 429),
    **dict.fromkeys(("unavailable", "overloadederror", "unavailableerror", "serviceunavailable"), 503),
}

CREDIT_WORDS = re.compile(
    r"credit balance is too low|used all available credits|insufficient (?:balance|credits?|funds)|"
    r"exceeded your current quota(?!.*retry in)|more credits",  # Gemini says so of a limit per minute, too
    re.IGNORECASE,
)
FILTER_WORDS = re.compile(
    r"usage (?:guidelines|polic(?:y|ies))|content (?:management )?polic(?:y|ies)|safety (?:system|filter|check)|"
    r"SAFETY_CHECK|content[ _-]filter|filtered due to|inappropriate content|sensitive (?:words?|content)|"
    r"(?:was|been|is|were) flagged|flagged (?:as|by|for)|requires moderation|content moderation|"
    r"moderation (?:policy|guidelines|system|filter)|prohibited content|unsafe content|DataInspectionFailed|"
    r"violat\w+ (?:our |the |of |\w+'s )*(?:\w+ )?(?:polic(?:y|ies)|guidelines|terms)|"
    r"rejected (?:by|as a result of) (?:our|the) (?:safety|moderation)",
    re.IGNORECASE,
)
ACCOUNT_WORDS = re.compile(
    r"API key (?:is )?(?:not valid|invalid|expired)|your access was terminated|"
    r"(?:account|organi[sz]ation|project|workspace) (?:has been|was|is) (?:\w+ )?"
    r"(?:deactivated|disabled|suspended|banned)",
    re.IGNORECASE,
)
OPTION_WORDS = re.compile(  # an option may be named like a filter
    r"unrecogni[sz]ed (?:request )?argument|(?:unknown|unsupported) (?:parameter|name|field)|"
    r"extra (?:inputs|fields) (?:are )?not permitted",
    re.IGNORECASE,
)
BLIND_WORDS = re.compile(  # not those of one image: its format, its size
    r"(?:does not|doesn'?t|do not|don'?t|cannot|can'?t|not) (?:support|accept)\w* "
    r"(?:\w+ )?(?:image_url|vision|multi-?modal|visual|images?\b"
    r"(?! ?(?:/|formats?|types?|files?|sizes?|dimensions?|larger|bigger|smaller|over|above|below|with|of|in) ?))|"
    r"images? (?:inputs?|content|data|urls?|messages?)?\s*(?:is|are) not (?:supported|allowed|accepted|enabled)|"
    r"not a (?:multi-?modal|vision)|support images? inputs?\b|"
    r"(?:unknown variant|unsupported (?:content )?(?:part )?type|invalid content type)\W+\S*image(?!/)|"
    r"image_url is only supported|at most 0 image|mmproj|"
    r"content (?:must be|should be|is not) a (?:valid )?string|content[\w.]*: input should be a valid string|"
    r"not compiled for multi-?modal|"
    # The text and the image are a list, and the server or the model's chat template treats it as a text.
    r"can only concatenate (?:str \(not \W?list\W{1,2} to str|list \(not \W?str\W{1,2} to list)|"
    r"unsupported operand type\(s\) for \+: \W?(?:list\W{1,2} and \W?str|str\W{1,2} and \W?list)\b|"
    r"\blist\W? ?(?:object\W?)? has no (?:attribute|method)\W{1,4}"
    r"(?:[lr]?strip|r?split|splitlines|startswith|endswith|replace|lower|upper|trim)\b|"
    r"cannot unmarshal array into .{0,80}content of type string|"
    r"content\W{1,4}(?:invalid type: sequence, expected a string|"
    r"expected (?:a )?string, (?:received|but got an?) array)",
    re.IGNORECASE,
)
MODEL_WORDS = re.compile(
    r"not a valid model|no models? loaded|invalid model (?:identifier|name)|"
    r"model \S+ (?:does not exist|not found|is not found)|unknown model",
    re.IGNORECASE,
)


def spelled(name: object) -> str:
    """A name by its letters and digits, in lower case; empty for anything but a text or a whole number."""
    if not isinstance(name, str | int) or isinstance(name, bool):
        return ""
    return re.sub(r"[^a-z0-9]+", "", str(name).lower())


def is_filter(name: str) -> bool:
    """Whether a spelled finish reason or error code says that a filter withheld the text."""
    return name in FILTERS or any(part in name for part in FILTER_PARTS)
