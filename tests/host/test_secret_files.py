"""Files with secrets: what is wrong with one is told by file and key, never by content, and what ran before stays."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.host.conftest import COMMAND, FakeHost, needs_root
from tests.host.inplace import calls_of, run_in_place

RENDERED = "run/consul-docker-host/consul.d"
TLS = "run/consul-docker-host/tls"
KEY = base64.b64encode(bytes(range(32))).decode()
OTHER_KEY = base64.b64encode(bytes(range(16))).decode()
TOKEN = "4f5b9a0e-1d1c-4c55-9d3e-5f2a8f0c7b11"  # noqa: S105 - of no cluster
TOKENS = {"AGENT": "agent", "DNS": "dns", "SERVICES": "config_file_service_registration"}


def rendered(host: FakeHost, name: str) -> Any:
    """Return one file that Consul reads."""
    return json.loads(host.read(f"{RENDERED}/{name}.json"))


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def give(host: FakeHost, path: str, content: str | bytes, *, bits: int = 0o640) -> None:
    """Write a file as an administrator hands a secret over."""
    host.write(path, content).chmod(bits)


def certificates(host: FakeHost, folder: str) -> None:
    """Make a certificate with its key below the host's root; it is its own authority."""
    target = host.root / folder
    target.mkdir(parents=True)
    argv = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=x"]
    subprocess.run([*argv, "-keyout", f"{target}/key", "-out", f"{target}/cert"], check=True, capture_output=True)
    (target / "ca").write_bytes((target / "cert").read_bytes())
    (target / "key").chmod(0o600)


def tls_lines(folder: str) -> str:
    return "".join(f"{name.upper()}_FILE=/{folder}/{name}\n" for name in ("ca", "cert", "key"))


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", " \n\n"])
def test_a_gossip_key_is_read_whatever_its_lines_end_with(host: FakeHost, ending: str) -> None:
    give(host, "etc/gossip", KEY + ending)
    host.configure("GOSSIP_KEY_FILE=/etc/gossip\n")

    said = host.script("render", "consul").stderr

    # Kept in a keyring of its own Consul would take the first key for ever.
    assert rendered(host, "encrypt") == {"encrypt": KEY, "disable_keyring_file": True}
    assert mode(host.root / RENDERED / "encrypt.json") == 0o640
    assert mode(host.root / RENDERED) == 0o750
    assert said == ""


FAULTS = {
    "missing": (None, "does not exist"),
    "a folder": ("folder", "is not a file"),
    "empty": ("", "is empty"),
    "blank": (" \r\n", "is empty"),
}
GOSSIP_FAULTS = {
    "no base64": ("sesame-open\n", 'is not the base64 of 16, 24 or 32 bytes, as "consul keygen" prints it'),
    "20 bytes": (base64.b64encode(b"x" * 20).decode(), "is not the base64 of"),
    "two keys": (f"{KEY}\n{OTHER_KEY}\n", "is not the base64 of"),
}
TOKEN_FAULTS = {"two words": (f"{TOKEN} sesame-open\n", "contains more than one token")}


def put_fault(host: FakeHost, content: str | None) -> None:
    """Put what is wrong at /etc/secret."""
    (host.root / "etc/secret").unlink(missing_ok=True)
    if content == "folder":
        (host.root / "etc/secret").mkdir()
    elif content is not None:
        give(host, "etc/secret", content)


@pytest.mark.parametrize(("content", "said"), [*FAULTS.values(), *GOSSIP_FAULTS.values()])
def test_a_wrong_gossip_key_is_told_and_the_one_before_stays(host: FakeHost, content: str | None, said: str) -> None:
    give(host, "etc/secret", KEY)
    host.configure("GOSSIP_KEY_FILE=/etc/secret\n")
    host.script("render", "consul")
    put_fault(host, content)

    done = host.call(COMMAND, "apply", "--render", code=1)

    assert done.stderr.startswith(f"/etc/default/consul-docker-host:GOSSIP_KEY_FILE: /etc/secret {said}")
    assert len(done.stderr.splitlines()) == 1
    assert "sesame" not in done.stdout + done.stderr
    assert rendered(host, "encrypt")["encrypt"] == KEY


def test_consul_does_not_start_in_the_clear_where_a_key_is_named(host: FakeHost) -> None:
    host.configure("GOSSIP_KEY_FILE=/etc/secret\n")
    host.script("render", "consul", code=1)
    give(host, "etc/secret", KEY)
    host.script("render", "consul")
    assert rendered(host, "encrypt")["encrypt"] == KEY


@needs_root
def test_an_apply_does_not_let_it_start_in_the_clear_either(host: FakeHost) -> None:
    """Asked to restart, it counts as started; it never was."""
    record = host.fake("systemctl", "case $1 in is-active) echo activating ;; esac")
    host.configure("GOSSIP_KEY_FILE=/etc/secret\n")
    run_in_place(host, "consul-docker-host apply; /usr/lib/consul-docker-host/render consul", code=1)
    assert calls_of(record, "consul.service")


