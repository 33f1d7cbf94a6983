"""The settings: one complete, commented file; a user's keys win; each mistake is reported once, in its place."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.settings.load import load_settings, project_settings
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
        ('[consul]\ndatacentre = "x"', "2: consul.datacentre: unknown key; did you mean datacenter?"),
        ("[dsn]\nttl = 1", "1: dsn: unknown key; did you mean dns?"),
        ("[consul.ports]\nhtpp = 1", "2: consul.ports.htpp: unknown key; did you mean http?"),
        ('[[services]]\nname = "a"\nporrt = 1', "3: services.1.porrt: unknown key; did you mean port?"),
        (
            '[[services]]\nname = "a"\n[[services.checks]]\ntpc = "a:1"',
            "4: services.1.checks.1.tpc: unknown key; did you mean tcp?",
        ),
        ("[docker]\nzzz = 1", "2: docker.zzz: unknown key; known here: dns"),
        ("[link]\ninterface = 5", "2: link.interface: must be a string in quotes, not 5"),
        ('[link]\ninterface = ["a"]', "2: link.interface: must be a string in quotes, not a list"),
        ('[dns]\nttl = "1"', "2: dns.ttl: '1' is a string; write 1 without quotes"),
        ('[dns]\nttl = "one"', "2: dns.ttl: 'one' is not a whole number"),
        ("[dns]\nttl = 1.5", "2: dns.ttl: 1.5 is not a whole number"),
        ("[dns]\nttl = true", "2: dns.ttl: true is not a whole number"),
        (
            '[[services]]\nname = "a"\nport = "9100"',
            "3: services.1.port: '9100' is a string; write 9100 without quotes",
        ),
        ('[guard]\nenabled = "yes"', "2: guard.enabled: 'yes' is a string; write true or false without quotes"),
        ("[guard]\nenabled = 1", "2: guard.enabled: 1 is not true or false"),
        ('[dns]\nupstreams = "192.0.2.1"', "2: dns.upstreams: '192.0.2.1' is a string; write a list: ['192.0.2.1']"),
        ("[dns]\nupstreams = 1", "2: dns.upstreams: must be a list in [ ], not 1"),
        (
            "consul = 5",
            "1: consul: must be a table, not 5; write [consul] in a line of its own, and its keys below it",
        ),
        (
            '[[consul]]\nrole = "client"',
            "1: consul: must be a table, not a list; write [consul] in a line of its own, and its keys",
        ),
        (
            "services = 5",
            "1: services: must be a list of tables, not 5; write [[services]], in double brackets, for each entry",
        ),
        (
            '[services]\nname = "a"',
            "1: services: must be a list of tables, not a table; write [[services]], in double brackets,",
        ),
        ("services = [5]", "1: services.1: must be a table in { }, not 5"),
        ('[[services]]\nname = "a"\nmeta = ["x"]', "3: services.1.meta: must be a table in { }, not a list"),
        ("[[services]]\nport = 1", "1: services.1.name: is missing"),
        ("[dns]\nttl = 3", "2: dns.ttl: 3 is out of range; it must be between 0 and 2"),
        ("[consul.ports]\nhttp = 0", "2: consul.ports.http: 0 is out of range; it must be between 1 and 65535"),
        (
            "[consul.ports]\nhttp = 65536",
            "2: consul.ports.http: 65536 is out of range; it must be between 1 and 65535",
        ),
        ('[consul]\nrole = "boss"', "2: consul.role: 'boss' is not valid; use 'client' or 'server'"),
        (
            '[consul]\nrole = "server"\nbootstrap_expect = "3"',
            "3: consul.bootstrap_expect: '3' is a string; write 3 without quotes",
        ),
        (
            '[dns]\nupstreams = [\n  "192.0.2.1",\n  "x"\n]',
            "4: dns.upstreams.2: 'x' is not an IPv4 address such as 192.0.2.10",
        ),
        (
            '[link]\naddress = "169.254.169.254"',
            "2: link.address: '169.254.169.254' is the cloud's metadata service; use another one",
        ),
        ('[link]\ninterface = "docker0"', "2: link.interface: 'docker0' is reserved for Docker, Podman or loopback"),
        (
            '[consul]\nbind_addr = "0.0.0.0"',
            "2: consul.bind_addr: '0.0.0.0' is not a usable unicast IPv4 address; leave it empty (\"\")",
        ),
        # Rules between keys.
        (
            '[consul]\ncert_file = "/a"',
            "2: consul.ca_file: is empty; set all of ca_file, cert_file and key_file for TLS, or none of them",
        ),
        (
            '[consul]\nca_file = "/a"\ncert_file = "/b"',
            "2: consul.key_file: is empty; set all of ca_file, cert_file and key_file",
        ),
        (
            '[consul]\nrole = "server"',
            '2: consul.bootstrap_expect: is 0; with role = "server" set it to the number of servers',
        ),
        (
            "[consul]\nbootstrap_expect = 3",
            '2: consul.bootstrap_expect: is 3 with role = "client"; set it to 0, or role to "server"',
        ),
        ('[consul]\nalt_domain = "consul"', "2: consul.alt_domain: 'consul' is the same as domain; leave it empty"),
        (
            '[consul]\nagent_token_file = "/t"',
            '2: consul.agent_token_file: is set with acl = "off"; set acl to "allow" or "deny"',
        ),
        ("[consul.ports]\nhttp = 8600", "2: consul.ports.dns: port 8600 is already used by http"),
        ("[consul.ports]\ndns = 53", "2: consul.ports.dns: port 53 is already used by dnsmasq"),
        ("[registrator]\nttl = 60", "2: registrator.ttl_refresh: is 0 with ttl = 60; set both or neither"),
        ("[registrator]\nttl_refresh = 60", "2: registrator.ttl_refresh: is 60 with ttl = 0; set both or neither"),
        ("[registrator]\nttl = 60\nttl_refresh = 60", "3: registrator.ttl_refresh: 60 must be less than ttl (60)"),
        (
            '[[services]]\nname = "a"\n[[services]]\nname = "a"',
            "4: services.2.name: 'a' is already the name of service 1",
        ),
        (
            '[[services]]\nname = "agent"',
            "2: services.1.name: 'agent' is reserved: /etc/consul.d/agent.json belongs to the agent",
        ),
        (
            '[[services]]\nname = "a"\n[[services.checks]]\nargs = ["x"]',
            "4: services.1.checks.1.args: 'a' has a check with args; set consul.local_script_checks = true",
        ),
        (
            '[[services]]\nname = "a"\n[[services.checks]]\nname = "x"',
            "3: services.1.checks.1: must have exactly one of http, tcp, ttl and args, not none",
        ),
        (
            '[[services]]\nname = "a"\n[[services.checks]]\ntcp = "a:1"\nttl = "9s"',
            "3: services.1.checks.1: must have exactly one of http, tcp, ttl and args, not tcp and ttl",
        ),
    ],
)
def test_a_mistake_names_file_line_key_value_and_remedy(load: Load, text: str, told: str) -> None:
    refused = refusal(load, text)
    assert f"/my.toml:{told}" in refused
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
    written = text.splitlines()
    expected = [f"{table}.{key}" for table, keys in wrong.items() for key in keys]
    assert len(expected) == 40
    *lines, hint = refusal(load, text).splitlines()
    told = [line.removeprefix(f"{tmp_path}/my.toml:").split(": ", 2) for line in lines]
    assert [key for _, key, _ in told] == expected, "in the order of the file"
    assert [written[int(number) - 1].split(" = ")[0] for number, _, _ in told] == [
        key.rpartition(".")[2] for key in expected
    ]
    assert hint.strip().startswith("40 mistakes; ")


def test_a_mistake_in_the_defaults_names_that_file(tmp_path: Path) -> None:
    defaults = tmp_path / "settings.toml"
    defaults.write_text(DEFAULTS.read_text(encoding="utf-8").replace('"dc1"', '"DC 1"'), encoding="utf-8")
    own = tmp_path / "my.toml"
    own.write_text("[dns]\nttl = 9\n", encoding="utf-8")
    with pytest.raises(BuildError) as caught:
        load_settings(defaults, own)
    first, second, _ = str(caught.value).splitlines()
    assert first.startswith(f"{own}:2: dns.ttl: 9 is out of range")
    line = 1 + next(number for number, text in enumerate(LINES) if text.startswith("datacenter"))
    assert second.startswith(f"{defaults}:{line}: consul.datacenter: 'DC 1' is not a datacenter name; it may contain")


def test_a_rule_between_keys_names_the_file_that_broke_it(load: Load) -> None:
    """The complaint is of a key that only the defaults set, and yet it is the user's file that must change."""
    told = refusal(load, "[consul.ports]\nserver = 8500\n")
    assert "my.toml:2: consul.ports.server: port 8500 is already used by http" in told


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
    assert "my.toml:2: consul.retry_join.1: " in told
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


