"""What keeps the project simple: data flows one way through the rooms, one door to programs, pinned dependencies."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from consul_docker_host.core.workspace import ROOT
from tests.unit.kit import walk

BUILDER = ROOT / "packaging" / "consul_docker_host"
PREFIX = "consul_docker_host"
# A room knows nothing of the rooms behind it.
ROOMS = (
    "core",
    "settings",
    "package",
    "verify",
    "backends",
    "snippets",
    "build",
    "repository",
    "image",
    "consul_release",
    "fleet",
    "prove",
    "commands",
)
MODULES = {
    str(path.relative_to(BUILDER).with_suffix("")).replace("/", ".").removesuffix(".__init__"): path
    for path in walk(BUILDER)
    if path.suffix == ".py" and path != BUILDER / "__init__.py"
}
DEPLOY = [path for path in walk(ROOT / "pyinfra_deploy") if path.suffix == ".py"]
SOURCES = [ROOT / "tasks.py", *MODULES.values(), *DEPLOY]


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
    """Return the modules of the builder that a module imports; of a room's own text, the room."""
    names = {name.removeprefix(f"{PREFIX}.") for name in imported(path) if name.startswith(f"{PREFIX}.")}
    found = names & set(MODULES)
    # ``from room import module`` asks the room for a module alone.
    return {name for name in found if name not in ROOMS or uses_room_itself(path, name)}


def uses_room_itself(path: Path, room: str) -> bool:
    """Tell whether a module imports something that a room's __init__ itself holds."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == f"{PREFIX}.{room}":
            if [alias.name for alias in node.names if f"{room}.{alias.name}" not in MODULES]:
                return True
        elif isinstance(node, ast.ImportFrom) and node.module == PREFIX:
            if room in {alias.name for alias in node.names}:
                return True
        elif isinstance(node, ast.Import) and f"{PREFIX}.{room}" in {alias.name for alias in node.names}:
            return True
    return False


def room_of(module: str) -> str:
    return module.partition(".")[0]


def test_every_module_is_in_one_of_the_rooms() -> None:
    assert {room_of(module) for module in MODULES} == set(ROOMS)
    assert {path.name for path in BUILDER.glob("*.py")} == {"__init__.py"}
    assert not [name for name in MODULES if name.count(".") > 1], "a room has no rooms"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_between_rooms_point_backwards_alone(module: str) -> None:
    place = ROOMS.index(room_of(module))
    assert not [other for other in own_imports(MODULES[module]) if ROOMS.index(room_of(other)) > place]


@pytest.mark.parametrize("room", ROOMS)
def test_no_circle_is_inside_a_room(room: str) -> None:
    members = {name: own_imports(path) for name, path in MODULES.items() if room_of(name) == room}
    left = {name: {other for other in others if other in members} for name, others in members.items()}
    while free := [name for name, others in left.items() if not others & set(left)]:
        for name in free:
            del left[name]
    assert not left, "these import one another"


def has_logic(path: Path) -> bool:
    """Tell whether a module defines a function, or a class with one of its own."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    classes = [node for node in body if isinstance(node, ast.ClassDef)]
    return any(isinstance(node, ast.FunctionDef) for node in (*body, *(part for one in classes for part in one.body)))


def test_the_unit_tests_mirror_the_rooms() -> None:
    logical = [path for path in MODULES.values() if has_logic(path)]
    # A room's own text is tested under the room's name.
    names = [(path.parent.name, path.parent.name if path.stem == "__init__" else path.stem) for path in logical]
    mirrored = {f"{room}/test_{name}.py" for room, name in names}
    unit = ROOT / "tests" / "unit"
    found = {str(path.relative_to(unit)) for path in walk(unit) if path.parent != unit and path.suffix == ".py"}
    # A few modules without logic of their own are worth a test nevertheless: data that is shown to users.
    data = {f"{path.parent.name}/test_{path.stem}.py" for path in MODULES.values() if path not in logical}
    assert mirrored - found == set(), "a module with logic has no unit tests"
    assert found - mirrored - data == set(), "tests of a module that is not there"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_nothing_imports_the_tests(path: Path) -> None:
    assert not [name for name in imported(path) if name.partition(".")[0] == "tests"]


