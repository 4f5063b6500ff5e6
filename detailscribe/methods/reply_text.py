"""Text of a reply without special tokens and thoughts: end-of-turn tokens, role headers, channels, thinking marks.

Servers that know a model's chat template remove these; others, and models that mistake their own template, leave them
in the text. Every family of open models has other marks: the families and their replies are the cases of
`tests/unit/methods/model_replies.yaml`. Each mark is found once, from left to right, so that the time is linear.

Source: chat templates and tokenizer configurations of the families.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_THOUGHT = r"(?:think|thinking|thoughts?|reasoning|reflection|scratchpad)"
_BAR = "[|｜]"
_TURN = (  # tokens that a role's name follows
    rf"(?:<{_BAR}(?:im_start|im_assistant|start_header_id|header_start|start|turn|startoftext|start_of_role){_BAR}?>"
    r"|<start_of_turn>|<seed:bos>|<extra_id_1>|<special_1[01]>)"
)
_OPENS = (
    rf"[<◁] ?(?:seed:)?{_THOUGHT}(?::\w{{1,20}})? ?[>▷]|\[think(?:ing)?\]|<unused94>(?:thought)?"
    rf"|<{_BAR}(?:begin_of_thought|start_thinking){_BAR}>"
    rf"|<{_BAR}channel{_BAR}?>\s{{0,4}}(?:analysis|commentary|thought|thinking)"
)
_CLOSES = (  # also what opens the answer
    rf"[<◁] ?/ ?(?:seed:)?{_THOUGHT}(?::\w{{1,20}})? ?[>▷]|\[/think(?:ing)?\]|<unused95>|<channel{_BAR}>"
    rf"|<{_BAR}(?:end_of_thought|end_thinking|begin_of_solution|start_response|start_text){_BAR}>"
    rf"|<{_BAR}channel{_BAR}?>\s{{0,4}}final(?:[^<]{{0,80}}<{_BAR}constrain{_BAR}>\w{{0,20}})?\s{{0,4}}"
    rf"(?:<{_BAR}message{_BAR}>)?"
)
_ENDS = (
    rf"<{_BAR}(?:im_end|eot(?:_id)?|eom(?:_id)?|eos|end|endoftext|endofturn|end_of_(?:text|turn|message|solution)"
    r"|end_of_turn_token|(?:hy_)?end[▁_ ]of[▁_ ]sentence|end_response|end_text|return|call|user|observation|system"
    rf"|im_user|im_system|hy_user|hy_place▁holder▁no▁2|hy_eos[^<>|｜]{{0,20}}){_BAR}>"
    rf"|<turn{_BAR}>|<(?:end_of_turn|end_of_utterance|eos|eos_token|eoa|seed:eos|special_12)>|\[eos\]|\[inst\]"
    rf"|\[\|(?:endofturn|user|system)\|\]|\[unused_token_145\]|{_TURN}\s{{0,3}}(?:user|human|system|tool|developer)\b"
)
_DROPPED = (
    rf"{_TURN}\s{{0,3}}(?:assistant|model|chatbot)[ \t]{{0,3}}(?=[\n<]|\Z)"
    rf"|<{_BAR}[\w▁:./#-]{{1,60}}{_BAR}?>|<[\w▁:./#-]{{1,40}}{_BAR}>|<{_BAR}(?:begin|end) of \w{{1,20}}{_BAR}>"
    r"|<(?:bos|pad|unk|bos_token|pad_token|unk_token|start_of_turn|start_of_image|end_of_image|image_soft_token|image"
    r"|/?img|img_context|video|fake_token_around_image|global-img|sop|eop|unused\d{1,5}|extra_id_\d{1,4}"
    r"|reserved_\d{1,4}|special_\d{1,4}|0x[0-9a-f]{2})>|</?seed:\w{1,30}>|<</?sys>>|\[/inst\]|\[\|\w{1,20}\|\]"
    r"|\[(?:bos|pad|unk|gmask|img|img_end|img_break|unused_token_\d{1,4})\]"
)
_MARK = re.compile(
    rf"(?P<opens>{_OPENS})|(?P<closes>{_CLOSES})|(?P<ends>{_ENDS})|(?P<strike><s>)|(?P<strike_end></s>)|{_DROPPED}",
    re.IGNORECASE,
)
_BEGIN = re.compile(r"[<\[◁]")  # of each mark; looked for first, since it is found faster
_CUT_TOKEN = re.compile(rf"<{_BAR}[\w▁]{{0,60}}{_BAR}?\Z")
# Names that a server left when it removed their tokens (gpt-oss, Llama 3), and phrases in place of marks (Granite 3.2).
_ROLE = re.compile(r"\s*assistant[ \t]*\n")
_GLUED = re.compile(r"\s*(?:assistant)?(?:analysis|commentary)(?=\S)|\s*assistantfinal(?=\S)")
_PHRASE = re.compile(r"\s*here(?:'s| is) my thought process:", re.IGNORECASE)
_PHRASE_END = re.compile(r"here(?:'s| is) my response:", re.IGNORECASE)


@dataclass(frozen=True)
class SpokenText:
    """What a model says after its thoughts.

    Attributes:
        text: Without special tokens and thoughts, stripped; empty if nothing is left.
        ended: The model ended its turn itself: an end-of-turn token follows the text.
        unfinished_thought: Thoughts open and never end: the reply was cut, and has no answer.
    """

    text: str
    ended: bool = False
    unfinished_thought: bool = False


@lru_cache(maxsize=4)  # one reply is looked at by several parsers
def spoken_text(reply: str) -> SpokenText:
    """The text of a reply up to the end of the model's turn.

    A mark that ends thoughts without one that opens them belongs to thoughts that the chat template opened: everything
    before it is dropped. What follows the turn's end, such as a question that the model invents, is dropped, too. A
    mark within a line that opens thoughts, and that none ends, is the text's own: a sign that reads [THINK].
    """
    text, unfinished = _after_phrases(reply)
    kept: list[str] = []
    thinking = ended = spoken = False
    strikes = position = 0  # `<s>` within the text is crossed-out text, whose `</s>` ends no turn
    marks = list(_marks(text))
    last_close = max((mark.start() for mark in marks if mark.lastgroup == "closes"), default=-1)
    for mark in marks:
        if not thinking:
            kept.append(text[position : mark.start()])
            spoken = spoken or bool(kept[-1].strip())
        position = mark.end()
        kind = mark.lastgroup
        if kind == "opens":
            if not thinking and mark.start() > last_close and spoken and kept[-1].rpartition("\n")[2].strip():
                kept.append(mark[0])
            else:
                thinking = True
        elif kind == "closes":
            if not thinking:
                kept.clear()
                spoken = False
            thinking = False
        elif thinking:
            continue
        elif kind == "strike":
            strikes += spoken
        elif kind == "strike_end" and strikes:
            strikes -= 1
        elif kind in ("ends", "strike_end") and spoken:
            ended = True
            break
        elif mark[0].lower() == "<0x0a>":
            kept.append("\n")
    if not thinking and not ended:
        kept.append(_CUT_TOKEN.sub("", text[position:]))
    return SpokenText("".join(kept).strip(), ended, unfinished or thinking)


def _marks(text: str) -> Iterator[re.Match[str]]:
    end = 0
    for begin in _BEGIN.finditer(text):
        if begin.start() >= end and (mark := _MARK.match(text, begin.start())):
            end = mark.end()
            yield mark


def _after_phrases(reply: str) -> tuple[str, bool]:
    """A reply without the thoughts that words and not tokens mark, and whether those never end."""
    if _GLUED.match(reply):
        _, final, answer = reply.rpartition("assistantfinal")
        return (answer, False) if final else (reply, re.match(r"\s*(?:assistant)?analysis[A-Z]", reply) is not None)
    if role := _ROLE.match(reply):
        return reply[role.end() :], False
    if _PHRASE.match(reply):
        answers = list(_PHRASE_END.finditer(reply))
        return (reply[answers[0].end() :], False) if answers else (reply, True)
    return reply, False
