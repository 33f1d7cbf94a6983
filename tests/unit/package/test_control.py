"""The texts of the packages, beside their files."""

from __future__ import annotations

from debian.deb822 import Deb822, PkgRelation

from consul_docker_host.package import control
from consul_docker_host.package.plan import Plan


def test_artefacts_are_named_as_each_format_s_tools_expect(plan: Plan) -> None:
    assert control.artefact_name(plan, "deb") == f"consul-docker-host_{plan.version}_all.deb"
    assert control.artefact_name(plan, "rpm") == f"consul-docker-host-{plan.version}-{plan.revision}.noarch.rpm"


def test_the_control_file_holds_the_plan(plan: Plan) -> None:
    fields = Deb822(control.control_text(plan))
    assert (fields["Package"], fields["Version"], fields["Architecture"]) == (plan.name, plan.version, "all")
    assert (fields["Section"], fields["Priority"], fields["Maintainer"]) == (
        plan.section,
        plan.priority,
        plan.maintainer,
    )
    assert int(fields["Installed-Size"]) * 1024 <= sum(entry.size for entry in plan.entries)
    depends = PkgRelation.parse_relations(fields["Depends"])
    assert "nftables" in [alternatives[0]["name"] for alternatives in depends]


def test_the_description_is_a_summary_and_wrapped_paragraphs(plan: Plan) -> None:
    first, *body = Deb822(control.control_text(plan))["Description"].splitlines()
    assert first == plan.summary
    assert len(first) <= 80
    assert all(line.startswith(" ") and 2 <= len(line) <= 77 for line in body)
    # Policy 5.6.13: a line of one dot stands between paragraphs, and never in the middle of a line.
    assert " ." in body
    assert not [line for line in body if " . " in line]


def test_the_rpm_s_description_is_the_same_words(plan: Plan) -> None:
    deb = [line.strip() for line in control.control_text(plan).partition("Description: ")[2].splitlines()[1:]]
    rpm = control.rpm_description(plan).splitlines()
    assert [line for line in deb if line != "."] == rpm
    assert "." not in rpm
    assert control.long_description(plan).splitlines()[0] == plan.summary
