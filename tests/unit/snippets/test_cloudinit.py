"""cloud-init: the same files as the package's, the packages' digests, and no harm to a user's own configuration."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from debian.deb822 import Deb822
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from consul_docker_host.core.workspace import ROOT, Workspace
from consul_docker_host.package.plan import Plan
from consul_docker_host.snippets import cloudinit
from consul_docker_host.snippets.cloudinit import Download
from tests.support.programs.cloud_init import read_yaml
from tests.unit.kit import ARCHIVE_KEY, RICH, plan_of

SCRIPTS = ROOT / "packaging" / "cloud-init"
REPOSITORY = (
    '[repository]\nkey_file = "archive.asc"\nurl = "https://packages.site.example/consul/"\nchannel = "testing"\n'
)
DEB = Download(name="consul-docker-host_0.1.0_all.deb", sha256="d" * 64)
RPM = Download(name="consul-docker-host-0.1.0-1.noarch.rpm", sha256="e" * 64)


def loaded(text: str) -> dict[str, Any]:
    config = read_yaml(text)
    assert isinstance(config, dict)
    return config


def files(text: str) -> dict[str, dict[str, str]]:
    listed = loaded(text)["write_files"]
    assert isinstance(listed, list)
    return {file["path"]: file for file in listed}


def environment(text: str) -> dict[str, str]:
    """Return the values that the package's snippet gives to its script."""
    command, _ = loaded(text)["runcmd"]
    assert (command[0], command[-3:-1]) == ("env", ["sh", "-c"])
    return dict(value.split("=", 1) for value in command[1:-3])


@pytest.fixture
def every_snippet(work: Workspace) -> dict[str, str]:
    """Return the three snippets of one plan."""
    (work.root / "archive.asc").write_text(ARCHIVE_KEY)
    plan = plan_of(work, REPOSITORY)
    package = cloudinit.package_snippet(plan, SCRIPTS, {"deb": DEB, "rpm": RPM})
    return {**cloudinit.snippets(plan, SCRIPTS), "package.yaml": package}


def test_inline_carries_every_file_of_the_package_but_documentation_byte_for_byte(plan: Plan) -> None:
    carried = files(cloudinit.inline_snippet(plan, SCRIPTS))
    shipped = [entry for entry in plan.entries if not entry.path.startswith("usr/share/")]
    assert set(carried) == {cloudinit.inline_path(entry.path) for entry in shipped}
    for entry in shipped:
        file = carried[cloudinit.inline_path(entry.path)]
        assert (file["owner"], file["permissions"]) == ("root:root", f"{entry.mode:04o}")
        assert file["content"] == (plan.tree / entry.path).read_text(encoding="utf-8")


def test_inline_is_readable(plan: Plan) -> None:
    """Comments and line breaks are those of the files, so that a reader of user data sees what will run.

    A file that is not ASCII stands in one escaped line: none of ours but the one with an arrow.
    """
    text = cloudinit.inline_snippet(plan, SCRIPTS)
    escaped = set()
    for entry in cloudinit.inline_files(plan):
        own = (plan.tree / entry.path).read_text(encoding="utf-8")
        if own.isascii():
            assert all(f"    {line}\n" in text for line in own.splitlines() if line), entry.path
        else:
            escaped.add(entry.path)
    assert escaped <= {"usr/lib/consul-docker-host/resolver"}


def test_a_snippet_is_ascii_whatever_the_settings_say(work: Workspace) -> None:
    """Terraform's `cloudinit_config` says 7bit of its parts, and cloud-init then drops a part with any other letter."""
    (work.root / "archive.asc").write_text(ARCHIVE_KEY)
    plan = plan_of(work, RICH.read_text(encoding="utf-8"))
    text = cloudinit.inline_snippet(plan, SCRIPTS)
    assert text.isascii()
    assert "ü" in files(text)["/etc/consul.d/redis.json"]["content"]


def test_a_user_s_settings_file_has_no_rival(plan: Plan) -> None:
    carried = files(cloudinit.inline_snippet(plan, SCRIPTS))
    assert "/etc/default/consul-docker-host" not in carried
    assert "ROLE" in carried["/etc/default/consul-docker-host.example"]["content"]


def test_modes_are_texts_in_quotes(plan: Plan) -> None:
    text = cloudinit.inline_snippet(plan, SCRIPTS)
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith("permissions")]
    assert set(lines) == {'permissions: "0644"', 'permissions: "0755"'}


def test_a_snippet_begins_as_cloud_init_wants_it_and_names_its_build(every_snippet: dict[str, str]) -> None:
    assert set(every_snippet) == {"inline.yaml", "package.yaml", "repository.yaml"}
    for name, text in every_snippet.items():
        first, *rest = text.splitlines()
        assert first == "#cloud-config"
        assert "consul-docker-host 0.1.0" in rest[0]
        assert f"-a {name}:cloud-config" in text


def test_headers_fit_a_terminal_and_name_each_way_to_combine(every_snippet: dict[str, str]) -> None:
    for text in every_snippet.values():
        header = [line for line in text.splitlines() if line.startswith("#")]
        assert max(map(len, header)) <= 100
        for word in ("make-mime", "#cloud-config-archive", "#include", "merge_how", "gzip", "base64", "endor data"):
            assert any(word in line for line in header), word


def test_a_template_of_terraform_s_leaves_the_small_snippets_alone(every_snippet: dict[str, str]) -> None:
    for name in ("package.yaml", "repository.yaml"):
        assert not [mark for mark in ("${", "%{") if mark in every_snippet[name]]
    assert "${" in every_snippet["inline.yaml"], "its header warns of templatefile()"