@pytest.mark.parametrize("kind", TOKENS)
@pytest.mark.parametrize(("content", "said"), [*FAULTS.values(), *TOKEN_FAULTS.values()])
def test_a_wrong_token_is_told_and_the_one_before_stays(
    host: FakeHost, kind: str, content: str | None, said: str
) -> None:
    give(host, "etc/secret", f"{TOKEN}\r\n")
    host.configure(f"{kind}_TOKEN_FILE=/etc/secret\n")
    host.script("render", "consul")
    put_fault(host, content)

    done = host.call(COMMAND, "apply", "--render", code=1)

    assert f"/etc/default/consul-docker-host:{kind}_TOKEN_FILE: /etc/secret {said}" in done.stderr
    assert "sesame" not in done.stdout + done.stderr
    assert rendered(host, f"token-{TOKENS[kind]}") == {"acl": {"tokens": {TOKENS[kind]: TOKEN}}}
    # Consul may start: it has less rights without a token, and harms nobody.
    host.script("render", "consul")


def test_the_agents_token_is_nobody_elses(host: FakeHost) -> None:
    """As the default token it would be that of every program that sends none."""
    give(host, "etc/secret", TOKEN)
    host.configure("ACL=deny\nAGENT_TOKEN_FILE=/etc/secret\n")
    host.script("render", "consul")
    texts = [path.read_text() for path in (host.root / RENDERED).iterdir()]
    assert [json.loads(text) for text in texts if TOKEN in text] == [{"acl": {"tokens": {"agent": TOKEN}}}]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ACL=deny", {"acl": {"enabled": True, "default_policy": "deny"}}),
        ("ACL=allow", {"acl": {"enabled": True, "default_policy": "allow"}}),
        ("ACL=off", None),
        ("ACL=on", None),
    ],
)
def test_acls_are_a_matter_of_the_host(host: FakeHost, line: str, expected: object) -> None:
    host.configure(f"{line}\n")
    said = host.script("render", "consul").stderr
    path = host.root / RENDERED / "acl.json"
    assert (json.loads(path.read_text()) if path.exists() else None) == expected
    assert ('ACL: "on" must be off, allow or deny' in said) == (line == "ACL=on")


def test_certificates_are_copied_for_consul_alone(host: FakeHost) -> None:
    certificates(host, "etc/pki")
    host.configure(tls_lines("etc/pki"))

    assert "tls.json" in host.script("render", "consul").stdout

    defaults = rendered(host, "tls")["tls"]["defaults"]
    for name in ("ca", "cert", "key"):
        assert defaults[f"{name}_file"] == f"{host.root}/{TLS}/{name}.pem"
        assert host.read(f"{TLS}/{name}.pem") == host.read(f"etc/pki/{name}")
        assert mode(host.root / TLS / f"{name}.pem") == 0o640
    assert mode(host.root / TLS) == 0o750
    host.configure("")
    host.script("render", "consul")
    assert list((host.root / TLS).iterdir()) == []
    assert not (host.root / RENDERED / "tls.json").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("rm cert", "CERT_FILE: /etc/pki/cert does not exist"),
        (": >ca", "CA_FILE: /etc/pki/ca is empty"),
        ("cp cert key", "KEY_FILE: /etc/pki/key contains no private key (PEM)"),
        ("cp key cert", "CERT_FILE: /etc/pki/cert contains no certificate (PEM)"),
        ("openssl genpkey -algorithm ed25519 -out key", "KEY_FILE: /etc/pki/key is not the key of /etc/pki/cert"),
    ],
)
def test_wrong_certificates_are_told_and_those_before_stay(host: FakeHost, change: str, said: str) -> None:
    certificates(host, "etc/pki")
    host.configure(tls_lines("etc/pki"))
    host.script("render", "consul")
    before = {path.name: path.read_bytes() for path in (host.root / TLS).iterdir()}
    subprocess.run(["sh", "-c", change], cwd=host.root / "etc/pki", check=True)

    done = host.call(COMMAND, "apply", "--render", code=1)

    assert f"/etc/default/consul-docker-host:{said}" in done.stderr
    assert {path.name: path.read_bytes() for path in (host.root / TLS).iterdir()} == before
    assert rendered(host, "tls")


@pytest.mark.parametrize("bits", [0o644, 0o640, 0o600, 0o604])
def test_a_secret_that_others_can_read_is_told_and_used(host: FakeHost, bits: int) -> None:
    give(host, "etc/secret", KEY, bits=bits)
    host.configure("GOSSIP_KEY_FILE=/etc/secret\n")
    said = host.script("render", "consul").stderr
    assert ("users other than root and Consul can read /etc/secret" in said) == bool(bits & 0o007)
    assert rendered(host, "encrypt")["encrypt"] == KEY


