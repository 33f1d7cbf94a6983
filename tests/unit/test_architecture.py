"""What keeps the project simple: data flows one way, one door to programs, small files, pinned dependencies."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from consul_docker_host.workspace import ROOT
from tests.unit.kit import walk

BUILDER = ROOT / "packaging" / "consul_docker_host"
PREFIX = "consul_docker_host"
# Earlier lines know nothing of later ones; modules of one line know nothing of each other.
LAYERS = (
    ("errors", "options", "report"),
    ("run", "workspace", "validation", "machines"),
    ("model", "toolbox", "changelog"),
    ("settings", "payload", "memory", "provision"),
    ("plan", "host_keys", "maintscripts"),
    ("templates",),
    ("keyring", "repository"),
    ("render", "checks", "formats"),
    ("parsers", "backends.nfpm", "cloudinit"),
    ("backends.fpm",),
    ("backends",),
    ("build",),
    ("repository.catalogue", "repository.signing", "repository.swap"),
    ("repository.apt", "repository.debs", "repository.page", "repository.rpms", "repository.yum"),
    ("repository.intake",),
    ("repository.archive",),
    ("verify", "bench", "suites", "publishing", "consul", "fleet.outcome"),
    ("bench_repository",),
    ("image.request", "image.manifest"),
    ("image.root",),
    ("image.hold",),
    ("image.ami", "image.base", "image.disk", "image.ignition", "image.proof"),
    ("image.existing",),
    ("image", "bench_image"),
    ("fleet.waves", "fleet.session"),
    ("fleet.lock", "fleet.rollout"),
    ("fleet.gossip",),
    ("fleet.drive",),
    ("fleet", "fleet.__main__"),
    ("commands",),
    ("commands_image",),
)
# Files above 300 lines and functions above 40, each with its reason. None.
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}
MODULES = {
    str(path.relative_to(BUILDER).with_suffix("")).replace("/", ".").removesuffix(".__init__"): path
    for path in walk(BUILDER)
    if path.suffix == ".py" and path != BUILDER / "__init__.py"
}
DEPLOY = [path for path in walk(ROOT / "pyinfra_deploy") if path.suffix == ".py"]
SOURCES = [ROOT / "tasks.py", *MODULES.values(), *DEPLOY]
TEST_SOURCES = [path for path in walk(ROOT / "tests") if path.suffix == ".py"]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported(path: Path) -> Iterator[str]:
    """Yield what a module imports, also within functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(path: Path) -> set[str]:
    names = {name.removeprefix(f"{PREFIX}.") for name in imported(path) if name.startswith(f"{PREFIX}.")}
    return names & set(MODULES)


def test_every_module_has_its_place_in_the_order() -> None:
    placed = [name for layer in LAYERS for name in layer]
    assert sorted(placed) == sorted(MODULES), "a new module needs a line in LAYERS"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_backwards_alone(module: str) -> None:
    layer_of = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    # A package's own __init__ is what its members are known by from outside.
    later = {other for other in own_imports(MODULES[module]) if layer_of[other] >= layer_of.get(module, -1)}
    assert not later - ({"backends"} if module.startswith("backends.") else set())


def test_nothing_after_render_reads_settings() -> None:
    layer_of = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    after = [name for name in MODULES if layer_of[name] >= layer_of["render"] and name not in {"render", "build"}]
    assert not [name for name in after if own_imports(MODULES[name]) & {"settings", "model", "templates"}]


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_one_module_alone_starts_programs(path: Path) -> None:
    doors = {"subprocess", "pty", "os.system", "os.popen", "os.spawnl", "os.posix_spawn", "asyncio.subprocess"}
    used = set(imported(path))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in {"os", "asyncio"}:
            used.add(f"{node.value.id}.{node.attr}")
        if isinstance(node, ast.keyword) and node.arg == "shell":
            used.add("shell=")
    found = {name for name in used if name in doors or name.startswith(("os.exec", "os.spawn", "asyncio.create_sub"))}
    assert found == ({"subprocess"} if path == BUILDER / "run.py" else set())
    assert "shell=" not in used


def test_the_name_packaging_stays_pypi_s() -> None:
    assert not (ROOT / "packaging" / "__init__.py").exists()
    version = importlib.import_module("packaging.version")
    assert "site-packages" in str(version.__file__)
    assert str(version.Version("1.0")) == "1.0"


