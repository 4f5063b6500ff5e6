"""The published InterActing prompt files: commit and digests.

Source: https://github.com/gxy000/DetailScribe, folder InterActing/data/original_prompt.
"""

COMMIT = "ff94a1bfc479474d72545fc50bd73c93a085f8f4"
SHA256 = {
    "functional_600.jsonl": "6e15b596cc818822669f3d6802b441bd3d4b3d53b09c5e72d5a21f0c32e28f21",
    "compositional_200.jsonl": "6706730223a3a3bb5d462e13bec28fc139de9caa5bb64cd142625ae527ac91c9",
    "multi_subject_200.jsonl": "c0def35f494ae9cd403dfe3f13aee9db50b1e9fa066e1d4964cdf9f533e0c382",
    "toy_data_001.jsonl": "6842369e538cedb352431574cc436c3bcfb848e0c8a52a72c23166d5af535c3a",
}
# The three files of the paper's 1000 prompts, as scenario names.
PAPER_SCENARIOS = {"functional_600", "compositional_200", "multi_subject_200"}
