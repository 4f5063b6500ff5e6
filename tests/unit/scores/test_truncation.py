"""Truncation: tokens that each reader reads of a text."""

from detailscribe.scores.truncation import count_tokens, image_readers, metric_readers, truncation_shares

RECORDS = [{"id": "a", "prompt": "fox " * 100}, {"id": "b", "prompt": "a fox"}]


def test_each_reader_of_the_miniature_cuts_where_its_model_does(miniature):
    model = {"path": str(miniature / "sd3"), "revision": "", "max_sequence_length": 24}
    path = f"local-dir:{miniature / 'image_reward'}"
    metrics = {
        "clip_score": {"module": "clip_score", "model": f"local-dir:{miniature / 'clip'}", "pretrained": ""},
        "image_reward": {"module": "image_reward", "vocabulary": path},
        "blip_vqa": {"module": "blip_vqa", "vocabulary": path},
    }
    texts = {"gpt_rewrite": {"b": "a fox and a parrot"}}
    phrases = {"a": ["fox"] * 9, "b": ["a fox"]}
    rows = count_tokens(RECORDS, texts, phrases, image_readers(model), metric_readers(metrics))
    found = {(row["id"], row["text"], row["reader"]): (row["tokens"], row["read"]) for row in rows}
    assert len(found) == len(rows) == 12
    # Words plus what each reader adds: start and end, an end, "a photo depicts" and both; of a question its mark too.
    assert found["a", "prompt", "sd_clip"] == (102, 16)
    assert found["a", "prompt", "sd_t5"] == (101, 24)
    assert found["a", "prompt", "clip_score"] == (105, 77)
    assert found["a", "prompt", "image_reward"] == (102, 35)
    assert found["a", "prompt", "blip_vqa"] == (36, 32)
    assert found["b", "prompt", "blip_vqa"] == (5, 5)
    assert found["b", "gpt_rewrite", "sd_t5"][0] >= 6
    assert ("b", "gpt_rewrite", "clip_score") not in found and ("a", "gpt_rewrite", "sd_t5") not in found


def test_shares_count_texts_and_tokens():
    rows = [
        {"id": "a", "text": "prompt", "reader": "x", "tokens": 100, "read": 77},
        {"id": "b", "text": "prompt", "reader": "x", "tokens": 77, "read": 77},
        {"id": "a", "text": "prompt", "reader": "y", "tokens": 0, "read": 0},
    ]
    assert truncation_shares(rows) == [
        {"text": "prompt", "reader": "x", "n": 2, "cut": 1, "cut_share": 0.5, "read_share": 154 / 177},
        {"text": "prompt", "reader": "y", "n": 1, "cut": 0, "cut_share": 0.0, "read_share": None},
    ]
