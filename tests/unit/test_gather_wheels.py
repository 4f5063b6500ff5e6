"""Wheels for a machine without a network: what is kept, gathered, refused; libraries of other versions of CUDA."""

import json
import zipfile

import pytest

from tests.paths import REPOSITORY

PINS = {"torch": "2.13.0", "engine": "1.0", "words": "2.0", "old": "3.0"}


@pytest.fixture
def gather(monkeypatch):
    """The module, with pins and an index of its own: engine needs words, old and torch, words nothing."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    import gather_wheels

    index = {
        "engine==1.0": ["words>=2", "old>=2.5", "torch>=2", 'windows; sys_platform == "win32"', 'x; extra == "dev"'],
        "words==2.0": [],
        "old==3.0": ["torch"],
    }

    def fetch(label, target, folder):
        if label not in index:
            raise gather_wheels.NotFound(label)
        name, _, version = label.partition("==")
        return write_wheel(folder / f"{name}-{version}-py3-none-any.whl", index[label])

    monkeypatch.setattr(gather_wheels, "fetch", fetch)
    monkeypatch.setattr(gather_wheels, "pins", lambda: dict(PINS))
    monkeypatch.setattr(gather_wheels, "ROOTS", ["torch", "engine"])
    return gather_wheels


def write_wheel(path, requires, **files):
    name, version = path.name.split("-")[:2]
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{info}/METADATA", "\n".join([f"Name: {name}", *(f"Requires-Dist: {r}" for r in requires)]))
        for file, content in files.items():
            archive.writestr(file, content)
        archive.writestr(f"{info}/RECORD", "".join(f"{file},,\n" for file in [*files, f"{info}/METADATA"]))
    return path


def run(gather, capsys, tmp_path, have, *options):
    path = tmp_path / "have.json"
    path.write_text(json.dumps([{"name": name, "version": version} for name, version in have.items()]))
    folder = tmp_path / "wheels"
    folder.mkdir(exist_ok=True)
    status = gather.main([str(path), "--python", "3.12", "--into", str(folder), *options])
    return status, json.loads(capsys.readouterr().out.splitlines()[-1]), {file.name for file in folder.iterdir()}


def test_what_is_missing_is_gathered_with_all_that_it_needs_and_torch_stays(gather, capsys, tmp_path):
    status, found, files = run(gather, capsys, tmp_path, {"torch": "2.11.0+cu130"})
    assert status == 0
    assert list(found["gathered"]) == ["engine==1.0", "words==2.0", "old==3.0"]
    assert found["kept"] == {"torch": "2.11.0+cu130"} and found["differs"] == {"torch": "2.11.0+cu130, pinned 2.13.0"}
    assert files == {f"{name}-py3-none-any.whl" for name in ("engine-1.0", "words-2.0", "old-3.0")}


def test_what_is_there_stays_if_it_is_accepted(gather, capsys, tmp_path):
    status, found, files = run(gather, capsys, tmp_path, {"torch": "2.11.0", "words": "2.1", "Old": "2.5"})
    assert status == 0 and list(found["gathered"]) == ["engine==1.0"] and len(files) == 1
    assert found["differs"] == {"torch": "2.11.0, pinned 2.13.0", "words": "2.1, pinned 2.0", "old": "2.5, pinned 3.0"}


def test_a_version_that_a_package_refuses_is_named_with_the_way_out(gather, capsys, tmp_path):
    have = {"torch": "2.11.0", "words": "2.0", "old": "1.0"}
    status, found, _ = run(gather, capsys, tmp_path, have)
    assert status == 1 and found["wrong"] == {"old": "1.0 is there, old>=2.5 is needed: name it with --replace"}
    status, found, files = run(gather, capsys, tmp_path, have, "--replace", "old")
    assert status == 0 and not found["wrong"] and "old-3.0-py3-none-any.whl" in files


def test_what_a_machine_is_known_to_have_replaces_its_list(gather, capsys, tmp_path):
    arguments = ["--python", "3.12", "--into", str(tmp_path), "--assume", "torch==2.11.0", "words", "old==1.0"]
    assert gather.main(arguments) == 1
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(found["gathered"]) == ["engine==1.0"] and list(found["wrong"]) == ["old"]
    assert found["kept"] == {"torch": "2.11.0", "words": "", "old": "1.0"}


def test_a_list_fetches_nothing(gather, capsys, tmp_path):
    status, found, files = run(gather, capsys, tmp_path, {"torch": "2.11.0"}, "--list")
    assert status == 0 and found["gathered"] == {"engine==1.0": None} and not files


def test_what_no_index_has_and_what_is_too_large_are_errors(gather, capsys, tmp_path):
    status, found, _ = run(gather, capsys, tmp_path, {"torch": "2.11.0"}, "--with", "torchao")
    assert status == 1 and found["not_found"] == ["torchao"]
    assert run(gather, capsys, tmp_path, {"torch": "2.11.0"}, "--limit-mb", "-1")[0] == 1


@pytest.mark.parametrize(("have", "options"), [({}, []), ({"torch": "2.11.0"}, ["--replace", "nvidia-cublas"])])
def test_a_machine_without_torch_and_a_part_of_torchs_set_are_refused(gather, capsys, tmp_path, have, options):
    with pytest.raises(SystemExit):
        run(gather, capsys, tmp_path, have, *options)
    assert "torch" in capsys.readouterr().err


def test_libraries_of_other_cards_are_left_out(gather, tmp_path):
    files = {f"bnb/lib_{name}.so": name for name in ("cpu", "cuda121", "cuda130", "rocm71")}
    wheel = write_wheel(tmp_path / "bnb-1.0-py3-none-any.whl", [], **files)
    gather.keep_cuda(wheel, "130")
    with zipfile.ZipFile(wheel) as archive:
        kept = {name for name in archive.namelist() if name.endswith(".so")}
        record = archive.read("bnb-1.0.dist-info/RECORD").decode()
        assert archive.testzip() is None
    assert kept == {"bnb/lib_cpu.so", "bnb/lib_cuda130.so"}
    assert "cuda130" in record and "cuda121" not in record and "rocm71" not in record
    with pytest.raises(gather.NotFound, match="for CUDA 999"):
        gather.keep_cuda(write_wheel(tmp_path / "bnb-1.0-py3-none-any.whl", [], **files), "999")
    plain = write_wheel(tmp_path / "words-2.0-py3-none-any.whl", [])
    unchanged = plain.read_bytes()
    gather.keep_cuda(plain, "130")
    assert plain.read_bytes() == unchanged


def test_every_root_is_pinned(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    import gather_wheels

    pinned = gather_wheels.pins()
    roots = [gather_wheels.canonicalize_name(name) for name in [*gather_wheels.ROOTS, *gather_wheels.OPTIONAL]]
    assert not [name for name in roots if name not in pinned]