@needs_root
def test_the_check_tells_what_is_wrong_with_a_file(host: FakeHost) -> None:
    for name in ("curl", "pidof", "docker", "getent", "bash"):
        host.replace(name, "exit 1")
    give(host, "etc/secret", KEY, bits=0o644)
    host.configure("GOSSIP_KEY_FILE=/etc/secret\nAGENT_TOKEN_FILE=/etc/none\n")

    report = json.loads(host.call(COMMAND, "check", "--json", code=2).stdout)

    told = [link["text"] for link in report["links"] if link["name"] == "settings"]
    assert [line.partition(": ")[0].rpartition(":")[2] for line in told] == ["GOSSIP_KEY_FILE", "AGENT_TOKEN_FILE"]
    assert all(link["state"] == "warn" for link in report["links"] if link["name"] == "settings")


VERBS = ("try-restart", "reload")
APPLY = "consul-docker-host apply >/dev/null 2>&1"


@needs_root
@pytest.mark.parametrize(
    ("change", "restarts", "reloads"),
    [
        ("echo other-token >/etc/secret/token", 0, 1),
        ("cp /etc/secret/new-cert /etc/secret/cert; cp /etc/secret/new-key /etc/secret/key", 0, 1),
        ("cp /etc/secret/new-gossip /etc/secret/gossip", 1, 0),
        ("echo NODE_NAME=other >>/etc/default/consul-docker-host; echo other-token >/etc/secret/token", 1, 0),
        ("rm /etc/secret/token", 0, 0),
        (":", 0, 0),
    ],
)
def test_a_new_secret_restarts_consul_only_where_it_must(
    host: FakeHost, change: str, restarts: int, reloads: int
) -> None:
    record = host.fake("systemctl", "case $1 in is-active) echo active ;; esac")
    certificates(host, "etc/new")
    certificates(host, "etc/secret")
    for name, content in {"token": TOKEN, "gossip": KEY, "new-gossip": OTHER_KEY}.items():
        give(host, f"etc/secret/{name}", content)
    for name in ("cert", "key"):
        give(host, f"etc/secret/new-{name}", host.read(f"etc/new/{name}"))
    lines = tls_lines("etc/secret") + "AGENT_TOKEN_FILE=/etc/secret/token\nGOSSIP_KEY_FILE=/etc/secret/gossip\n"
    host.configure(lines)

    run_in_place(host, f": >{record}; {APPLY}; {APPLY}; : >{record}; {change}; {APPLY}; {APPLY}; exit 0")

    asked = {verb: [call for call in calls_of(record, verb) if call.endswith(" consul.service")] for verb in VERBS}
    assert {verb: len(calls) for verb, calls in asked.items()} == {"try-restart": restarts, "reload": reloads}


def test_registrator_keeps_its_token_when_the_file_goes(host: FakeHost) -> None:
    host.fake("systemctl")
    calls = host.fake("docker")
    give(host, "etc/token", f"{TOKEN}\r\n")
    host.configure("HOST_IP=10.1.2.3\nREGISTRATOR_TOKEN_FILE=/etc/token\n")
    (host.root / "run/consul-docker-host").mkdir(parents=True)
    host.script("registrator", "run")
    (host.root / "etc/token").unlink()

    said = host.script("registrator", "run").stderr

    assert "REGISTRATOR_TOKEN_FILE: /etc/token does not exist; the former token is kept" in said
    file = host.root / "run/consul-docker-host/registrator.env"
    assert file.read_text() == f"CONSUL_HTTP_TOKEN={TOKEN}\n"
    assert mode(file) == 0o600
    assert f"--env-file {file}" in calls.read_text().splitlines()[-1]
    assert TOKEN not in calls.read_text()


def test_no_program_gets_a_secret_as_its_argument(host: FakeHost) -> None:
    """Everybody can list the arguments of every process."""
    programs = "cat chgrp chmod cksum cmp curl grep mkdir mv openssl python3 rm sed stat tail tr wc"
    records = [host.replace(name, f'exec "$(command -pv {name})" "$@"') for name in programs.split(" ")]
    records += [host.fake(name) for name in ("consul", "docker", "systemctl", "pidof")]
    certificates(host, "etc/secret")
    for name, content in {"token": TOKEN, "gossip": KEY}.items():
        give(host, f"etc/secret/{name}", content)
    tokens = "".join(f"{name}_TOKEN_FILE=/etc/secret/token\n" for name in (*TOKENS, "REGISTRATOR"))
    host.configure(f"HOST_IP=10.1.2.3\n{tokens}GOSSIP_KEY_FILE=/etc/secret/gossip\n" + tls_lines("etc/secret"))

    host.call(COMMAND, "apply")
    host.script("render", "consul")
    host.call(COMMAND, "check", code=None)
    host.script("registrator", "run")

    called = "".join(record.read_text() for record in records if record.exists())
    assert "x509 -noout" in called
    assert "render-consul" in called
    assert [secret for secret in (TOKEN, KEY, host.read("etc/secret/key").splitlines()[1]) if secret in called] == []
