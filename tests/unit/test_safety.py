"""Nothing that comes from outside is run: no pickle, no shell, no evaluated text, no archive that leaves its folder."""

import ast

import pytest

from tests.paths import REPOSITORY

SOURCES = sorted([*(REPOSITORY / "detailscribe").rglob("*.py"), *(REPOSITORY / "scripts").glob("*.py")])
# Calls that run what they read, by the end of their name.
FORBIDDEN = {
    *("eval", "exec", "os.system", "os.popen", "pickle.load", "pickle.loads", "joblib.load", "pd.read_pickle"),
    *("yaml.load", "yaml.unsafe_load", "yaml.full_load", "zipfile.extractall", "marshal.loads"),
}
# Calls that are safe with a word said.
NEEDED = {"torch.load": ("weights_only", True), "extractall": ("filter", "data"), "extract": ("filter", "data")}
REFUSED = {"shell": True, "trust_remote_code": True, "allow_pickle": True, "weights_only": False}
REFUSED |= {"use_safetensors": False, "autoescape": False}


def offences(source: str) -> list[str]:
    """Calls in a source text that would run what they are given."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        words = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
        if name in FORBIDDEN:
            found.append(name)
        for call, (word, value) in NEEDED.items():
            if (name == call or name.endswith(f".{call}")) and words.get(word) != value:
                found.append(f"{name} without {word}={value!r}")
        found += [
            f"{name}({word}={value})" for word, value in REFUSED.items() if word in words and words[word] is value
        ]
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_source_runs_what_it_reads(path):
    assert offences(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        *("torch.load(path)", "torch.load(path, weights_only=False)", "pickle.load(file)", "yaml.load(text)"),
        *("tar.extractall(folder)", "tar.extractall(folder, filter='tar')", "subprocess.run(text, shell=True)"),
        *("eval(text)", "AutoModel.from_pretrained(name, trust_remote_code=True)", "np.load(path, allow_pickle=True)"),
    ],
)
def test_the_rule_knows_an_offence(source):
    assert offences(source)


@pytest.mark.parametrize(
    "source", ["torch.load(path, weights_only=True)", "tar.extractall(folder, filter='data')", "model.eval()"]
)
def test_the_rule_lets_the_safe_form_pass(source):
    assert offences(source) == []


def test_no_rule_passes_a_text_to_a_shell():
    for path in (REPOSITORY / "rules").glob("*.smk"):
        words = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        assert not {"shell:", "run:"} & set(words), path