@pytest.mark.parametrize("path", [*SOURCES, *TEST_SOURCES], ids=name_of)
def test_a_file_is_at_most_300_lines(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    # A table of cases may be long; it is read line by line.
    limit = 300 if path in SOURCES else 400
    assert lines <= limit or name_of(path) in LONG_FILES, f"{lines} lines"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_function_is_at_most_40_lines(path: Path) -> None:
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
        if node.end_lineno - node.lineno + 1 > 40 and node.name not in LONG_FUNCTIONS
    ]
    assert not long


@pytest.mark.parametrize(("name", "limit"), [("tasks.py", 120), ("inv", 40)])
def test_the_entry_points_stay_small(name: str, limit: int) -> None:
    assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) <= limit


def texts() -> Iterator[tuple[str, str]]:
    """Yield every text of the project with its name."""
    folders = ("files", "packaging", "tests", "pyinfra_deploy", ".github", ".ci", "docs", "examples")
    paths = [path for folder in folders for path in walk(ROOT / folder)]
    for path in [*paths, *(path for path in ROOT.iterdir() if path.is_file())]:
        try:
            yield name_of(path), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def test_no_file_speaks_of_the_machine_it_was_written_on() -> None:
    # Put together here, so that this file is clean as well.
    places = ["/" + "work/main", "/" + "work/shared", str(Path.home()) + "/.cache", "/" + "home/user", "/Use" + "rs/"]
    assert not [f"{name}: {place}" for name, text in texts() for place in places if place in text]


def test_no_file_names_a_package_registry_of_its_own() -> None:
    words = ["--index" + "-url", "--extra-index" + "-url", "--trusted" + "-host"]
    assert not [f"{name}: {word}" for name, text in texts() for word in words if word in text]


def requirements() -> dict[str, list[str]]:
    """Return every pinned requirement of the lock with its hashes."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        pinned = re.match(r"([A-Za-z0-9._-]+)(\[[^]]*\])?==([^ ;\\]+)", line)
        if pinned:
            name = f"{pinned[1].lower().replace('_', '-').replace('.', '-')}=={pinned[3]}"
            found[name] = []
        if name:
            found[name] += re.findall(r"--hash=sha256:([0-9a-f]{64})", line)
    return found


def test_every_dependency_is_locked_with_hashes() -> None:
    locked = requirements()
    assert len(locked) > 30
    assert not [name for name, hashes in locked.items() if not hashes]
    unpinned = [
        line
        for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
        if re.match(r"[A-Za-z0-9]", line) and "==" not in line
    ]
    assert not unpinned


def test_every_pin_of_the_project_is_in_the_lock() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = [project["project"]["dependencies"], *project["dependency-groups"].values()]
    pins = [pin.split("==") for group in groups for pin in group]
    assert all(len(pin) == 2 for pin in pins)
    names = {re.sub(r"\[.*|$", "", name).lower().replace("_", "-").replace(".", "-"): version for name, version in pins}
    wanted = {f"{name}=={version}" for name, version in names.items()}
    assert wanted - set(requirements()) == set()


def test_actions_of_workflows_are_pinned_by_commit() -> None:
    loose = [
        f"{name_of(path)}: {line.strip()}"
        for path in walk(ROOT / ".github")
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.match(r"\s*-?\s*uses:", line) and not re.search(r"uses:\s*(\./|[^@\s]+@[0-9a-f]{40}(\s|$))", line)
    ]
    assert not loose


def folders_with_content() -> list[Path]:
    """Return the folders whose content a reader has to find a way through."""
    tops = [ROOT / name for name in ("files", "packaging", "tests", "pyinfra_deploy")]
    inner = [path for top in (ROOT / "packaging", ROOT / "tests") for path in top.iterdir() if path.is_dir()]
    return sorted(path for path in {*tops, *inner} if path.name != "__pycache__" and any(walk(path)))


@pytest.mark.parametrize("folder", folders_with_content(), ids=name_of)
def test_each_folder_says_what_belongs_there(folder: Path) -> None:
    readme = folder / "README.md"
    assert readme.is_file(), f"{name_of(readme)} is missing"
    assert len(readme.read_text(encoding="utf-8").splitlines()) <= 20
