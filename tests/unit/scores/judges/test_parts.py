"""Judge of parts: a question per part and image, and the scores that the answers give."""

import json
import math

import pytest

from detailscribe.llm.client import Chat
from detailscribe.scores.judges.parts import geometric_mean, judge_parts, parameters
from tests.chat_replies import chat_logprobs
from tests.chat_server import ChatServer
from tests.unit.prompts.test_parts import JUDGE
from tests.unit.scores.judges.questioned import RECORDS, REFUSED, AnsweringChat, image, judge
from tests.unit.study.configured import configured_study

PARTS = {
    "dough-1": {
        "status": "ok",
        "reason": "",
        "parts": [
            {"text": "paw holds rolling pin", "kind": "interaction"},
            {"text": "paw", "kind": "entity"},
            {"text": "rolling pin", "kind": "entity"},
        ],
    },
    "saw-2": {"status": "skipped", "reason": "the decomposition is refused: declined", "parts": []},
}
YES, NO = "To be seen. <yes>", "Not there. <no>"


def run(tmp_path, answer, image_sets=None, on_done=None, scenario="", **changes):
    images = {record["id"]: image(tmp_path, f"first-{record['id']}") for record in RECORDS}
    chat = AnsweringChat(answer)
    sets = {"original-1": images} if image_sets is None else image_sets
    role = judge("judge_part", **changes)
    return judge_parts(RECORDS, sets, PARTS, role, chat, on_done, scenario, tmp_path / "fingerprints"), chat


def by_part(answers: dict):
    return lambda request: answers[request.fields["part"]]


@pytest.mark.parametrize(
    ("answers", "score", "geometric"),
    [
        ([YES, YES, YES], 1.0, 1.0),
        ([NO, YES, YES], 2 / 3, 0.0),
        ([NO, NO, NO], 0.0, 0.0),
    ],
)
def test_scores_are_the_means_over_the_parts(tmp_path, answers, score, geometric):
    texts = [part["text"] for part in PARTS["dough-1"]["parts"]]
    rows, _ = run(tmp_path, by_part(dict(zip(texts, answers, strict=True))))
    row = rows[0]
    assert (row["score"], row["geometric"], row["status"]) == (pytest.approx(score), geometric, "ok")
    assert [part["value"] for part in row["parts"]] == [float(answer is YES) for answer in answers]
    assert row["draws"] == [pytest.approx(score)]
    assert len(row["exchange"]) == 3 and row["fingerprint"]


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        ("It is hard to say.", "unparsed", "'paw': no yes or no in <...>"),
        ("I do not know it. <unknown>", "unparsed", "'paw'"),
        (REFUSED, "refused", "'paw': the model declined"),
        (None, "failed", "'paw': no answer"),
    ],
)
def test_a_part_without_an_answer_leaves_no_score(tmp_path, answer, status, words):
    rows, _ = run(tmp_path, lambda request: answer if request.fields["part"] == "paw" else YES)
    row = rows[0]
    assert (row["score"], row["geometric"], row["status"]) == (None, None, status)
    assert words in row["reason"]
    assert [part["value"] for part in row["parts"]] == [1.0, None, 1.0]
    assert [part["status"] for part in row["parts"]] == ["ok", status, "ok"]
    assert row["draws"] == [None]


def test_how_many_parts_have_no_answer_is_said(tmp_path):
    rows, _ = run(tmp_path, lambda request: "?")
    assert rows[0]["reason"].endswith("3 of 3 parts have no answer")


def test_draws_are_averaged_part_by_part(tmp_path):
    answers = {"paw holds rolling pin": [YES, NO, NO], "paw": [YES, YES, "?"], "rolling pin": [YES, YES, YES]}
    rows, _ = run(tmp_path, lambda request: answers[request.fields["part"]][request.draw], draws=3)
    row = rows[0]
    assert [part["value"] for part in row["parts"]] == pytest.approx([1 / 3, 1, 1])
    assert row["score"] == pytest.approx((1 / 3 + 1 + 1) / 3)
    assert row["geometric"] == pytest.approx((1 / 3) ** (1 / 3))
    assert row["draws"] == pytest.approx([1.0, 2 / 3, None])


def test_what_cannot_be_asked_is_skipped_with_its_reason(tmp_path):
    done = []
    sets = {
        "a": {"dough-1": image(tmp_path, "blocked", "refused"), "saw-2": image(tmp_path, "there")},
        "b": {"dough-1": image(tmp_path, "good")},
    }
    rows, chat = run(tmp_path, lambda request: YES, sets, lambda: done.append(1), draws=2)
    assert [(row["image_set"], row["id"], row["status"]) for row in rows] == [
        ("a", "dough-1", "skipped"),
        ("a", "saw-2", "skipped"),
        ("b", "dough-1", "ok"),
        ("b", "saw-2", "skipped"),
    ]
    assert rows[0]["reason"] == "the image is refused: blocked"
    assert rows[1]["reason"] == "the list of parts is skipped: the decomposition is refused: declined"
    assert rows[3]["reason"] == f"there is no image; {rows[1]['reason']}"
    assert all(row["score"] is None and row["parts"] == row["draws"] == row["exchange"] == [] for row in rows[:2])
    assert len(chat.asked) == 6 and len(done) == 12  # as many as parts, draws and image sets


