"""The settings: one complete, commented file; a user's keys win; each mistake is told once, in its place."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.settings.load import load_settings
from consul_docker_host.settings.model import Check, Service, Settings
from tests.unit.kit import DEFAULTS, RICH, model_keys

Load = Callable[[str], Settings]
LINES = DEFAULTS.read_text(encoding="utf-8").splitlines()


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load the defaults with the text of a user's file on top."""

    def loaded(text: str) -> Settings:
        path = tmp_path / "my.toml"
        path.write_text(text, encoding="utf-8")
        return load_settings(DEFAULTS, path)

    return loaded


def refusal(load: Load, text: str) -> str:
    """Return what the user is told of a file that is refused."""
    with pytest.raises(BuildError) as caught:
        load(text)
    return str(caught.value)


def file_keys(tables: dict[str, object], prefix: str = "") -> list[str]:
    keys = []
    for name, value in tables.items():
        keys += file_keys(value, f"{prefix}{name}.") if isinstance(value, dict) else [f"{prefix}{name}"]
    return keys


def test_the_file_of_defaults_has_every_key_of_the_model_and_no_other() -> None:
    tables = tomllib.loads("\n".join(LINES))
    assert sorted(file_keys(tables)) == sorted(model_keys(Settings))
    load_settings(DEFAULTS)


def test_each_key_of_the_defaults_says_what_it_is() -> None:
    """A comment behind it, or in the line above it (which may speak of the next key as well)."""
    silent, said = [], False
    for number, line in enumerate(LINES, 1):
        was_said, said = said, line.startswith("#")
        if line[:1].isalpha() and "  # " not in line:
            said = was_said and LINES[number - 2].startswith("#")
            silent += [] if was_said else [f"settings.toml:{number}: {line}"]
    assert not silent


def test_the_commented_example_of_a_service_is_valid_and_complete(load: Load) -> None:
    begin = next(number for number, line in enumerate(LINES) if line.startswith("# [[services]]"))
    example = "\n".join(line.removeprefix("# ") for line in LINES[begin:] if line.startswith("# "))
    (service,) = load(example).services
    assert service.checks
    missing = [name for model in (Service, Check) for name in model.model_fields if f"{name}" not in example]
    assert not missing


def test_a_user_s_file_changes_its_own_keys_alone(load: Load) -> None:
    changed = load('[link]\ninterface = "consul0"\n[consul.ports]\nhttp = 18500\n[dns]\nupstreams = ["192.0.2.1"]\n')
    defaults = load_settings(DEFAULTS)
    assert (changed.link.interface, changed.link.address) == ("consul0", defaults.link.address)
    assert (changed.consul.ports.http, changed.consul.ports.dns) == (18500, defaults.consul.ports.dns)
    assert changed.dns.upstreams == ("192.0.2.1",)
    same = {"link", "consul", "dns"}
    assert changed.model_dump(exclude=same) == defaults.model_dump(exclude=same)


def test_the_rich_settings_differ_from_the_defaults_in_every_key() -> None:
    """The golden tree of the rich settings shows every key at work."""
    rich, defaults = load_settings(DEFAULTS, RICH).model_dump(), load_settings(DEFAULTS).model_dump()

    def equal(one: dict[str, object], other: dict[str, object], prefix: str = "") -> list[str]:
        found = []
        for key, value in one.items():
            if isinstance(value, dict) and isinstance(other[key], dict):
                found += equal(value, other[key], f"{prefix}{key}.")  # type: ignore[arg-type]
            elif value == other[key]:
                found.append(f"{prefix}{key}")
        return found

    assert equal(rich, defaults) == []


