"""A finished small study on stub models, run once per kind of cases."""

from pathlib import Path

from tests.workflow.small_study import PROMPTS, Study


def finished_study(folder: Path) -> Study:
    """A study after a whole run."""
    study = Study(folder)
    folder.mkdir(parents=True)
    study.prompts(PROMPTS)
    study.snakemake()
    return study


def snapshot(folder: Path, without: tuple[str, ...] = ()) -> dict[str, bytes]:
    """Content of every file below a folder, links as their targets' names, by relative name."""
    files = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if name.startswith(without):
            continue
        if path.is_symlink():
            files[name] = b"link to " + str(path.readlink()).encode()
        elif path.is_file():
            files[name] = path.read_bytes()
    return files
