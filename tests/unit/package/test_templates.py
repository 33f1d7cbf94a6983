"""Templates: no value can break out of the file it lands in, and a mistake in a template is told with its place.

Arbitrary text is given to every free-text setting, one at a time. Either the model refuses it, or every rendered file
is read back by its own parser and holds that very value and nothing else.
"""

from __future__ import annotations

import dataclasses
import functools
import tomllib
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from debian.deb822 import Deb822
from hypothesis import HealthCheck, example, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML

from consul_docker_host.backends.nfpm import NfpmBackend
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import ROOT, Workspace
from consul_docker_host.package import control
from consul_docker_host.package.description import PackageDescription, collect_payload, load_package
from consul_docker_host.package.plan import Entry, Plan
from consul_docker_host.package.render import render_tree
from consul_docker_host.package.templates import render_template, template_environment, template_variables
from consul_docker_host.settings.load import load_settings, merge
from consul_docker_host.settings.model import Settings
from consul_docker_host.snippets import cloudinit
from consul_docker_host.verify import validate_tree
from consul_docker_host.verify.parsers import Verdict
from tests.unit.kit import ARCHIVE_KEY, DEFAULTS, RICH
from tests.unit.shipped import assert_tree_says, host_answers, host_variables

# A test shares its folders between examples: each renders the tree anew.
SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
Key = tuple[str | int, ...]
Drawn = tuple[Key, str]
# What ends a value, starts another or is expanded in one of the languages that are written.
HOSTILE = [
    "'",
    '"',
    "\\",
    "\n",
    "\r",
    "$",
    "$(id)",
    "`id`",
    "%",
    "%%",
    "%(id)",
    "%n",
    "#",
    " #",
    ";",
    "=",
    ",",
    "|",
    "&",
]
HOSTILE += ["{{ x }}", "{% x %}", "}", "]", "[Service]", "<", "@", " ", "\t", "\x00", "\x1b", "\x7f", "\x85", "\u2028"]
HOSTILE += ["\ufeff", "é", "漢", "\U0001f600", "--", "-", ":", "/", "../", "*", "~", "!", "\n.\n", "\nDepends: x"]
HOSTILE += ["\nserver=/#/192.0.2.1", "\n[Service]\nUser=x", '",\n"x": "', "\nX=1"]
TABLES = merge(tomllib.loads(DEFAULTS.read_text(encoding="utf-8")), tomllib.loads(RICH.read_text(encoding="utf-8")))


