"""All kinds of seeded cases."""

from tests.fault_cases import (
    archives,
    batches,
    budgets,
    choice_tables,
    images,
    model_replies,
    prompt_files,
    rating_tables,
    replies,
    results,
    tables,
    workbooks,
)

KINDS = [
    module.KIND
    for module in (
        replies,
        model_replies,
        batches,
        budgets,
        images,
        archives,
        workbooks,
        rating_tables,
        choice_tables,
        tables,
        prompt_files,
        results,
    )
]
