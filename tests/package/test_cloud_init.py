"""The cloud-init snippets by cloud-init's own word: its schema, its user data, its merging and its writing of files.

Each way to combine a snippet with a user's own part that its header names is tried here, and so are mistakes that
people have reported of such combinations: a snippet survives them where it can, and its header warns of the others.
"""

from __future__ import annotations

import base64
import gzip
import http.server
import json
import tempfile
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import Workspace, file_digest
from consul_docker_host.snippets.cloudinit import APPEND
from tests.package.conftest import artefact
from tests.support.programs.cloud_init import CloudInit, read_yaml, unpacked
from tests.support.user_data import SETTINGS, archive, dump, plain_archive
from tests.unit.kit import copy_checkout, fake_program, inv

NAMES = ("inline.yaml", "package.yaml", "repository.yaml")
LISTS = ("packages", "write_files", "runcmd")
OWN_SETTINGS = "# mine\nROLE=server\n"
USER: dict[str, Any] = {
    "hostname": "my-host",
    "packages": ["vim"],
    "write_files": [
        {"path": "/etc/mine", "content": "x", "permissions": "0600"},
        {"path": SETTINGS, "content": OWN_SETTINGS},
    ],
    "runcmd": ["echo mine"],
    "users": ["default", {"name": "me"}],
    "package_update": False,
}
# How those say it who have published it: cloud-init's documentation, multipass, Terraform's merge_type, bug reports.
RECIPES: dict[str, Any] = {
    "ours": APPEND,
    "documentation": [
        {"name": "list", "settings": ["append"]},
        {"name": "dict", "settings": ["no_replace", "recurse_list"]},
    ],
    "recurse_array": "list(append)+dict(recurse_array)+str()",
    "dict first": "dict(recurse_array,no_replace)+list(append)",
    "terraform": "list(append)+dict(no_replace,recurse_list)+str()",
    "allow_delete": "dict(allow_delete,recurse_array)+list(recurse_array,append)",
}


@pytest.fixture(scope="session")
def cloud_init() -> CloudInit:
    """Return cloud-init's files, unpacked and not installed, kept in the user's cache."""
    return unpacked()


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """Return the name of each snippet in turn."""
    return str(request.param)


def snippet(builds: dict[str, Workspace], name: str) -> str:
    return (builds["nfpm"].dist / "cloud-init" / name).read_text(encoding="utf-8")


def loaded(text: str) -> dict[str, Any]:
    config: dict[str, Any] = read_yaml(text)
    return config


def part(config: dict[str, Any]) -> str:
    """Return a user's own part as he writes it."""
    return "#cloud-config\n" + dump(config)


