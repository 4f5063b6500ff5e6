"""Costs of recorded answers, each counted once; what is not known stays unknown."""

from detailscribe.llm.exchange_store import exchange_path
from detailscribe.llm.request import Answer
from detailscribe.operations.budget.answer_costs import AnswerCost, AnswerCosts
from tests.unit.operations.test_costs import CALL_USD, USAGE, recorded


def test_tries_count_and_an_answer_counts_once(tmp_path):
    one = recorded(tmp_path, "one", Answer("ok", text="<a>", usage=USAGE))
    three = recorded(tmp_path, "three", Answer("ok", text="<a>", usage=USAGE, tries=(USAGE, USAGE)))
    costs = AnswerCosts(tmp_path)
    assert costs.of([]) == AnswerCost(0, 0, 0, 0.0)
    assert costs.of([one, one]) == AnswerCost(1, 100, 20, CALL_USD)
    total = costs.of([one, three])
    assert (total.calls, total.input_tokens, total.output_tokens, round(total.usd, 9)) == (
        *(4, 400, 80),
        round(4 * CALL_USD, 9),
    )


def test_an_answer_without_usage_or_that_was_deleted_leaves_tokens_and_dollars_unknown(tmp_path):
    silent = recorded(tmp_path, "silent", Answer("ok", text="<a>", usage=None))
    gone = recorded(tmp_path, "gone", Answer("ok", text="<a>", usage=USAGE))
    exchange_path(tmp_path, gone).unlink()
    costs = AnswerCosts(tmp_path)
    for digest in (silent, gone):
        assert costs.of([digest]) == AnswerCost(1, None, None, None)