def test_commands_alone_load_settings_and_what_takes_the_value_hands_it_to_the_plans() -> None:
    behind = [name for name in MODULES if ROOMS.index(room_of(name)) > ROOMS.index("package")]
    uses = {name: own_imports(MODULES[name]) for name in behind}
    assert {room_of(name) for name in behind if "settings.load" in uses[name]} == {"commands"}
    takers = {name for name in behind if "settings.model" in uses[name]}
    assert not [name for name in takers if "package.plans" not in uses[name]]


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
    assert found == ({"subprocess"} if path == BUILDER / "core" / "run.py" else set())
    assert "shell=" not in used


# What a text has that a shell is to run: operators, redirections, expansions, pipes.
SHELL = re.compile(
    r"\|\| |&& |\$\(|\$[@#*1-9]|[0-9]?>/dev/|; (then|do|done|fi) *$|\| (awk|grep|head|jq|sed|tail|tr)\b", re.MULTILINE
)
# Texts for hosts that no file can hold, each with its reason.
SHELL_IN_PYTHON = {
    "packaging/consul_docker_host/snippets/cloudinit.py": "runcmd's lines are part of a snippet, which is YAML",
}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_shell_lives_in_the_strings_of_python(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    described = (ast.Module, ast.ClassDef, ast.FunctionDef)
    documented = [node.body[0] for node in ast.walk(tree) if isinstance(node, described) and node.body]
    docstrings = {id(first.value) for first in documented if isinstance(first, ast.Expr)}
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    found = [node.lineno for node in texts if id(node) not in docstrings and SHELL.search(str(node.value))]
    assert bool(found) is (name_of(path) in SHELL_IN_PYTHON), (
        f"lines {found}: a script is a file, which shellcheck sees"
    )


def test_the_name_packaging_stays_pypi_s() -> None:
    assert not (ROOT / "packaging" / "__init__.py").exists()
    version = importlib.import_module("packaging.version")
    assert "site-packages" in str(version.__file__)
    assert str(version.Version("1.0")) == "1.0"


def texts() -> Iterator[tuple[str, str]]:
    """Yield every text of the project with its name."""
    folders = ("files", "packaging", "tests", "pyinfra_deploy", ".github", ".ci", "docs", "examples")
    paths = [path for folder in folders for path in walk(ROOT / folder)]
    for path in [*paths, *(path for path in ROOT.iterdir() if path.is_file() and path.name != ".git")]:
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


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = {path.stem: path for path in walk(ROOT / "locks") if path.suffix == ".txt"}
# One requirement, as pip reads it: a version, perhaps a marker, and the hashes of every file that may be installed.
LOCKED = re.compile(r"([a-z0-9-]+)==(\S+)( ; [^\\\n]+)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(group: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Return every package of a lock with its version and hashes."""
    found = LOCKED.finditer(LOCKS[group].read_text(encoding="utf-8"))
    return {match[1]: (match[2], frozenset(re.findall("[0-9a-f]{64}", match[4]))) for match in found}


def pins_of(group: str) -> dict[str, str]:
    """Return what pyproject.toml pins for a group, those of included groups as well."""
    pins: dict[str, str] = {}
    for entry in PROJECT["project"]["dependencies"] if group == "build" else PROJECT["dependency-groups"][group]:
        if isinstance(entry, dict):
            pins |= pins_of(entry["include-group"])
        else:
            name, equal, version = entry.partition("==")
            assert equal, f"{entry}: pin it"
            pins[normal(name.partition("[")[0])] = version
    return pins


def test_every_group_has_its_lock() -> None:
    assert set(LOCKS) == {"build", *PROJECT["dependency-groups"]}


@pytest.mark.parametrize("group", LOCKS)
def test_a_lock_is_nothing_but_packages_with_hashes(group: str) -> None:
    text = LOCKS[group].read_text(encoding="utf-8")
    assert "".join(match[0] for match in LOCKED.finditer(text)) == text, "./inv lock writes it"
    assert len(locked(group)) == len(LOCKED.findall(text)), "a package is in it once"


@pytest.mark.parametrize("group", LOCKS)
def test_every_pin_of_the_project_is_in_its_lock(group: str) -> None:
    versions = {name: version for name, (version, _) in locked(group).items()}
    assert pins_of(group).items() <= versions.items(), "./inv lock writes them"


def test_all_locks_are_of_one_resolution() -> None:
    # They are installed into one environment, in any order.
    everywhere: dict[str, set[tuple[str, frozenset[str]]]] = {}
    for group in LOCKS:
        for name, content in locked(group).items():
            everywhere.setdefault(name, set()).add(content)
    assert not {name: contents for name, contents in everywhere.items() if len(contents) > 1}
    assert len(everywhere) > 30


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
