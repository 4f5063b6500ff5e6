"""The package's rooms: each imports only from its own or a lower one, and none grows out of hand."""

import ast
from pathlib import Path

import pytest

from tests.paths import REPOSITORY

PACKAGE = REPOSITORY / "detailscribe"
# From low to high; rooms of one line do not import each other.
FLOORS = [
    {"errors"},
    {"files"},
    {"engines", "llm"},
    {"study"},
    {"images"},
    {"methods"},
    {"scores"},
    {"prompts", "tables"},
    {"human", "miniature"},
    {"operations", "report"},
    {"capsule"},
    {"workflow"},
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
FILES = sorted(path for path in PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"detailscribe.{alias.name}" for alias in node.names] if node.module == "detailscribe" else []
            names += [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("detailscribe.")}
    return rooms


def test_every_room_has_a_floor():
    rooms = {room_of(path) for path in FILES} - {"__init__"}
    assert rooms == set(FLOOR_OF)


@pytest.mark.parametrize("room", sorted(FLOOR_OF))
def test_a_room_imports_only_from_itself_and_from_lower_floors(room):
    upwards = [
        f"{path.relative_to(REPOSITORY)} imports {other}"
        for path in FILES
        if room_of(path) == room
        for other in imported_rooms(path) - {room}
        if FLOOR_OF[other] >= FLOOR_OF[room]
    ]
    assert not upwards, "imports go down only (docs/development.md): " + "; ".join(upwards)


def test_only_the_workflow_room_knows_snakemake():
    def mentions(path: Path) -> bool:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imports = {
            name.split(".")[0]
            for node in ast.walk(tree)
            for name in (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else []
            )
        }
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        arguments = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
        return "snakemake" in imports | names | arguments

    assert [str(path.relative_to(PACKAGE)) for path in FILES if room_of(path) != "workflow" and mentions(path)] == []


@pytest.mark.parametrize("package", sorted({path.parent for path in FILES} - {PACKAGE}), ids=lambda path: path.name)
def test_a_package_has_3_to_15_modules(package):
    modules = [path for path in package.glob("*.py") if path.name not in ("__init__.py", "__main__.py")]
    assert 3 <= len(modules) <= 15


def test_no_file_is_long_and_most_are_short():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES if path.name != "__init__.py"}
    assert [f"{path.relative_to(PACKAGE)}: {count}" for path, count in lengths.items() if count > 300] == []
    assert sorted(lengths.values())[len(lengths) // 2] <= 110
