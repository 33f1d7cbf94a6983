"""Gossip keys: which clusters get a new one before their hosts do, and which deploys would divide one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from consul_docker_host.fleet import gossip
from consul_docker_host.fleet.gossip import change_keys, key_mistakes
from pyinfra_deploy.gossip import ChangedGossipKey, GossipKey

ONE = "pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s="
OTHER = "kmV3LRWjVZGGPIYXQ3m8yYHaMCTpx7Ph7WqDCOXZ4m4="


def key(folder: Path, name: str, text: str) -> str:
    """Return the path of a key's file."""
    path = folder / name
    path.write_text(f"{text}\n")
    path.chmod(0o600)
    return str(path)


def changed(
    monkeypatch: pytest.MonkeyPatch, hosts: dict[str, Any], answers: dict[type[Any], object], *, dry: bool = False
) -> tuple[str, list[str], list[tuple[type[Any], str]]]:
    """Change the keys of clusters that answer so; return the refusal, what was told, and what was asked."""
    told: list[str] = []
    asked: list[tuple[type[Any], str]] = []

    def first_answer(_: object, fact: type[Any], __: object, *, stdin: str) -> object:
        asked.append((fact, stdin))
        return answers[fact]

    monkeypatch.setattr(gossip, "first_answer", first_answer)
    monkeypatch.setenv("CONSUL_HTTP_TOKEN", "token")
    why = change_keys(hosts, dry=dry, tell=lambda _host, _step: None, say=told.append)
    return why, told, asked


def test_a_cluster_with_another_key_gets_the_new_one_before_any_host(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hosts = {"s1": {"cdh_gossip_key": key(tmp_path, "key", ONE)}, "far": {"cdh_datacenter": "far"}}
    why, told, asked = changed(monkeypatch, hosts, {GossipKey: "other", ChangedGossipKey: ""})
    assert (why, told[0]) == ("", "the cluster uses the new gossip key, on all members")
    assert asked[:2] == [(GossipKey, f"token\n{ONE}\n"), (ChangedGossipKey, f"token\n{ONE}\n")]
    assert asked[2] == (GossipKey, "token\n\n")


@pytest.mark.parametrize("state", ["same", None])
def test_nothing_is_asked_further_where_nothing_is_to_change(
    monkeypatch: pytest.MonkeyPatch, state: str | None
) -> None:
    assert changed(monkeypatch, {"s1": {}}, {GossipKey: state}) == ("", [], [(GossipKey, "token\n\n")])


def test_a_plan_changes_no_key_and_tells_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    why, told, asked = changed(monkeypatch, {"s1": {}}, {GossipKey: "other"}, dry=True)
    assert (why, len(asked)) == ("", 1)
    assert told == ["the cluster's gossip key would be changed first, on all members"]


@pytest.mark.parametrize(("answer", "said"), [("Permission denied 403", "Permission denied 403"), (None, "no host")])
def test_a_key_that_is_refused_stops_the_deploy_and_a_token_is_named(
    monkeypatch: pytest.MonkeyPatch, answer: str | None, said: str
) -> None:
    why, _, _ = changed(monkeypatch, {"s1": {}}, {GossipKey: "other", ChangedGossipKey: answer})
    assert why.startswith(f"the cluster did not accept the new gossip key: {said}")
    assert 'CONSUL_HTTP_TOKEN in the environment may name a token with keyring = "write"' in why


@pytest.mark.parametrize(("state", "said"), [("open", "is not encrypted there"), ("closed", "is encrypted there")])
def test_what_would_divide_a_cluster_is_refused_with_the_way_round_it(
    monkeypatch: pytest.MonkeyPatch, state: str, said: str
) -> None:
    why, _, _ = changed(monkeypatch, {"s1": {"cdh_datacenter": "eu"}}, {GossipKey: state})
    assert why.startswith(f"eu: gossip {said}")
    assert "encrypt_verify_incoming = false" in why


def test_hosts_of_one_datacenter_share_their_key(tmp_path: Path) -> None:
    one, other = key(tmp_path, "one", ONE), key(tmp_path, "other", OTHER)
    hosts = {
        "a": {"cdh_gossip_key": one},
        "b": {"cdh_gossip_key": key(tmp_path, "copy", ONE)},
        "c": {"cdh_gossip_key": other, "cdh_datacenter": "far"},
        "d": {"cdh_gossip_key": "/nowhere"},
        "e": {},
    }
    assert key_mistakes(hosts) == []
    (said,) = key_mistakes({**hosts, "f": {"cdh_gossip_key": other}})
    assert said == "a and f: cdh_gossip_key: the keys differ; all hosts of a datacenter need the same one"