def keys_of(told: str) -> list[str]:
    """Return the keys of the mistakes, in the order in which they are reported."""
    return [line.partition("my.toml:")[2].split(": ")[1] for line in told.splitlines()[:-1]]


def test_wrong_values_rules_and_rules_between_tables_are_reported_together(load: Load) -> None:
    told = refusal(
        load,
        '[consul]\nrole = "server"\nca_file = "/a"\nalt_domain = "consul"\nagent_token_file = "/t"\nlog_level = "x"\n'
        "[consul.ports]\nhttp = 53\nserver = 8600\n[dns]\nttl = 9\n[registrator]\nttl = 5\n"
        '[[services]]\nname = "a"\nport = "x"\n[[services.checks]]\nargs = ["x"]\n[[services]]\nname = "a"\n',
    )
    assert keys_of(told) == [
        *("consul.bootstrap_expect", "consul.cert_file", "consul.alt_domain", "consul.agent_token_file"),
        *("consul.log_level", "consul.ports.http", "consul.ports.server", "dns.ttl", "registrator.ttl_refresh"),
        *("services.1.port", "services.1.checks.1.args", "services.2.name"),
    ]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        # The rule compares with a value that is wrong itself.
        ('[consul]\nrole = "boss"\nbootstrap_expect = 3', ["consul.role"]),
        ('[consul]\nrole = "server"\nbootstrap_expect = 2', ["consul.bootstrap_expect"]),
        ('[consul]\nrole = "server"\nbootstrap_expct = 3', ["consul.bootstrap_expct"]),
        ("[consul]\nserver = true\nbootstrap_expect = 3", ["consul.server"]),
        ('[consul]\nagent_token_file = "/t"\nacl = "on"', ["consul.acl"]),
        ('[consul]\nlocal_script_checks = 1\n[[services]]\nname = "a"\nchecks = [{ args = ["x"] }]',
         ["consul.local_script_checks"]),
        ('[[services]]\nname = "a"\n[[services.checks]]\ntcp = 5', ["services.1.checks.1.tcp"]),
        ('[[services]]\nname = "a"\n[[services]]\nname = "a b"', ["services.2.name"]),
        ('[[services]]\nname = 1\n[[services]]\nname = 2', ["services.1.name", "services.2.name"]),
        ('services = [1, { name = "a", checks = [1] }, 2]', ["services.1", "services.2.checks.1", "services.3"]),
        ('[[services]]\nname = "a"\nmeta = { "a b" = "x", y = 1 }', ["services.1.meta.a b", "services.1.meta.y"]),
    ],
)  # fmt: skip
def test_a_rule_is_not_asked_where_a_value_that_it_compares_is_wrong(load: Load, text: str, keys: list[str]) -> None:
    assert keys_of(refusal(load, text)) == keys


def test_a_missing_file_is_reported_with_all_other_mistakes(tmp_path: Path) -> None:
    work = Workspace(root=tmp_path)
    work.packaging.mkdir()
    (work.packaging / "settings.toml").write_text("\n".join(LINES), encoding="utf-8")
    path = tmp_path / "my.toml"
    path.write_text('[repository]\nkey_file = "archive.asc"\nvalid_days = -1\n[consul.ports]\nhttp = 53\n')
    with pytest.raises(BuildError) as caught:
        project_settings(work, path)
    assert keys_of(str(caught.value)) == ["repository.key_file", "repository.valid_days", "consul.ports.http"]
    assert f"{tmp_path}/archive.asc: No such file or directory; export the public key: " in str(caught.value)


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