def test_an_empty_file_changes_nothing(load: Load) -> None:
    assert load("") == load_settings(DEFAULTS)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[consul]\ndatacentre = "x"', "my.toml:consul.datacentre: unknown key; datacenter is the nearest"),
        ("[dsn]\nttl = 1", "my.toml:dsn: unknown key; dns is the nearest"),
        ("[consul.ports]\nhtpp = 1", "my.toml:consul.ports.htpp: unknown key; http is the nearest"),
        ('[[services]]\nname = "a"\nporrt = 1', "my.toml:services.1.porrt: unknown key; port is the nearest"),
        (
            '[[services]]\nname = "a"\n[[services.checks]]\ntpc = "a:1"',
            "my.toml:services.1.checks.1.tpc: unknown key; tcp is the nearest",
        ),
        ("[docker]\nzzz = 1", "my.toml:docker.zzz: unknown key; known here: dns"),
        ("[link]\ninterface = 5", "my.toml:link.interface: is not a text in quotes"),
        ('[dns]\nttl = "1"', "my.toml:dns.ttl: is not a whole number"),
        ("[dns]\nttl = 1.5", "my.toml:dns.ttl: is not a whole number"),
        ("[dns]\nttl = true", "my.toml:dns.ttl: is not a whole number"),
        ('[guard]\nenabled = "yes"', "my.toml:guard.enabled: is not true or false"),
        ("[guard]\nenabled = 1", "my.toml:guard.enabled: is not true or false"),
        ('[dns]\nupstreams = "192.0.2.1"', "my.toml:dns.upstreams: is not a list in [ ]"),
        ("consul = 5", "my.toml:consul: is not a table"),
        ("services = 5", "my.toml:services: is not a list in [ ]"),
        ('[[services]]\nname = "a"\nmeta = ["x"]', "my.toml:services.1.meta: is not a table"),
        ("[[services]]\nport = 1", "my.toml:services.1.name: is missing"),
        ("[dns]\nttl = 3", "my.toml:dns.ttl: 3 is out of range: at most 2"),
        ("[consul.ports]\nhttp = 0", "my.toml:consul.ports.http: 0 is out of range: at least 1"),
        ("[consul.ports]\nhttp = 65536", "my.toml:consul.ports.http: 65536 is out of range: at most 65535"),
        ('[consul]\nrole = "boss"', "my.toml:consul.role: 'boss' is none of 'client' or 'server'"),
        ('[dns]\nupstreams = ["192.0.2.1", "x"]', "my.toml:dns.upstreams.2: 'x' is not an IPv4 address"),
        ('[link]\naddress = "169.254.169.254"', "belongs to the cloud's metadata service"),
        # Rules between keys.
        ('[consul]\ncert_file = "/a"', "my.toml:consul.ca_file: is empty: TLS needs"),
        ('[consul]\nca_file = "/a"\ncert_file = "/b"', "my.toml:consul.key_file: is empty: TLS needs"),
        ('[consul]\nrole = "server"', "my.toml:consul.bootstrap_expect: is 0: a server must know"),
        ("[consul]\nbootstrap_expect = 3", "my.toml:consul.bootstrap_expect: is 3 with role client"),
        ('[consul]\nalt_domain = "consul"', "my.toml:consul.alt_domain: 'consul' is the domain itself"),
        ('[consul]\nagent_token_file = "/t"', 'my.toml:consul.agent_token_file: is set with acl "off"'),
        ("[consul.ports]\nhttp = 8600", "8600 is the port of http already"),
        ("[consul.ports]\ndns = 53", "my.toml:consul.ports.dns: 53 is the port of dnsmasq already"),
        ("[registrator]\nttl = 60", "my.toml:registrator.ttl_refresh: ttl and ttl_refresh go together"),
        ("[registrator]\nttl_refresh = 60", "my.toml:registrator.ttl_refresh: ttl and ttl_refresh go together"),
        ("[registrator]\nttl = 60\nttl_refresh = 60", "my.toml:registrator.ttl_refresh: 60 is not below ttl (60)"),
        (
            '[[services]]\nname = "a"\n[[services]]\nname = "a"',
            "my.toml:services: more than one service is named 'a'",
        ),
        ('[[services]]\nname = "agent"', "my.toml:services.1.name: 'agent' names a file of the agent itself"),
        (
            '[[services]]\nname = "a"\n[[services.checks]]\nargs = ["x"]',
            "my.toml:services: 'a': a check with args needs consul.local_script_checks = true",
        ),
        (
            '[[services]]\nname = "a"\n[[services.checks]]\nname = "x"',
            "exactly one of http, tcp, ttl and args, not none",
        ),
        (
            '[[services]]\nname = "a"\n[[services.checks]]\ntcp = "a:1"\nttl = "9s"',
            "my.toml:services.1.checks.1: a check has exactly one of http, tcp, ttl and args, not tcp and ttl",
        ),
    ],
)
def test_a_mistake_is_told_with_file_key_and_reason(load: Load, text: str, told: str) -> None:
    refused = refusal(load, text)
    assert told in refused
    assert len(refused.splitlines()) == 2, f"one line for the mistake and one for the hint:\n{refused}"
    assert refused.splitlines()[1].strip().startswith("1 mistake; ")
    assert str(DEFAULTS) in refused.splitlines()[1]


