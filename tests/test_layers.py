"""Modules build on each other one way, help never loads torch, and functions stay short.

An arrow is an import, wherever it stands: in a function and for type checkers alone, too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest
from sources import ROOT, modules, name, tree_of

BELOW = {
    "data": set(),
    "weights": {"data"},
    "handseg": {"data", "weights"},
    "regressor": {"data", "weights"},
    "pipeline": {"data", "weights", "handseg", "regressor"},
    "boneage": {"data", "pipeline"},
}
# Every room, a folder or a module beside folders, from the lowest up: each may import from those before it.
ROOMS = [
    *("data", "data/synthetic"),
    "weights",
    *("handseg", "handseg/training"),
    *("regressor", "regressor/training"),
    *("pipeline/extras", "pipeline/recipe", "pipeline/reading", "pipeline/codes", "pipeline/clinical"),
    *("pipeline/examination", "pipeline/overlay", "pipeline/plotting", "pipeline/preflight"),
    *("pipeline/report", "pipeline/dicom", "pipeline/fhir"),
    *("pipeline/predict", "pipeline/__init__", "pipeline/segment", "pipeline/growth", "pipeline/node"),
    *("pipeline/cluster", "pipeline/mercure"),
    *("pipeline/crops", "pipeline/soft_labels", "pipeline/learning_curve", "pipeline/measure"),
    *("pipeline/train", "pipeline/export", "pipeline/info"),
    "pipeline/serve",
    "pipeline/output",
    "pipeline/cli",
    "boneage",
]
LONGEST = 60  # lines of a function

MODULES = modules(*BELOW)
# what the command line and its help may read without the slow libraries
LIGHT = ["handseg/config.py", "regressor/config.py", "pipeline/recipe.py", "pipeline/measure/plan.py"]
LIGHT += [
    "boneage/__init__.py",
    "boneage/__main__.py",
    *(f"pipeline/cli/{path.name}" for path in (ROOT / "pipeline" / "cli").glob("*.py")),
]
# and what reads a film with the engine onnx
LIGHT += ["pipeline/predict/bone_age.py", "data/inputs.py", "pipeline/output.py", "pipeline/predict/cohort.py"]
LIGHT += ["pipeline/predict/film_files.py", "handseg/finder.py", "regressor/reader.py", "weights/onnx_engine.py"]
LIGHT += ["pipeline/report/html.py", "pipeline/report/pdf.py"]  # and makes its report
SLOW = {"torch", "torchvision", "timm", "lightning", "segmentation_models_pytorch"}
ONLY_WHERE_USED = SLOW | {"matplotlib", "pandas", "pydicom", "rich", "scipy"}


@cache
def imported(path: Path) -> set[str]:
    """Dotted names of all modules a file imports, `boneage.` before the project's own."""
    return names_in(path, ast.walk(tree_of(path)))


@cache
def imported_at_once(path: Path) -> set[str]:
    """The same of those alone that it needs to be imported itself."""
    return names_in(path, at_import(path))


def names_in(path: Path, nodes: Iterable[ast.AST]) -> set[str]:
    folders = path.relative_to(ROOT).parts[:-1]
    package = [*(() if folders == ("boneage",) else ("boneage",)), *folders]
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return found