def test_questions_about_one_image_follow_each_other_and_begin_alike(tmp_path):
    sets = {name: {record["id"]: image(tmp_path, name + record["id"]) for record in RECORDS} for name in "ab"}
    _, chat = run(tmp_path, lambda request: YES, sets)
    assert [request.images[0].name for request in chat.asked] == 3 * ["adough-1.png"] + 3 * ["bdough-1.png"]
    assert all(request.images_first and request.role == "judge_part" for request in chat.asked)
    texts = [request.messages[-1]["content"] for request in chat.asked[1:3]]  # of the entities
    assert [text.rpartition("\n")[2] for text in texts] == ["Thing: paw", "Thing: rolling pin"]
    assert len({text.rpartition("\n")[0] for text in texts}) == 1
    assert chat.asked[0].messages[-1]["content"].endswith("Interaction: paw holds rolling pin")


def test_a_structured_answer_is_read_from_its_object(tmp_path):
    rows, chat = run(tmp_path, lambda request: json.dumps({"reason": "<no> glove", "score": "yes"}), structured=True)
    assert rows[0]["score"] == 1.0
    assert "as score" in chat.asked[0].messages[-1]["content"]


def test_a_scenario_may_have_a_template_of_its_own(tmp_path):
    own = {"mine": {"system": "", "user": "Own: {{ part }} of {{ topic }}. <yes>?"}}
    _, chat = run(tmp_path, lambda request: YES, scenario="mine", scenario_templates=own, topic_cut=True)
    assert chat.asked[1].messages[-1]["content"] == "Own: paw of rolling. <yes>?"


def test_the_fingerprint_tells_judges_apart(tmp_path):
    first, second = (run(tmp_path, lambda request: YES, model=name)[0][0]["fingerprint"] for name in ("m", "n"))
    assert first != second
    recipe = json.loads((tmp_path / "fingerprints" / f"{first}.json").read_text())
    assert (recipe["asks"], recipe["served_model"], recipe["model"]) == ("parts", "served-1", "m")


@pytest.mark.parametrize("values", [[0.5, 0.25], [1.0], [0.9, 0.8, 0.7], [0.5, 0.0], [1e-300, 1e-300]])
def test_the_geometric_mean_is_the_root_of_the_product(values):
    exact = math.prod(value ** (1 / len(values)) for value in values)
    assert geometric_mean(values) == pytest.approx(exact, rel=1e-9)


def test_values_are_probabilities_where_the_judge_reads_them(tmp_path):
    alternatives = {"paw": {"yes": 0.6, "no": 0.2, "It": 0.2}, "rolling pin": {"Yes": 0.1, "No": 0.9}}

    def tokens(body: dict) -> dict:
        text = body["messages"][-1]["content"][-1]["text"]
        return next((values for part, values in alternatives.items() if text.endswith(f": {part}")), {"yes": 1.0})

    entry = JUDGE | {"endpoint": "server", "model": "some-model", "reading": "p_yes"}
    with ChatServer(
        answer=lambda body: max(tokens(body), key=tokens(body).get),
        logprobs=lambda body: chat_logprobs((max(tokens(body), key=tokens(body).get), tokens(body))),
    ) as server:
        endpoint = server.endpoint(in_flight=1)
        study = configured_study(judges={"parts": entry}, endpoints={"server": endpoint})
        role = parameters(study)["judge-parts"] | {"endpoint": "server"}
        chat = Chat({"server": endpoint}, tmp_path / "exchanges", "live")
        images = {"original-1": {"dough-1": image(tmp_path, "first")}}
        rows = judge_parts(RECORDS[:1], images, PARTS, role, chat, fingerprints=tmp_path / "fingerprints")
    values = [part["value"] for part in rows[0]["parts"]]
    assert values == pytest.approx([1.0, 0.75, 0.1])
    assert rows[0]["score"] == pytest.approx(sum(values) / 3)
    assert rows[0]["geometric"] == pytest.approx(math.prod(values) ** (1 / 3))
    assert [part["outside"] for part in rows[0]["parts"]] == pytest.approx([0.0, 0.2, 0.0], abs=1e-9)
    assert rows[0]["parts"][2]["entropy"] == pytest.approx(-(0.1 * math.log2(0.1) + 0.9 * math.log2(0.9)))
    assert "one word alone" in role["template"]["user"]  # a reason first would sharpen the probabilities
