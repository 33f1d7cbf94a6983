"""The page as text: newest first, the order of versions that dpkg knows, nothing of a package taken for markup."""

from __future__ import annotations

import itertools
import re

import pytest
from debian.debian_support import Version
from hypothesis import given
from hypothesis import strategies as st

from consul_docker_host.core.run import run
from consul_docker_host.package.plan import RepositoryPlan
from consul_docker_host.repository import page
from consul_docker_host.repository.catalogue import Item
from consul_docker_host.repository.signing import Key

PLAN = RepositoryPlan(url="https://packages.site.example/", channel="stable", valid_days=0)
KEY = Key(fingerprint="F" * 40, user="a <b>", algorithm="1", bits=4096, expires=0, is_revoked=False)
VERSIONS = ("0.9", "0.10~rc1", "0.10", "0.10+site1", "0.10+site2", "0.10.1", "1.22.7-1", "1.22.7-2", "1.22.10-1")


def item(version: str, name: str = "consul-docker-host", architecture: str = "all") -> Item:
    path = f"pool/stable/c/{name}/{name}_{version}_{architecture}.deb"
    return Item(
        name=name,
        version=version,
        architecture=architecture,
        path=path,
        size=2048,
        sha256="ab" * 32,
        unsigned="",
        texts=(),
    )


def made(*items: Item, testing: tuple[Item, ...] = (), plan: RepositoryPlan = PLAN) -> str:
    held = {"apt/stable": items, "apt/testing": testing, "rpm/stable": (), "rpm/testing": ()}
    return page.page(plan, held, [KEY])


@pytest.mark.parametrize(("older", "newer"), list(itertools.pairwise(VERSIONS)))
def test_versions_are_ordered_as_dpkg_does(older: str, newer: str) -> None:
    assert run(["dpkg", "--compare-versions", older, "lt", newer], check=False).returncode == 0
    assert page.version_key(older) < page.version_key(newer)


NUMBER, WORD = st.integers(0, 120).map(str), st.text("abzABZ019", min_size=1, max_size=3)
# As settings allow a version, and HashiCorp's revision behind it.
SUFFIX = st.tuples(st.sampled_from("+~"), st.lists(WORD, min_size=1, max_size=2).map(".".join)).map("".join)
VERSION = st.tuples(
    st.lists(NUMBER, min_size=1, max_size=3).map(".".join),
    st.lists(SUFFIX, max_size=2).map("".join),
    st.sampled_from(["", "-1", "-2", "-10"]),
).map("".join)


@given(one=VERSION, other=VERSION)
def test_the_order_of_versions_is_python_debian_s(one: str, other: str) -> None:
    keys, versions = [page.version_key(text) for text in (one, other)], [Version(text) for text in (one, other)]
    assert (keys[0] < keys[1], keys[0] > keys[1]) == (versions[0] < versions[1], versions[0] > versions[1])


def test_an_rpm_s_release_does_not_outdo_its_version() -> None:
    assert page.version_key("0.1.0-1") < page.version_key("0.1.0+rotated-1")


def test_the_newest_of_each_package_and_architecture_comes_first() -> None:
    items = [item("0.9"), item("0.10"), item("1.0", "other"), item("0.9", architecture="amd64")]
    newest, earlier = page.rows({"apt": items, "rpm": ()}, "stable")
    assert [(row.item.name, row.item.version) for row in newest] == [
        ("consul-docker-host", "0.10"),
        ("consul-docker-host", "0.9"),
        ("other", "1.0"),
    ]
    assert [row.path for row in earlier] == ["apt/pool/stable/c/consul-docker-host/consul-docker-host_0.9_all.deb"]


def test_a_page_of_thousands_shows_a_hundred_earlier_ones_and_says_so() -> None:
    text = made(*(item(f"1.{number}") for number in range(250)))
    assert text.count('<div class="row">') == 1 + page.EARLIER
    assert "Earlier versions (249)" in text
    assert "149 more are in the indices" in text


def test_the_page_is_one_file_that_loads_nothing() -> None:
    text = made(item("1.0"))
    assert text.count("<script>") == 1
    assert not re.search(r"""(src|srcset|@import|url\()\s*=?\s*["']?https?:""", text)
    assert not re.search(r"<link[^>]+https?:", text)


def test_text_of_packages_and_keys_is_text() -> None:
    text = made(item("1.0", "<script>alert(1)</script>"))
    assert "<script>alert" not in text
    assert "a &lt;b&gt;" in text


def test_the_address_is_the_settings_one_without_a_second_slash() -> None:
    text = made(item("1.0"))
    assert "https://packages.site.example/apt/stable/consul-docker-host.sources" in text
    assert "example//" not in text


def test_testing_is_told_of_where_it_holds_something() -> None:
    assert "apt/testing/" not in made(item("1.0"))
    assert "apt/testing/consul-docker-host-testing.sources" in made(item("1.0"), testing=(item("2.0"),))


def test_the_end_of_an_index_and_consul_are_told_of_where_they_are() -> None:
    assert "good for" not in made(item("1.0"))
    limited = RepositoryPlan(url="https://x.example", channel="stable", valid_days=14)
    assert "valid for 14 days" in made(item("1.0"), plan=limited)
    assert "Neither this repository nor Debian" in made(item("1.0"))
    assert "This repository contains Consul, for this network only" in made(item("1.0"), item("1.22.7-1", "consul"))


def test_an_empty_repository_has_a_page() -> None:
    assert ">Packages<" in made()