def at_import(path: Path) -> Iterator[ast.AST]:
    """Statements that run when the module is imported: not in functions, not for type checkers alone."""
    waiting: list[ast.AST] = [tree_of(path)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        yield node
        waiting.extend(ast.iter_child_nodes(node))


def module_of(path: Path) -> str:
    return name(path.with_suffix(""))


def room_of(module: str) -> str:
    """The folder of a module; at the top of pipeline, where modules stand beside folders, the module itself."""
    folder = module.rpartition("/")[0]
    return module if folder == "pipeline" else folder


def used_by(path: Path) -> Iterator[str]:
    """The project's modules that a file imports; a package is one where a name of its own is imported from it."""
    for dotted in imported(path):
        place = ROOT.joinpath(*dotted.split(".")[1:])
        if place.with_suffix(".py") in MODULES:
            yield module_of(place)
        elif place.parent / "__init__.py" in MODULES and not place.is_dir():
            yield module_of(place.parent / "__init__.py")


@cache
def arrows() -> dict[str, set[str]]:
    """Of each module, the modules that it imports."""
    return {module_of(path): {*used_by(path)} for path in MODULES}


def circles(arrows: dict[str, set[str]]) -> list[set[str]]:
    """Groups of modules each of which reaches every other of its group."""
    reach = {module: {module} for module in arrows}
    growing = True
    while growing:
        growing = False
        for module, known in reach.items():
            more = known.union(*(reach[other] | arrows[other] for other in known))
            growing |= more != known
            reach[module] = more
    together = {frozenset(other for other in known if module in reach[other]) for module, known in reach.items()}
    return [set(group) for group in together if len(group) > 1]


def test_the_parts_are_where_they_are_looked_for():
    assert all((ROOT / layer / "__init__.py").is_file() for layer in BELOW)
    assert "boneage.data.errors" in imported(ROOT / "regressor" / "crop_store.py")
    assert "boneage.weights.engine" in imported(ROOT / "handseg" / "segmenter.py")
    assert "torch" in imported(ROOT / "weights" / "weights_file.py")
    assert all((ROOT / path).is_file() for path in LIGHT)


@pytest.mark.parametrize("layer", BELOW)
def test_layers_point_one_way(layer):
    allowed = BELOW[layer] | {layer}
    used = {
        name(path): {module.split(".")[1] for module in imported(path) if module.startswith("boneage.")} & set(BELOW)
        for path in modules(layer)
    }
    assert used
    assert not {module: others - allowed for module, others in used.items() if not others <= allowed}


def test_every_module_is_in_a_room():
    unknown = {room_of(module) for module in arrows()} - {*ROOMS}
    assert not unknown, f"rooms that ROOMS does not have: {unknown}; say there on which others they build"
    assert {room_of(module) for module in arrows()} == {*ROOMS}


def test_rooms_build_on_lower_rooms_alone():
    rank = {room: number for number, room in enumerate(ROOMS)}
    up = {
        (module, other)
        for module, others in arrows().items()
        for other in others
        if rank[room_of(other)] > rank[room_of(module)]
    }
    assert not up


def test_no_module_needs_itself():
    assert circles(arrows()) == []


def test_a_circle_would_be_noticed():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [{"a", "b", "c"}]


def libraries(path: Path) -> set[str]:
    """The libraries, and the standard library's modules, that a module imports."""
    return {module.split(".")[0] for module in imported(path)}


def test_data_knows_no_torch():
    assert not {name(path): slow for path in MODULES if path.parent.name == "data" if (slow := libraries(path) & SLOW)}


def test_only_one_module_knows_albumentations():
    assert [name(path) for path in MODULES if "albumentations" in libraries(path)] == ["data/augment.py"]


def reached(start: Path) -> dict[str, Path]:
    """Every outside library loaded by importing a module, with the project's file that loads it."""
    libraries: dict[str, Path] = {}
    seen: set[Path] = set()
    waiting = [start, *(p / "__init__.py" for p in start.parents if p != ROOT and ROOT in p.parents)]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for module in imported_at_once(path):
            parts = module.split(".")
            if parts[0] != "boneage":
                libraries.setdefault(parts[0], path)
                continue
            places = [ROOT.joinpath(*parts[1:]).with_suffix(".py"), ROOT.joinpath(*parts[1:], "__init__.py")]
            waiting += [place for place in places if len(parts) > 1 and place.is_file()]
            waiting += [ROOT / parts[1] / "__init__.py"] if len(parts) > 1 and parts[1] in BELOW else []
    return libraries


@pytest.mark.parametrize("path", LIGHT)
def test_help_and_a_reading_do_without_the_slow_libraries(path):
    slow = {library: name(by) for library, by in reached(ROOT / path).items() if library in ONLY_WHERE_USED}
    assert not slow


def test_slow_libraries_would_be_noticed():
    assert "torch" in reached(ROOT / "handseg" / "training" / "bootstrap.py")


def lines_of(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def functions(folder: str) -> Iterator[tuple[str, str, int]]:
    """File, name and number of lines of every function below a folder, without decorators and docstring."""
    for path in modules(folder):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                docstring = node.body[:1] if ast.get_docstring(node) is not None else []
                yield name(path), node.name, lines_of(node) - sum(map(lines_of, docstring))


@pytest.mark.parametrize("folder", [*BELOW, "benchmarks", "tests"])
def test_functions_are_short(folder):
    assert [*functions(folder)]
    assert not [found for found in functions(folder) if found[2] > LONGEST]