def test_forty_mistakes_are_told_at_once_each_in_one_line(load: Load, tmp_path: Path) -> None:
    wrong = {
        "package": {"version": '"v1"', "revision": '"x"', "maintainer": '"nobody"', "homepage": '"ftp://x"'},
        "link": {"interface": '"far-too-long-a-name"', "address": '"localhost"'},
        "consul": {
            "datacenter": '"DC"', "node_name": '"a.b"', "role": '"x"', "bootstrap_expect": "9", "bind_addr": '"x"',
            "domain": '"Consul."', "alt_domain": '"-"', "log_level": '"LOUD"', "write_access": '"all"',
            "local_script_checks": '"no"', "gossip_key_file": '"key"', "ca_file": '"a b"', "cert_file": '"."',
            "key_file": "1", "acl": '"on"', "agent_token_file": '"x"',
        },
        "consul.ports": {"http": "0", "dns": "-1", "serf_lan": "70000", "serf_wan": '"1"', "server": "1.5"},
        "dns": {"ttl": "9", "cache_size": "-1"},
        "docker": {"dns": '"all"'},
        "registrator": {"enabled": "0", "image": '"A B"', "resync": "0", "ttl": "-1",
            "deregister": '"x"', "internal": '""'},
        "environment": {"enabled": '"x"'},
        "guard": {"enabled": "[]"},
        "repository": {"url": '"x"', "channel": '"x"'},
    }  # fmt: skip
    text = "".join(
        f"[{table}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()) for table, keys in wrong.items()
    )
    expected = [f"{tmp_path}/my.toml:{table}.{key}" for table, keys in wrong.items() for key in keys]
    assert len(expected) == 40
    *lines, hint = refusal(load, text).splitlines()
    assert sorted(line[: line.index(": ")] for line in lines) == sorted(expected)
    assert hint.strip().startswith("40 mistakes; ")


def test_a_mistake_in_the_defaults_names_that_file(tmp_path: Path) -> None:
    defaults = tmp_path / "settings.toml"
    defaults.write_text(DEFAULTS.read_text(encoding="utf-8").replace('"dc1"', '"DC 1"'), encoding="utf-8")
    own = tmp_path / "my.toml"
    own.write_text("[dns]\nttl = 9\n", encoding="utf-8")
    with pytest.raises(BuildError) as caught:
        load_settings(defaults, own)
    first, second, _ = str(caught.value).splitlines()
    assert first.startswith(f"{own}:dns.ttl: ")
    assert second.startswith(f"{defaults}:consul.datacenter: ")


def test_a_rule_between_keys_names_the_file_that_broke_it(load: Load) -> None:
    """The complaint is of a key that only the defaults set, and yet it is the user's file that must change."""
    told = refusal(load, "[consul.ports]\nserver = 8500\n")
    assert "my.toml:consul.ports.server: 8500 is the port of http already" in told


@pytest.mark.parametrize(
    "joined",
    [
        "192.0.2.1", "192.0.2.1:8301", "consul.site.example", "consul.site.example:8301", "2001:db8::1",
        "[2001:db8::1]:8301",
        "provider=aws tag_key=consul tag_value=server", "provider=gce project_name=p tag_value=consul",
        "provider=azure tag_name=consul tag_value=server tenant_id=a client_id=b subscription_id=c",
    ],
)  # fmt: skip
def test_addresses_names_and_cloud_auto_join_are_accepted(load: Load, joined: str) -> None:
    assert load(f'[consul]\nretry_join = ["{joined}"]').consul.retry_join == (joined,)


