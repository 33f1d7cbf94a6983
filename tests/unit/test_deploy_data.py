"""Host data: every mistake with host, key and remedy, and nothing of a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyinfra_deploy.data import DEFAULTS, mistakes, settings_lines, text_of


def test_the_defaults_and_foreign_keys_are_right() -> None:
    assert mistakes("a", {**DEFAULTS, "ssh_user": "root"}) == []


def test_lines_name_the_secrets_on_the_host_and_leave_out_what_is_not_set() -> None:
    data = {**DEFAULTS, "cdh_join": ["a", "b"], "cdh_gossip_key": "secrets/gossip"}
    assert settings_lines(data) == (
        'RETRY_JOIN="a b"',
        'ROLE="client"',
        "GOSSIP_KEY_FILE=/etc/consul-docker-host/secrets/gossip_key",
    )


def test_cloud_joins_stand_between_semicolons() -> None:
    assert text_of(["provider=aws a=b", "provider=gce c=d"]) == "provider=aws a=b;provider=gce c=d"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"cdh_rol": "server"}, "cdh_rol: unknown key; did you mean cdh_role?"),
        ({"cdh_role": "boss"}, "cdh_role: 'boss' is not valid; use client, server"),
        ({"cdh_datacenter": 'a"b'}, "cdh_datacenter: contains a quote"),
        ({"cdh_patience": 0}, "cdh_patience: 0 is not a number of seconds"),
        ({"cdh_may_break": ["dcoker"]}, "'dcoker': is not a link of the check; known: settings, link, "),
        (
            {"cdh_extra_packages": "docker.io"},
            "cdh_extra_packages: 'docker.io' is a string; write a list: ['docker.io']",
        ),
        ({"cdh_repository_url": "https://x"}, "cdh_version: is needed with cdh_repository_url"),
        ({"cdh_gossip_key": "/nowhere"}, "cdh_gossip_key: /nowhere: no such file"),
    ],
)
def test_a_mistake_is_named_with_host_and_key(data: dict[str, object], reason: str) -> None:
    found = mistakes("docker-1", data)
    assert any(line.startswith("docker-1: ") and reason in line for line in found), found


def test_a_secret_that_others_may_read_is_refused_and_a_certificate_is_not(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("word-of-passage")
    path.chmod(0o644)
    names = ("cdh_ca", "cdh_cert", "cdh_key")
    found = mistakes("a", dict.fromkeys(names, str(path)))
    assert found == [f"a: cdh_key: {path}: other users can read it; run: chmod 0600 {path}"]
    assert "word-of-passage" not in str(found)


@pytest.mark.parametrize(
    ("text", "is_key"),
    [
        (b"pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s=\n", True),
        (b"Jm1hbmRhdG9yeSBrZXk/Pw==", True),
        (b"open sesame", False),
        (b"\xff\xfe", False),
    ],
)
def test_a_gossip_key_is_one_as_consul_makes_it(tmp_path: Path, text: bytes, *, is_key: bool) -> None:
    path = tmp_path / "key"
    path.write_bytes(text)
    path.chmod(0o600)
    found = mistakes("a", {"cdh_gossip_key": str(path)})
    reason = f"a: cdh_gossip_key: {path}: does not contain a key as `consul keygen` prints it"
    assert found == ([] if is_key else [reason])