def test_vendor_files_move_to_the_administrator_s_places() -> None:
    assert cloudinit.host_path("usr/lib/systemd/network/x.network") == "/etc/systemd/network/x.network"
    assert cloudinit.host_path("usr/lib/NetworkManager/conf.d/x.conf") == "/etc/NetworkManager/conf.d/x.conf"
    assert cloudinit.host_path("usr/lib/consul-docker-host/base.sh") == "/usr/lib/consul-docker-host/base.sh"
    assert cloudinit.host_path("etc/consul.d/agent.json") == "/etc/consul.d/agent.json"


def test_the_packages_are_the_first_choices_of_the_deb_s_dependencies(plan: Plan) -> None:
    packages = loaded(cloudinit.inline_snippet(plan, SCRIPTS))["packages"]
    assert packages == [cloudinit.first_choice(name) for name in plan.relations.named("depends", "deb")]
    assert cloudinit.first_choice("dnsmasq-base (>= 2.80) | dnsmasq") == "dnsmasq-base"


def test_without_a_key_there_is_no_repository_snippet(plan: Plan) -> None:
    assert set(cloudinit.snippets(plan, SCRIPTS)) == {"inline.yaml"}


def test_the_repository_snippet_has_key_source_and_package(every_snippet: dict[str, str]) -> None:
    text = every_snippet["repository.yaml"]
    assert loaded(text)["packages"] == ["consul-docker-host"]
    key, source = files(text).values()
    assert key["content"] == ARCHIVE_KEY
    assert source["path"] == "/etc/apt/sources.list.d/consul-docker-host-testing.sources", "beside stable's"
    assert dict(Deb822(source["content"])) == {
        "Types": "deb",
        "URIs": "https://packages.site.example/consul/apt",
        "Suites": "testing",
        "Components": "main",
        "Signed-By": key["path"],
    }
    assert {file["owner"] for file in (key, source)} == {"root:root"}
    assert {file["permissions"] for file in (key, source)} == {"0644"}


def test_the_repository_snippet_shows_how_to_add_hashicorp_s_own(every_snippet: dict[str, str]) -> None:
    text = every_snippet["repository.yaml"]
    shown = [line.removeprefix("#   ") for line in text.splitlines() if line.startswith("#   ") and ": " in line]
    source = Deb822(shown)
    assert source["URIs"] == "https://apt.releases.hashicorp.com"
    assert f" as {source['Signed-By']},\n" in text


def test_the_package_snippet_names_address_and_digests_and_runs_the_script_as_it_is(work: Workspace) -> None:
    plan = plan_of(work, '[cloud_init]\npackage_url = "https://bucket.example/consul"\n')
    text = cloudinit.package_snippet(plan, SCRIPTS, {"deb": DEB, "rpm": RPM})
    assert environment(text) == {
        "PACKAGE_URL": "https://bucket.example/consul/",
        "DEB": DEB.name,
        "DEB_SHA256": DEB.sha256,
        "RPM": RPM.name,
        "RPM_SHA256": RPM.sha256,
    }
    assert loaded(text)["runcmd"][0][-1] == (SCRIPTS / "package.sh").read_text(encoding="utf-8")
    assert cloudinit.NO_URL_NOTE not in text


def test_without_an_address_the_package_snippet_has_a_placeholder_that_its_header_explains(plan: Plan) -> None:
    text = cloudinit.package_snippet(plan, SCRIPTS, {"deb": DEB, "rpm": RPM})
    assert environment(text)["PACKAGE_URL"] == cloudinit.NO_URL
    assert cloudinit.NO_URL_NOTE in text


def test_a_format_that_was_not_built_has_no_name(plan: Plan) -> None:
    given = environment(cloudinit.package_snippet(plan, SCRIPTS, {"deb": DEB}))
    assert (given["DEB"], given["RPM"], given["RPM_SHA256"]) == (DEB.name, "", "")


def test_a_version_with_a_plus_is_found_in_a_bucket(plan: Plan) -> None:
    """S3 reads a + in an address as a blank."""
    download = Download(name="consul-docker-host_0.1.0+site1_all.deb", sha256="d" * 64)
    given = environment(cloudinit.package_snippet(plan, SCRIPTS, {"deb": download}))
    assert given["DEB"] == "consul-docker-host_0.1.0%2Bsite1_all.deb"


def test_the_package_snippet_stays_small(plan: Plan) -> None:
    assert len(cloudinit.package_snippet(plan, SCRIPTS, {"deb": DEB, "rpm": RPM})) < 3072


@given(st.text())
def test_a_file_s_text_comes_back_from_yaml_as_it_was(text: str) -> None:
    stream = io.StringIO()
    YAML().dump({"content": cloudinit.block(text)}, stream)
    assert read_yaml(stream.getvalue())["content"] == text


@pytest.mark.parametrize(
    "text", ["", "\n", "one", "  indented\n", "# a\n\n\n", "tab\there \n", "'\"\\{{ x }}${y}: - ü\n"]
)
def test_every_text_of_a_file_comes_back(text: str) -> None:
    stream = io.StringIO()
    YAML().dump({"write_files": [cloudinit.root_file("/x", text)]}, stream)
    assert read_yaml(stream.getvalue())["write_files"][0]["content"] == text


def test_snippets_are_written_readable_by_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.yaml"
    cloudinit.write_snippet("x: ü\n", path)
    assert path.read_text(encoding="utf-8") == "x: ü\n"
    assert path.stat().st_mode & 0o777 == 0o644