def free_texts(value: object, annotation: Any, key: Key = ()) -> Iterator[Key]:
    """Yield the place of every text in the rich settings that is not one of a closed list of words."""
    if isinstance(value, str):
        if typing.get_origin(annotation) is not typing.Literal:
            yield key
    elif isinstance(value, dict):
        model = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
        fields = model.model_fields if model else {}
        for name, inner in value.items():
            yield from free_texts(inner, fields[name].annotation if name in fields else None, (*key, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from free_texts(inner, next(iter(typing.get_args(annotation)), None), (*key, index))


# With guard, environment and Registrator on, so that their files are there as well.
EVERYTHING = merge(TABLES, {name: {"enabled": True} for name in ("guard", "environment", "registrator")})
KEYS = tuple(free_texts(TABLES, Settings))


def changed(tables: dict[str, Any], key: Key, text: str) -> dict[str, Any]:
    """Return the tables with one text replaced."""
    first, *rest = key
    copied: Any = tables.copy()
    copied[first] = changed(copied[first], tuple(rest), text) if rest else text
    return typing.cast("dict[str, Any]", copied)


def value_at(tables: Any, key: Key) -> str:
    for part in key:
        tables = tables[part]
    return str(tables)


@st.composite
def hostile_values(draw: st.DrawFn) -> Drawn:
    """Draw a setting and a text for it: its own value with hostile text put in, or any text at all."""
    key = draw(st.sampled_from(KEYS))
    own = value_at(TABLES, key)
    if draw(st.integers(0, 9)) == 0:
        return key, draw(st.text(max_size=40))
    pieces = draw(st.lists(st.one_of(st.sampled_from(HOSTILE), st.characters(), st.just(own)), min_size=1, max_size=3))
    # Most holes are at an end: a check of the beginning alone, a blank or line feed behind.
    place = draw(st.one_of(st.just(0), st.just(len(own)), st.integers(0, len(own))))
    return key, own[:place] + "".join(pieces) + own[place:]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """Return a workspace for rendering: the checkout's own files, a build folder of its own."""
    work = Workspace(root=tmp_path_factory.mktemp("site"))
    for name in ("files", "packaging", "CHANGELOG.md"):
        (work.root / name).symlink_to(DEFAULTS.parents[1] / name)
    (work.root / "archive.asc").write_text(ARCHIVE_KEY)
    with pytest.MonkeyPatch.context() as patch:
        # Compiled once for all examples: a build renders once and has no use for it.
        patch.setattr("consul_docker_host.package.render.template_environment", functools.cache(template_environment))
        yield work


PACKAGE: PackageDescription = load_package(DEFAULTS.parent / "packages" / "consul-docker-host.toml")


def accepted(tables: dict[str, Any]) -> Settings | None:
    try:
        return Settings.model_validate(tables)
    except ValidationError:
        return None


def rendered(settings: Settings, work: Workspace) -> Plan | None:
    """Render the settings; None where the archive's key, a file of the building machine, cannot be had."""
    if not (work.root / settings.repository.key_file).is_file():
        return None
    return render_tree(settings, PACKAGE, collect_payload(PACKAGE, work.files), work)


@functools.cache
def usual_entries(work: Workspace) -> frozenset[Entry]:
    """Return the files of the settings as they are."""
    plan = rendered(Settings.model_validate(EVERYTHING), work)
    assert plan is not None
    return frozenset(plan.entries)


def test_every_kind_of_free_text_is_tried() -> None:
    places = {".".join(str(part) for part in key) for key in KEYS}
    assert {"package.maintainer", "link.interface", "consul.retry_join.2", "services.0.checks.1.args.1"} <= places
    assert {"services.0.meta.note", "services.0.tags.0", "registrator.options.0", "repository.url"} <= places
    assert "consul.role" not in places


@given(hostile_values())
@example((("services", 0, "tags", 0), "$(id)\"'`%n{{ x }}\\"))
@example((("package", "maintainer"), "A; `b` = {{ c }} <a@b>"))
@example((("dns", "upstreams", 0), "127.0.0.1\nX=1"))
@example((("consul", "retry_join", 0), "provider=aws tag_key=x\nX=1"))
@example((("services", 1, "checks", 0, "http"), "http://a/\x80\ufffe"))
@examples(suppress_health_check=SHARED)
def test_a_value_is_refused_or_stands_unharmed_in_every_file(site: Workspace, tmp_path: Path, drawn: Drawn) -> None:
    key, text = drawn
    usual = usual_entries(site)
    settings = accepted(changed(EVERYTHING, key, text))
    if settings is None or (plan := rendered(settings, site)) is None:
        return
    assert value_at(settings.model_dump(mode="json"), key) == text, "the model takes a value as it is, or refuses it"
    assert_tree_says(plan, settings, tmp_path)
    assert_control_says(plan, settings)
    # The files that the value has changed are enough: YAML is read slowly.
    touched = tuple(entry for entry in plan.entries if entry not in usual)
    assert_snippets_say(dataclasses.replace(plan, entries=touched))


def assert_control_says(plan: Plan, settings: Settings) -> None:
    """Demand the control file's own fields and no other."""
    fields = Deb822(control.control_text(plan))
    assert list(fields) == [
        *("Package", "Version", "Section", "Priority", "Architecture", "Maintainer", "Installed-Size"),
        *("Depends", "Recommends", "Homepage", "Description"),
    ]
    package = settings.package
    assert (fields["Version"], fields["Maintainer"]) == (package.version, package.maintainer)
    assert fields["Homepage"] == package.homepage


def assert_snippets_say(plan: Plan) -> None:
    """Demand the tree's own files of the cloud-init snippets, and nothing that a value has added."""
    inline = YAML(typ="safe").load(cloudinit.inline_snippet(plan, ROOT / "packaging" / "cloud-init"))
    assert set(inline) == {"merge_how", "package_update", "packages", "write_files", "runcmd"}
    expected = {
        cloudinit.inline_path(e.path): (plan.tree / e.path).read_text(encoding="utf-8")
        for e in plan.entries
        if "/share/" not in e.path
    }
    assert {file["path"]: file["content"] for file in inline["write_files"]} == expected
    own = YAML(typ="safe").load(cloudinit.repository_snippet(plan))
    assert set(own) == {"merge_how", "write_files", "package_update", "packages"}
    assert own["write_files"][0]["content"] == plan.repository.key
    source = Deb822(own["write_files"][1]["content"])
    assert list(source) == ["Types", "URIs", "Suites", "Components", "Signed-By"]
    assert source["URIs"] == plan.repository.url.rstrip("/") + "/apt"


@given(hostile_values())
@examples(suppress_health_check=SHARED, max_examples=60)
def test_the_host_reads_back_what_the_builder_wrote(site: Workspace, drawn: Drawn) -> None:
    """etc/default shows the built-in values in comments: uncommented, the host's own parser takes every one."""
    settings = accepted(changed(TABLES, *drawn))
    if settings is not None and (plan := rendered(settings, site)) is not None:
        expected = host_variables(settings)
        assert host_answers(plan.tree, list(expected)) == expected


JUDGED: list[Drawn] = [
    (("services", 0, "tags", 0), "%n %% $HOME ${x} \\n ; # \" '"),
    (("services", 0, "checks", 1, "args", 0), '"; rm -rf / #'),
    (("link", "interface"), "a.b_c-d"),
    (("link", "interface"), "A"),
    (("consul", "domain"), "a.b-c.example"),
    (("package", "maintainer"), "A; (b) = {{ c }} | & é <a+b@c-d.e>"),
]


@pytest.mark.parametrize(("key", "text"), JUDGED)
def test_the_real_parsers_accept_odd_values_as_well(site: Workspace, key: Key, text: str) -> None:
    plan = rendered(Settings.model_validate(changed(TABLES, key, text)), site)
    assert plan is not None
    verdicts = {answer.program: answer.verdict for answer in validate_tree(plan)}
    assert verdicts["systemd-analyze"] is Verdict.accepted
    assert verdicts["dnsmasq"] is Verdict.accepted


PACKAGED: list[dict[str, str]] = [
    {
        "maintainer": "A; (b) = {{ c }} | & é * ! <a+b@c-d.e>",
        "version": "1.0~rc1+a.b",
        "revision": "2.el9",
        "homepage": "https://a/~b_c",
    },
    {"maintainer": "漢 [x] ? ~ : / - <A.B_C@d>", "version": "10", "revision": "0", "homepage": "http://a:8080/"},
]


@pytest.mark.parametrize("package", PACKAGED)
def test_the_rpm_holds_the_values_as_they_are(site: Workspace, tmp_path: Path, package: dict[str, str]) -> None:
    plan = rendered(Settings.model_validate(merge(TABLES, {"package": package})), site)
    assert plan is not None
    NfpmBackend().build(plan, "rpm", tmp_path / "x.rpm")
    query = "%{PACKAGER}|%{VERSION}|%{RELEASE}|%{URL}|%{CHANGELOGNAME}"
    answer = run(["rpm", "-qp", "--qf", query.replace("|", r"\n"), str(tmp_path / "x.rpm")]).stdout.splitlines()
    assert answer[:4] == [package["maintainer"], package["version"], package["revision"], package["homepage"]]
    assert answer[4] == f"{package['maintainer']} - {package['version']}-{package['revision']}"


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("one\n{{ link.nothing }}\n", "files/etc/x.j2:2: "),
        ("one\ntwo\n{{ nothing }}\n", "files/etc/x.j2:3: 'nothing' is undefined"),
        ("{% if %}\n", "files/etc/x.j2:1: "),
        ("\n\n{{ link.address | nosuchfilter }}\n", "files/etc/x.j2:3: "),
        ("\n{{ 1 // 0 }}\n", "files/etc/x.j2:2: "),
    ],
)
def test_a_mistake_in_a_template_is_told_with_name_line_and_key(tmp_path: Path, template: str, told: str) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "x.j2").write_text(template)
    with pytest.raises(BuildError) as caught:
        render_template(template_environment(tmp_path), "etc/x.j2", template_variables(load_settings(DEFAULTS)))
    assert str(caught.value).startswith(told)
    if "link.nothing" in template:
        assert "nothing" in str(caught.value)


def test_an_unquoted_word_of_the_settings_would_be_seen(site: Workspace, tmp_path: Path) -> None:
    """The readers above are no yes-men: a tree that says something else is refused."""
    settings = Settings.model_validate(TABLES)
    plan = rendered(settings, site)
    assert plan is not None
    assert_tree_says(plan, settings, tmp_path)
    for path, line in {
        "usr/lib/consul-docker-host/defaults": "EXTRA=1\n",
        "etc/dnsmasq.d/consul.conf": "server=192.0.2.1\n",
        "etc/consul-docker-host/container.env": "EXTRA=1\n",
        "etc/default/consul-docker-host": "ROLE=server\n",
    }.items():
        file = plan.tree / path
        before = file.read_bytes()
        file.write_bytes(before + line.encode())
        with pytest.raises(AssertionError):
            assert_tree_says(plan, settings, tmp_path)
        file.write_bytes(before)