@pytest.mark.parametrize(
    "secret",
    [
        "access_key_id=AKIA", "secret_access_key=x", "secret_access_key = x", "SECRET_ACCESS_KEY=x",
        "secret_access_key='x'", "credentials_file=/x", "api_token=x", "password=x", "api_key=x",
        "auth_token=x", "token=x",
    ],
)  # fmt: skip
def test_a_secret_in_cloud_auto_join_is_refused_and_not_repeated(load: Load, secret: str) -> None:
    told = refusal(load, f'[consul]\nretry_join = ["provider=aws tag_key=consul {secret}-hidden"]')
    assert "my.toml:consul.retry_join.1: " in told
    assert "-hidden" not in told


def test_a_file_that_is_not_there_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"/none\.toml: No such file or directory\n  give a readable TOML file"):
        load_settings(DEFAULTS, tmp_path / "none.toml")


def test_a_file_that_cannot_be_read_is_told_by_name(tmp_path: Path) -> None:
    # A folder cannot be read as a file by any user, root included.
    (tmp_path / "my.toml").mkdir()
    with pytest.raises(BuildError, match=r"/my\.toml: Is a directory"):
        load_settings(DEFAULTS, tmp_path / "my.toml")


def test_a_file_that_is_not_utf_8_is_told_with_the_place(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_bytes("[package]\n# é\n".encode("latin-1"))
    with pytest.raises(BuildError, match=r"/my\.toml: is not UTF-8 text \(byte 12\)"):
        load_settings(DEFAULTS, path)


def test_a_slip_of_toml_is_told_with_its_line(load: Load) -> None:
    told = refusal(load, "[link]\n\ninterface = dummy7\n")
    assert "/my.toml: " in told
    assert "line 3" in told


def test_rules_between_keys_are_told_together(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text(
        '[consul]\nrole = "server"\nca_file = "/a"\nalt_domain = "consul"\nagent_token_file = "/t"\n'
        "[consul.ports]\nhttp = 53\nserver = 8600\n[dns]\nttl = 9\n[registrator]\nttl = 5\n"
    )
    with pytest.raises(BuildError) as caught:
        load_settings(DEFAULTS, tmp_path / "my.toml")
    told = [line.partition("my.toml:")[2].split(": ")[0] for line in caught.value.message.splitlines()]
    assert told == ["consul.ports.http", "consul.ports.server", "dns.ttl", "registrator.ttl_refresh"]
    (tmp_path / "my.toml").write_text(
        '[consul]\nrole = "server"\nca_file = "/a"\nalt_domain = "consul"\nagent_token_file = "/t"\n'
    )
    with pytest.raises(BuildError) as caught:
        load_settings(DEFAULTS, tmp_path / "my.toml")
    told = [line.partition("my.toml:")[2].split(": ")[0] for line in caught.value.message.splitlines()]
    assert told == ["consul.agent_token_file", "consul.alt_domain", "consul.bootstrap_expect", "consul.cert_file"]


@pytest.mark.parametrize("text", ["[dns]\nttl = " + "9" * 5000, "x = " + "[" * 3000])
def test_a_number_or_a_nesting_beyond_all_measure_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "my.toml").write_text(text)
    with pytest.raises(BuildError, match=r"my\.toml: "):
        load_settings(DEFAULTS, tmp_path / "my.toml")


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_bytes(b"\xef\xbb\xbf[dns]\nttl = 2\n")
    assert load_settings(DEFAULTS, tmp_path / "my.toml").dns.ttl == 2


def test_a_key_s_control_characters_do_not_reach_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text('[dns]\n"a\\u001b[2J" = 1\n')
    with pytest.raises(BuildError) as caught:
        load_settings(DEFAULTS, tmp_path / "my.toml")
    assert "\x1b" not in str(caught.value)
