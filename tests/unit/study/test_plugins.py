"""Modules that a configuration names by their files: what such a module may contain, and how often it runs."""

import os
import sys

import pytest

from detailscribe.errors import InputError, SetupError
from detailscribe.study import plugins
from detailscribe.study.plugins import FILES, PromptError, load_plugin, module_file, plugin_errors, prompt_errors

DATACLASS = """
from __future__ import annotations
import dataclasses
@dataclasses.dataclass
class Settings:
    count: int = 2
    kind: dataclasses.InitVar[str] = ""
NAME = Settings(3)
"""


def load(path, *names):
    return load_plugin("refiner", "detailscribe.methods.refiners", str(path), names)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_may_have_dataclasses_with_annotations_as_texts(folder):
    (folder / "mine.py").write_text(DATACLASS)
    module = load("mine.py", "NAME")
    assert (module.NAME.count, module.__name__.rpartition(".")[2]) == (3, "mine")


def test_a_file_runs_once_for_each_content_and_each_place(folder):
    (folder / "other").mkdir()
    file, other = folder / "mine.py", folder / "other" / "mine.py"
    for each in (file, other):
        each.write_text(f"NAME = {str(each)!r}\nopen('runs', 'a').write('x')\n")
    first = load("mine.py", "NAME")
    assert load(file, "NAME") is load("./mine.py", "NAME") is first and load(other).NAME == str(other) != first.NAME
    assert (folder / "runs").read_text() == "xx"
    file.write_text("NAME = 'changed'\n")
    os.utime(file, (1, 1))
    assert load("mine.py").NAME == "changed" and str(other) == load(other).NAME


def test_a_file_takes_no_other_modules_name_and_a_broken_one_leaves_none(folder):
    (folder / "json.py").write_text("NAME = 1\n")
    (folder / "broken.py").write_text("NAME = 1\n1 / 0\n")
    own = sys.modules["json"]
    assert load("json.py").NAME == 1 and sys.modules["json"] is own
    for _ in range(2):
        with pytest.raises(InputError, match=r"^the refiner broken\.py fails at line 2: ZeroDivisionError: division"):
            load("broken.py")
    assert not any(name.startswith(FILES) and name.endswith(".broken") for name in sys.modules)


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("from . import settings\n", InputError, "fails at line 1: ImportError: attempted relative import with no"),
        ("import sys\nsys.exit('bye')\n", InputError, "fails at line 2: SystemExit: bye; correct it"),
        ("import json\n\njson.loads('{')\n", InputError, "fails at line 3: JSONDecodeError: "),
        ("import no_such_package\n", SetupError, "needs the package no_such_package: install it"),
    ],
)
def test_what_goes_wrong_on_import_names_the_line_of_the_file(folder, text, error, said):
    (folder / "mine.py").write_text(text)
    with pytest.raises(error) as caught:
        load("mine.py")
    assert str(caught.value).startswith(f"the refiner mine.py {said}")


FUNCTION = "import json, sys\n\ndef work(kind):\n    {}\n"


@pytest.mark.parametrize(
    ("line", "job", "row"),
    [
        ("return {}['x']", "the refiner mine.py fails at line 4: KeyError: 'x'", "KeyError: 'x' (mine.py, line 4)"),
        ("json.loads('{')", "the refiner mine.py fails at line 4: JSONDecodeError", "JSONDecodeError: Expecting"),
        ("sys.exit(3)", "the refiner mine.py fails at line 4: SystemExit: 3", "SystemExit: 3 (mine.py, line 4)"),
        ("from detailscribe.errors import InputError; raise InputError('no mask')", "no mask", "no mask"),
        ("import no_such_package", SetupError, SetupError),
        ("from detailscribe.errors import SetupError; raise SetupError('other model')", SetupError, SetupError),
    ],
)
def test_an_error_ends_the_work_or_is_the_reason_of_one_prompt(folder, line, job, row):
    (folder / "mine.py").write_text(FUNCTION.format(line))
    module = load("mine.py")
    of_a_prompt = prompt_errors("refiner", "mine.py", lambda error: False)
    for way, said, error in ((plugin_errors("refiner", "mine.py"), job, InputError), (of_a_prompt, row, PromptError)):
        with pytest.raises(said if said is SetupError else error) as caught, way:
            module.work(1)
        assert said is SetupError or str(caught.value).startswith(said)


def test_what_says_nothing_of_the_prompt_is_left_as_it_is(folder):
    with pytest.raises(OSError, match="full"), prompt_errors("refiner", "a", lambda error: isinstance(error, OSError)):
        raise OSError("full")


def test_a_file_is_looked_for_in_the_run_s_folder_and_then_in_the_workflow_s(folder, tmp_path_factory, monkeypatch):
    workflow = tmp_path_factory.mktemp("workflow")
    monkeypatch.setattr(plugins, "WORKFLOW", workflow)
    for place in ("my/x.py", str(folder / "x.py")):
        looked_for = dict.fromkeys([str(folder / place), str(workflow / place)])
        with pytest.raises(InputError) as caught:
            load(place)
        said = f"no refiner module {place!r}: there is no such file; looked for {' and '.join(looked_for)}"
        assert str(caught.value) == said
    for each, name in ((workflow, "workflow"), (folder, "run")):
        (each / "my").mkdir()
        (each / "my" / "x.py").write_text(f"NAME = {name!r}\ndef work():\n    return 1 / 0\n")
        module = load("my/x.py")
        assert name == module.NAME and module_file("my/x.py").read_text().startswith(f"NAME = {name!r}")
        said = r"^ZeroDivisionError: division by zero \(my/x\.py, line 3\)$"
        with pytest.raises(PromptError, match=said), prompt_errors("refiner", "my/x.py", lambda error: False):
            load("my/x.py").work()