def lists(config: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the lists that both parts have."""
    return {key: config.get(key, []) for key in LISTS}


def both(first: dict[str, Any], last: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the lists of both parts, one after the other."""
    return {key: first.get(key, []) + last.get(key, []) for key in LISTS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where somebody puts user data together: cloud-init, and a directory that a web server shows at ``url``."""

    cloud_init: CloudInit
    folder: Path
    url: str


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """Give a directory and the address at which a web server shows it."""
    folder = tmp_path_factory.mktemp("web")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def desk(cloud_init: CloudInit, web: tuple[Path, str]) -> Desk:
    """Give a desk whose directory is a new one of the web server's."""
    folder = Path(tempfile.mkdtemp(dir=web[0]))
    return Desk(cloud_init=cloud_init, folder=folder, url=f"{web[1]}/{folder.name}")


def by_make_mime(desk: Desk, parts: list[str]) -> bytes:
    paths = [desk.folder / f"{number}.yaml" for number, _ in enumerate(parts)]
    for path, text in zip(paths, parts, strict=True):
        path.write_text(text, encoding="utf-8")
    return desk.cloud_init.make_mime(*paths)


def by_archive(_: Desk, parts: list[str]) -> bytes:
    return archive(*parts)


def by_plain_archive(_: Desk, parts: list[str]) -> bytes:
    """Without types: each text says by its first line what it is."""
    return plain_archive(*parts)


def by_include(desk: Desk, parts: list[str], *, packed: bool = False) -> bytes:
    lines = ["#include"]
    for number, text in enumerate(parts):
        (desk.folder / f"{number}.yaml").write_bytes(gzip.compress(text.encode()) if packed else text.encode())
        lines.append(f"{desk.url}/{number}.yaml")
    return "\n".join([*lines, ""]).encode()


def by_terraform(_: Desk, parts: list[str], *, merge_type: str = "") -> bytes:
    """As the provider of `cloudinit_config` writes it; a merge type is a header of its part."""
    kind = f"X-Merge-Type: {merge_type}\r\n" if merge_type else ""
    head = f"Content-Transfer-Encoding: 7bit\r\nContent-Type: text/cloud-config\r\nMime-Version: 1.0\r\n{kind}\r\n"
    bodies = "".join(f"--MIMEBOUNDARY\r\n{head}{text}\r\n" for text in parts)
    start = 'Content-Type: multipart/mixed; boundary="MIMEBOUNDARY"\nMIME-Version: 1.0\r\n\r\n'
    return f"{start}{bodies}--MIMEBOUNDARY--\r\n".encode()


def for_hetzner(desk: Desk, parts: list[str]) -> bytes:
    """As a text, since its API takes no bytes; cloud-init's data source decodes it."""
    return desk.cloud_init.decode(base64.b64encode(gzip.compress(by_archive(desk, parts))))


# Each makes user data of some parts, in their order.
WAYS: dict[str, Callable[[Desk, list[str]], bytes]] = {
    "make-mime": by_make_mime,
    "archive": by_archive,
    "archive without types": by_plain_archive,
    "include": by_include,
    "include of gzip": partial(by_include, packed=True),
    "terraform": by_terraform,
    "make-mime, gzip": lambda desk, parts: gzip.compress(by_make_mime(desk, parts)),
    "archive, gzip": lambda desk, parts: gzip.compress(by_archive(desk, parts)),
    "terraform, gzip": lambda desk, parts: gzip.compress(by_terraform(desk, parts)),
    "archive, gzip, base64 for Hetzner": for_hetzner,
}


def test_a_snippet_is_valid_by_cloud_init_s_own_schema(
    rich_builds: dict[str, Workspace], cloud_init: CloudInit, name: str
) -> None:
    schema = json.loads(cloud_init.schema.read_text(encoding="utf-8"))
    validator = jsonschema.Draft4Validator(schema)
    config = loaded(snippet(rich_builds, name))
    assert [error.message for error in validator.iter_errors(config)] == []
    # The judge is awake: an unquoted mode is refused, and a command that is a number.
    config.get("write_files", [{}])[0]["permissions"] = 420
    config["runcmd"] = [7]
    assert list(validator.iter_errors(config))


def test_the_default_build_has_no_repository_snippet(default_builds: dict[str, Workspace]) -> None:
    names = sorted(path.name for path in (default_builds["fpm"].dist / "cloud-init").iterdir())
    assert names == ["inline.yaml", "package.yaml"]


@pytest.mark.parametrize("backend", ["fpm", "nfpm"])
def test_the_package_snippet_has_the_digests_of_the_packages_beside_it(
    rich_builds: dict[str, Workspace], backend: str
) -> None:
    work = rich_builds[backend]
    command = loaded((work.dist / "cloud-init" / "package.yaml").read_text(encoding="utf-8"))["runcmd"][0]
    for suffix in ("deb", "rpm"):
        path = artefact(work, f".{suffix}")
        assert f"{suffix.upper()}={urllib.parse.quote(path.name)}" in command
        assert f"{suffix.upper()}_SHA256={file_digest(path)}" in command


@pytest.mark.parametrize("way", WAYS)
def test_a_user_s_part_comes_first(
    rich_builds: dict[str, Workspace], desk: Desk, tmp_path: Path, name: str, way: str
) -> None:
    """It needs nothing: the snippet's own merge_how keeps every list and every value."""
    text = snippet(rich_builds, name)
    merged = desk.cloud_init.merge(tmp_path, WAYS[way](desk, [part(USER), text]))
    assert lists(merged) == both(USER, loaded(text))
    assert {key: merged[key] for key in ("hostname", "users", "package_update")} == {
        key: USER[key] for key in ("hostname", "users", "package_update")
    }


@pytest.mark.parametrize("way", WAYS)
def test_a_user_s_part_comes_last_with_our_merge_how(
    rich_builds: dict[str, Workspace], desk: Desk, tmp_path: Path, name: str, way: str
) -> None:
    text = snippet(rich_builds, name)
    user = part({"merge_how": loaded(text)["merge_how"]} | USER)
    merged = desk.cloud_init.merge(tmp_path, WAYS[way](desk, [text, user]))
    assert lists(merged) == both(loaded(text), USER)
    assert (merged["hostname"], merged["users"]) == ("my-host", USER["users"])


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_user_s_part_comes_last_with_a_merge_how_that_others_recommend(
    rich_builds: dict[str, Workspace], cloud_init: CloudInit, tmp_path: Path, name: str, recipe: str
) -> None:
    text = snippet(rich_builds, name)
    merged = cloud_init.merge(tmp_path, archive(text, part({"merge_how": RECIPES[recipe]} | USER)))
    assert lists(merged) == both(loaded(text), USER)


def test_terraform_s_merge_type_is_as_good_as_ours(
    rich_builds: dict[str, Workspace], desk: Desk, tmp_path: Path, name: str
) -> None:
    """https://github.com/canonical/cloud-init/issues/4367: each part needs it; on ours it changes nothing."""
    text = snippet(rich_builds, name)
    for number, parts in enumerate(([text, part(USER)], [part(USER), text])):
        data = by_terraform(desk, parts, merge_type="list(append)+dict(recurse_array)+str()")
        merged = desk.cloud_init.merge(tmp_path / str(number), data)
        assert lists(merged) == both(*map(loaded, parts))


@pytest.mark.parametrize(
    "recipe",
    [None, [{"name": "list", "settings": ["append", "recurse_list"]}, {"name": "dict", "settings": ["recurse_dict"]}]],
    ids=["none", "without recurse_list for dict"],
)
def test_without_the_right_merge_how_a_later_part_loses_lists_so_the_header_asks_for_ours(
    rich_builds: dict[str, Workspace], cloud_init: CloudInit, tmp_path: Path, recipe: object
) -> None:
    """https://github.com/canonical/cloud-init/issues/4022. First in the user data, the same part loses nothing."""
    text = snippet(rich_builds, "inline.yaml")
    user = part(({"merge_how": recipe} if recipe else {}) | USER)
    assert lists(cloud_init.merge(tmp_path / "last", archive(text, user))) != both(loaded(text), USER)
    assert lists(cloud_init.merge(tmp_path / "first", archive(user, text))) == both(USER, loaded(text))
    assert "copy merge_how into it" in text


def test_base64_that_a_cloud_does_not_decode_is_no_user_data_so_the_header_warns(
    rich_builds: dict[str, Workspace], cloud_init: CloudInit, tmp_path: Path, name: str
) -> None:
    """https://github.com/digitalocean/api-v2/issues/147, https://github.com/hashicorp/terraform/issues/7063."""
    text = snippet(rich_builds, name)
    data = base64.b64encode(gzip.compress(text.encode()))
    assert lists(cloud_init.merge(tmp_path / "as it is", data)) == {key: [] for key in LISTS}
    assert lists(cloud_init.merge(tmp_path / "decoded", base64.b64decode(data))) == lists(loaded(text))
    assert "base64 only if the cloud's API requires it" in text


def test_line_ends_of_windows_change_nothing(
    rich_builds: dict[str, Workspace], cloud_init: CloudInit, tmp_path: Path, name: str
) -> None:
    """A checkout or a browser may have made them, and a script with them would not start."""
    text = snippet(rich_builds, name)
    merged = cloud_init.merge(tmp_path, archive(part(USER), text).replace(b"\n", b"\r\n"))
    assert lists(merged) == both(USER, loaded(text))


def test_a_user_s_part_may_be_a_jinja_template(
    rich_builds: dict[str, Workspace], desk: Desk, tmp_path: Path, name: str
) -> None:
    """It is one for itself: the braces of our scripts are left alone."""
    text = snippet(rich_builds, name)
    user = "## template: jinja\n" + part(USER | {"hostname": "{{ v1.local_hostname }}"})
    merged = desk.cloud_init.merge(tmp_path, by_plain_archive(desk, [user, text]))
    assert merged["hostname"] == "from-jinja"
    assert lists(merged) == both(USER, loaded(text))


def test_as_vendor_data_a_snippet_goes_with_what_proxmox_writes_itself(
    rich_builds: dict[str, Workspace], cloud_init: CloudInit, tmp_path: Path, name: str
) -> None:
    """`qm set --cicustom vendor=…`: its user data has no list of ours, https://forum.proxmox.com/threads/59008."""
    generated = {
        "hostname": "vm",
        "manage_etc_hosts": True,
        "fqdn": "vm.example",
        "user": "debian",
        "ssh_authorized_keys": ["ssh-ed25519 AAAA me"],
        "chpasswd": {"expire": False},
        "users": ["default"],
        "package_upgrade": True,
    }
    text = snippet(rich_builds, name)
    merged = cloud_init.merge(tmp_path, part(generated).encode(), vendor=text.encode())
    assert lists(merged) == lists(loaded(text))
    assert merged["hostname"] == "vm"


def test_vendor_data_yields_list_by_list_so_the_header_warns(
    rich_builds: dict[str, Workspace], cloud_init: CloudInit, tmp_path: Path
) -> None:
    """https://github.com/canonical/cloud-init/issues/2979 and 6268: merge_how does not reach from one to the other."""
    text = snippet(rich_builds, "inline.yaml")
    user = {"merge_how": APPEND, "runcmd": ["echo mine"]}
    merged = cloud_init.merge(tmp_path, part(user).encode(), vendor=text.encode())
    assert lists(merged) == lists(loaded(text)) | {"runcmd": ["echo mine"]}
    assert "As vendor data" in text


def test_every_file_of_a_snippet_belongs_to_root_with_a_mode_in_quotes(
    rich_builds: dict[str, Workspace], name: str
) -> None:
    text = snippet(rich_builds, name)
    files = loaded(text).get("write_files", [])
    assert {file["owner"] for file in files} <= {"root:root"}
    assert {file["permissions"] for file in files} <= {"0644", "0755"}
    assert text.count('permissions: "0') == len(files)
    assert bool(files) is (name != "package.yaml")
    assert not [file["path"] for file in files if file.get("defer") or file.get("append")]


def first_boot(cloud_init: CloudInit, config: dict[str, Any], root: Path) -> str:
    """Write the files of a merged configuration below a root, run its commands there, and return what was printed."""
    raised = cloud_init.write_files(config, root)
    programs = root / "programs"
    for name in ("networkctl", "systemctl"):
        fake_program(programs, name, "exit 0")
    script = cloud_init.shellify([one for one in config["runcmd"] if isinstance(one, str)])
    for folder in ("/etc/default/", "/usr/bin/"):
        script = script.replace(folder, f"{root}{folder}")
    (root / "usr/bin").mkdir(parents=True, exist_ok=True)
    if not raised:
        fake_program(root / "usr/bin", "consul-docker-host", "exit 0")
    done = run(["sh", "-c", script], env={"PATH": f"{programs}:/usr/bin:/bin"}, check=False)
    return f"{raised}{done.output}exit code {done.returncode}"


def ordered(text: str, user: dict[str, Any], *, is_user_last: bool) -> bytes:
    """Return user data of both parts in either order."""
    parts = [part({"merge_how": APPEND} | user), text]
    return archive(*reversed(parts)) if is_user_last else archive(*parts)


@pytest.mark.parametrize("is_user_last", [False, True], ids=["user first", "user last"])
@pytest.mark.parametrize("is_deferred", [False, True], ids=["at once", "deferred"])
def test_a_user_s_own_settings_file_wins_whichever_part_comes_last(
    rich_builds: dict[str, Workspace],
    cloud_init: CloudInit,
    tmp_path: Path,
    name: str,
    is_user_last: bool,
    is_deferred: bool,
) -> None:
    """The package of the two other snippets keeps it as dpkg and rpm keep a conffile: tests/install proves that."""
    entry = {"path": SETTINGS, "content": OWN_SETTINGS, "permissions": "0640"}
    user = {"write_files": [entry | ({"defer": True} if is_deferred else {})], "runcmd": ["true"]}
    data = ordered(snippet(rich_builds, name), user, is_user_last=is_user_last)
    root = tmp_path / "root"
    first_boot(cloud_init, cloud_init.merge(tmp_path / "cloud", data), root)
    assert (root / SETTINGS.lstrip("/")).read_text() == OWN_SETTINGS
    assert (root / SETTINGS.lstrip("/")).stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("is_user_last", [False, True], ids=["user first", "user last"])
def test_lines_that_a_user_appends_to_the_settings_are_all_that_they_hold(
    rich_builds: dict[str, Workspace], cloud_init: CloudInit, tmp_path: Path, is_user_last: bool
) -> None:
    user = {"write_files": [{"path": SETTINGS, "content": OWN_SETTINGS, "append": True}]}
    data = ordered(snippet(rich_builds, "inline.yaml"), user, is_user_last=is_user_last)
    first_boot(cloud_init, cloud_init.merge(tmp_path / "cloud", data), tmp_path / "root")
    assert (tmp_path / "root" / SETTINGS.lstrip("/")).read_text() == OWN_SETTINGS


def test_without_a_user_s_own_the_settings_are_the_commented_ones(
    rich_builds: dict[str, Workspace], cloud_init: CloudInit, tmp_path: Path
) -> None:
    merged = cloud_init.merge(tmp_path / "cloud", snippet(rich_builds, "inline.yaml").encode())
    assert first_boot(cloud_init, merged, tmp_path / "root") == "exit code 0"
    tree = rich_builds["nfpm"].build / "consul-docker-host/tree"
    assert (tmp_path / "root" / SETTINGS.lstrip("/")).read_bytes() == (tree / SETTINGS.lstrip("/")).read_bytes()


def test_the_files_of_inline_are_those_of_the_package(
    rich_builds: dict[str, Workspace], cloud_init: CloudInit, tmp_path: Path
) -> None:
    """As cloud-init itself writes them: bytes, modes and owner."""
    config = loaded(snippet(rich_builds, "inline.yaml"))
    assert cloud_init.write_files(config, tmp_path) == ""
    unit_folders = {"etc/systemd/": "usr/lib/systemd/", "etc/NetworkManager/": "usr/lib/NetworkManager/"}
    tree = rich_builds["nfpm"].build / "consul-docker-host/tree"
    for entry in config["write_files"]:
        written = tmp_path / entry["path"].lstrip("/")
        path = entry["path"].lstrip("/").removesuffix(".example")
        for moved, packaged in unit_folders.items():
            path = path.replace(moved, packaged, 1) if path.startswith(moved) else path
        assert written.read_bytes() == (tree / path).read_bytes()
        assert written.stat().st_mode & 0o777 == (tree / path).stat().st_mode & 0o777


def test_an_owner_that_is_not_there_yet_ends_the_list_and_the_first_boot_reports_it(
    rich_builds: dict[str, Workspace], cloud_init: CloudInit, tmp_path: Path
) -> None:
    """https://github.com/canonical/cloud-init/issues/6042. Ours come first, or the user's file waits: `defer`."""
    text = snippet(rich_builds, "inline.yaml")
    ours = [file["path"] for file in loaded(text)["write_files"]]
    bad = {"path": "/etc/nginx/x", "content": "x", "owner": "nginx-that-is-not-there:root"}

    def missing(user: dict[str, Any], place: str, *, is_user_last: bool) -> tuple[list[str], str]:
        merged = cloud_init.merge(tmp_path / f"{place} cloud", ordered(text, user, is_user_last=is_user_last))
        said = first_boot(cloud_init, merged, tmp_path / place)
        return [path for path in ours if not (tmp_path / place / path.lstrip("/")).exists()], said

    user = {"write_files": [bad], "runcmd": ["true"]}
    lost, said = missing(user, "first", is_user_last=False)
    assert lost == ours
    assert "nginx-that-is-not-there" in said
    assert said.endswith("exit code 1"), "it is not hidden by the user's own last command"
    assert missing(user, "last", is_user_last=True)[0] == []
    deferred = {"write_files": [bad | {"defer": True}], "runcmd": ["true"]}
    assert missing(deferred, "deferred", is_user_last=False)[0] == []
    assert "`defer: true`" in text


def test_a_snippet_that_clouds_do_not_take_ends_no_build_and_the_table_names_those_that_do(tmp_path: Path) -> None:
    work = copy_checkout(tmp_path / "checkout")
    noise = "".join(f"{number * 2654435761 % 2**32:x}" for number in range(1_500))
    (work.root / "big.toml").write_text(f'[[services]]\nname = "big"\ntags = ["{noise}"]\n')
    done = inv(work, "build", "--backend", "nfpm", "--settings", "big.toml")
    assert done.returncode == 0, done.output
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.startswith("dist/")}
    assert "fits Google Cloud, NoCloud, LXD, Proxmox; too large for EC2, " in rows["dist/cloud-init/inline.yaml"]
    assert rows["dist/cloud-init/package.yaml"].endswith("fits every cloud")
    assert (work.dist / "consul-docker-host_0.1.0_all.deb").exists()
