"""cloud-init: the same files as the package's, room for them, and no harm to a user's own configuration."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import shutil
from pathlib import Path

import pytest
from debian.deb822 import Deb822
from ruamel.yaml import YAML

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.package.plan import Plan
from consul_docker_host.snippets import cloudinit
from tests.unit.kit import ARCHIVE_KEY, RICH, plan_of

REPOSITORY = (
    '[repository]\nkey_file = "archive.asc"\nurl = "https://packages.site.example/consul/"\nchannel = "testing"\n'
)


def loaded(text: str) -> dict[str, object]:
    config = YAML(typ="safe").load(io.StringIO(text))
    assert isinstance(config, dict)
    return config


def files(text: str) -> dict[str, dict[str, str]]:
    listed = loaded(text)["write_files"]
    assert isinstance(listed, list)
    return {file["path"]: file for file in listed}


@pytest.mark.parametrize("is_full", [True, False])
def test_a_snippet_carries_every_file_of_the_package_but_documentation(plan: Plan, is_full: bool) -> None:
    """The small one goes without the files that a host can do without."""
    text = cloudinit.inline_snippet(plan, is_full=is_full)
    shipped = [entry for entry in plan.entries if not entry.path.startswith("usr/share/")]
    assert {entry.is_core for entry in shipped} == {True, False}
    shipped = [entry for entry in shipped if is_full or entry.is_core]
    carried = files(text)
    assert set(carried) == {cloudinit.host_path(entry.path) for entry in shipped}
    for entry in shipped:
        file = carried[cloudinit.host_path(entry.path)]
        assert (file["owner"], file["permissions"]) == ("root:root", f"{entry.mode:04o}")
        own = (plan.tree / entry.path).read_text(encoding="utf-8")
        expected = own if is_full and entry.is_conffile else cloudinit.minified(own)
        assert file["content"] == expected


def test_consul_s_files_mean_the_same_in_fewer_bytes(plan: Plan) -> None:
    carried = files(cloudinit.inline_snippet(plan))
    for path in ("etc/consul.d/agent.json", "etc/consul.d/interfaces.json"):
        own, content = (plan.tree / path).read_text(encoding="utf-8"), carried[f"/{path}"]["content"]
        assert json.loads(content) == json.loads(own)
        assert len(content.splitlines()) == 1


def test_modes_are_texts_in_quotes(plan: Plan) -> None:
    lines = [
        line.strip() for line in cloudinit.inline_snippet(plan).splitlines() if line.strip().startswith("permissions")
    ]
    assert set(lines) == {'permissions: "0644"', 'permissions: "0755"'}


def test_the_snippet_begins_as_cloud_init_wants_it_and_says_who_wrote_it(plan: Plan) -> None:
    first, *rest = cloudinit.inline_snippet(plan).splitlines()
    assert first == "#cloud-config"
    assert any(f"consul-docker-host {plan.version}" in line for line in rest[:4])


def test_vendor_files_move_to_the_administrator_s_places() -> None:
    assert cloudinit.host_path("usr/lib/systemd/network/x.network") == "/etc/systemd/network/x.network"
    assert cloudinit.host_path("usr/lib/NetworkManager/conf.d/x.conf") == "/etc/NetworkManager/conf.d/x.conf"
    assert cloudinit.host_path("usr/lib/consul-docker-host/base.sh") == "/usr/lib/consul-docker-host/base.sh"
    assert cloudinit.host_path("etc/consul.d/agent.json") == "/etc/consul.d/agent.json"


def test_the_packages_are_the_first_choices_of_the_deb_s_dependencies(plan: Plan) -> None:
    packages = loaded(cloudinit.inline_snippet(plan))["packages"]
    assert packages == [cloudinit.first_choice(name) for name in plan.relations.named("depends", "deb")]
    assert cloudinit.first_choice("dnsmasq-base (>= 2.80) | dnsmasq") == "dnsmasq-base"


def test_without_a_key_there_is_no_repository_snippet(plan: Plan) -> None:
    assert set(cloudinit.snippets(plan)) == {"inline.yaml", "inline-full.yaml"}


def test_the_repository_snippet_has_key_source_and_package(work: Workspace) -> None:
    (work.root / "archive.asc").write_text(ARCHIVE_KEY)
    snippets = cloudinit.snippets(plan_of(work, REPOSITORY))
    assert set(snippets) == {"inline.yaml", "inline-full.yaml", "repository.yaml"}
    config = loaded(snippets["repository.yaml"])
    assert config["packages"] == ["consul-docker-host"]
    key, source = files(snippets["repository.yaml"]).values()
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


def test_the_repository_snippet_shows_how_to_add_hashicorp_s_own(work: Workspace) -> None:
    (work.root / "archive.asc").write_text(ARCHIVE_KEY)
    text = cloudinit.repository_snippet(plan_of(work, REPOSITORY))
    shown = [line.removeprefix("#   ") for line in text.splitlines() if line.startswith("#   ")]
    source = Deb822(shown)
    assert source["URIs"] == "https://apt.releases.hashicorp.com"
    assert f"# {source['Signed-By']}, and as " in text
    assert text.startswith("#cloud-config\n")


def test_the_snippets_fit_into_what_clouds_take(work: Workspace, plan: Plan) -> None:
    (work.root / "archive.asc").write_text(ARCHIVE_KEY)
    for one in (plan, plan_of(work, RICH.read_text(encoding="utf-8"))):
        for name, text in cloudinit.snippets(one).items():
            assert cloudinit.gzipped_size(text) < (49_152 if name == "inline-full.yaml" else 16_384)
            assert gzip.decompress(gzip.compress(text.encode(), mtime=0)).decode() == text


def test_a_snippet_that_is_too_large_is_refused_with_its_size(work: Workspace) -> None:
    # What cannot be compressed: digests in a row.
    noise = "".join(hashlib.sha512(str(number).encode()).hexdigest() for number in range(300))
    big = plan_of(work, f'[[services]]\nname = "big"\ntags = ["{noise}"]\n')
    size = cloudinit.gzipped_size(cloudinit.inline_snippet(big))
    assert size > 16_384
    with pytest.raises(BuildError, match=rf"^cloud-init/inline\.yaml: {size} bytes gzipped, above the 16384 "):
        cloudinit.snippets(big)


def test_only_comments_are_taken_out_of_scripts(plan: Plan, tmp_path: Path) -> None:
    """A shell that prints what it has understood prints the same for both texts."""
    scripts = [entry for entry in plan.entries if entry.mode & 0o100 and not entry.path.startswith("usr/share/")]
    scripts += [entry for entry in plan.entries if entry.path.endswith("/base.sh")]
    assert len(scripts) > 5
    bash = shutil.which("bash")
    assert bash, "bash is needed to prove it"
    for entry in scripts:
        stripped = tmp_path / "stripped"
        stripped.write_text(cloudinit.minified((plan.tree / entry.path).read_text()))
        run(["sh", "-n", str(stripped)])
        own, bare = (run([bash, "--pretty-print", str(path)]).stdout for path in (plan.tree / entry.path, stripped))
        # Within $( ) it prints the script's own line ends and blanks, and braces that a name can do without.
        own, bare = (re.sub(r"[\s;]", "", re.sub(r"\$\{(\w+)\}", r"$\1", text)) for text in (own, bare))
        assert own == bare, entry.path
        assert stripped.stat().st_size < entry.size


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("#!/bin/sh\n# a\necho x # b\n  # c\n", "#!/bin/sh\necho x\n"),
        ("#!/bin/sh\ncat <<EOF\n# kept\nEOF\n# gone\n", "#!/bin/sh\ncat <<EOF\n# kept\nEOF\n"),
        ("#!/bin/sh\nsay 'a\n# kept\n'\n# gone\n", "#!/bin/sh\nsay 'a\n# kept\n'\n"),
        ("#!/bin/sh\nx # it's\n# gone\n  y\n", "#!/bin/sh\nx\ny\n"),
        ("[Unit]\nDescription=Consul's\n# gone\n", "[Unit]\nDescription=Consul's\n"),
        ("[Unit]\n# a\n; b\nAfter=x\n", "[Unit]\nAfter=x\n"),
        ("# The address.\n#HOST_IP=\n\n# More\n#ROLE=client\n", "#HOST_IP=\n#ROLE=client\n"),
        ("", ""),
    ],
)
def test_a_comment_goes_and_what_only_looks_like_one_stays(text: str, kept: str) -> None:
    assert cloudinit.minified(text) == kept


def test_snippets_are_written_readable_by_all(tmp_path: Path) -> None:
    (path,) = cloudinit.write_snippets({"a.yaml": "x: ü\n"}, tmp_path / "new")
    assert path.read_text(encoding="utf-8") == "x: ü\n"
    assert path.stat().st_mode & 0o777 == 0o644
