"""What a deploy asks a host's own agent: the program as it is sent, against an agent that answers as Consul does."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from consul_docker_host.core.run import run
from pyinfra_deploy import script
from tests.host.conftest import render
from tests.unit.kit import fake_program, path_with

LIBRARY = "usr/lib/consul-docker-host"
SESSION = "8d2f7f4e-0a6c-4b6e-9a55-6f1f2ab3c4d5"
OWN, OPERATORS = "11111111-own", "22222222-operator"
KEY, NEW_KEY = "pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s=", "kmV3LRWjVZGGPIYXQ3m8yYHaMCTpx7Ph7WqDCOXZ4m4="
TARGET = "/etc/consul-docker-host/gossip.key"
LOCK = ("lock", "story/deploy", "story deploy", "30", '{"who": "ann"}')


@dataclass(kw_only=True)
class Agent:
    """Answers by method and path with a status and a text, and keeps what it was asked with which token."""

    answers: dict[str, tuple[int, str]] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return what it was asked."""
        return [line for line, _, _ in self.asked]

    def content(self, line: str) -> str:
        """Return what it was sent with a request."""
        return next(content for asked, _, content in self.asked if asked == line)

    def token(self, line: str) -> str:
        """Return the token of a request."""
        return next(token for asked, token, _ in self.asked if asked == line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A root with the package, whose agent listens on a port of this machine."""

    root: Path
    agent: Agent

    def ask(self, *arguments: str, stdin: str = "", path: str = "/usr/bin:/bin") -> str:
        """Run a command as pyinfra does, and return what it printed; it never fails."""
        environment = {"PATH": path, "CONSUL_DOCKER_HOST_ROOT": str(self.root)}
        command = script.agent_command(*arguments)
        done = run(["/bin/sh", "-c", command], env=environment, stdin=stdin, check=False)
        assert done.returncode == 0, done.output
        return done.stdout

    def write(self, path: str, text: str) -> None:
        """Write a file of the host."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def handler(agent: Agent) -> type[BaseHTTPRequestHandler]:
    """Return what serves the agent's answers; what it has none for is not found."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            line = f"{self.command} {self.path.removeprefix('/v1/')}"
            content = self.rfile.read(int(self.headers["Content-Length"])).decode()
            agent.asked.append((line, self.headers.get("X-Consul-Token", ""), content))
            status, text = agent.answers.get(line, (404, "not found"))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_PUT = do_POST = answer  # noqa: N815 - the names are http.server's

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the package as it is installed."""
    return render(tmp_path_factory.mktemp("rendered") / "tree")


@pytest.fixture
def host(rendered: Path, tmp_path: Path) -> Iterator[Host]:
    """Give a host with an agent that leads and has a token of its own."""
    root = tmp_path / "root"
    shutil.copytree(rendered, root, symlinks=True)
    agent = Agent(
        answers={
            "GET status/leader": (200, '"192.0.2.2:8300"'),
            "GET catalog/service/consul": (
                200,
                json.dumps([{"Node": "far", "Address": "192.0.2.1"}, {"Node": "lead", "Address": "192.0.2.2"}]),
            ),
            "PUT session/create": (200, json.dumps({"ID": SESSION})),
            f"PUT kv/story/deploy?acquire={SESSION}": (200, "true"),
            f"PUT session/destroy/{SESSION}": (200, "true"),
        }
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(agent))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    defaults = root / LIBRARY / "defaults.json"
    built_in = {**json.loads(defaults.read_text()), "address": "127.0.0.1", "http_port": server.server_port}
    defaults.write_text(json.dumps(built_in))
    made = Host(root=root, agent=agent)
    made.write("etc/consul-docker-host/agent.token", f"{OWN}\n")
    made.write("etc/default/consul-docker-host", "AGENT_TOKEN_FILE=/etc/consul-docker-host/agent.token\n")
    yield made
    server.shutdown()
    server.server_close()


def test_an_answer_is_printed_as_json_and_asked_with_the_agents_own_token(host: Host) -> None:
    assert json.loads(host.ask("api", "status/leader")) == "192.0.2.2:8300"
    assert host.agent.token("GET status/leader") == OWN
    assert host.ask("api", "agent/self") == ""


def test_an_answer_waits_for_no_line_of_a_standard_input_that_stays_open(host: Host) -> None:
    environment = {"PATH": "/usr/bin:/bin", "CONSUL_DOCKER_HOST_ROOT": str(host.root)}
    command = f"mkfifo open; sleep 60 >open & {script.agent_command('api', 'status/leader')} <open; kill $!"
    done = run(["/bin/sh", "-c", command], env=environment, cwd=host.root, timeout=20)
    assert json.loads(done.stdout) == "192.0.2.2:8300"


def test_the_lock_is_held_by_a_session_on_the_leaders_node(host: Host) -> None:
    assert host.ask(*LOCK, stdin=f"{OPERATORS}\n") == f"held {SESSION}\n"
    assert json.loads(host.agent.content("PUT session/create")) == {
        "Name": "story deploy",
        "TTL": "30s",
        "LockDelay": "0s",
        "Behavior": "delete",
        "NodeChecks": [],
        "Node": "lead",
    }
    acquired = f"PUT kv/story/deploy?acquire={SESSION}"
    assert (host.agent.content(acquired), host.agent.token(acquired)) == ('{"who": "ann"}', OPERATORS)
    assert f"PUT session/destroy/{SESSION}" not in host.agent.lines()


def test_without_an_operators_token_the_agents_own_takes_the_lock(host: Host) -> None:
    assert host.ask(*LOCK, stdin="\n") == f"held {SESSION}\n"
    assert host.agent.token("PUT session/create") == OWN


def test_a_lock_that_is_taken_names_its_holder_and_leaves_no_session(host: Host) -> None:
    host.agent.answers[f"PUT kv/story/deploy?acquire={SESSION}"] = (200, "false")
    host.agent.answers["GET kv/story/deploy?raw"] = (200, '{"who":\n"\x1b[2Jbob"}')
    assert host.ask(*LOCK, stdin="\n") == 'taken {"who": " [2Jbob"}\n'
    assert host.agent.lines()[-1] == f"PUT session/destroy/{SESSION}"


@pytest.mark.parametrize("refused", ["PUT session/create", f"PUT kv/story/deploy?acquire={SESSION}"])
def test_a_refusal_is_printed_on_one_line_with_its_status(host: Host, refused: str) -> None:
    host.agent.answers[refused] = (403, "Permission\ndenied")
    assert host.ask(*LOCK, stdin="\n") == "refused Permission denied 403\n"
    assert (f"PUT session/destroy/{SESSION}" in host.agent.lines()) is refused.startswith("PUT kv")


@pytest.mark.parametrize("answer", ['{"ID": "x/../y"}', '{"ID": "1-2"}', f'{{"ID": "{SESSION}?"}}', "[]", "no"])
def test_an_id_that_is_not_a_uuid_is_never_used(host: Host, answer: str) -> None:
    host.agent.answers["PUT session/create"] = (200, answer)
    assert host.ask(*LOCK, stdin="\n") == "refused the ID of the session is not a UUID\n"
    assert host.agent.lines()[-1] == "PUT session/create"


@pytest.mark.parametrize("leader", [(200, '""'), (500, "No cluster leader")])
def test_without_a_cluster_nothing_is_printed(host: Host, leader: tuple[int, str]) -> None:
    host.agent.answers["GET status/leader"] = leader
    assert host.ask(*LOCK, stdin="\n") == ""
    assert host.ask("gossip-look", TARGET, stdin=f"\n{KEY}\n") == ""
    assert set(host.agent.lines()) == {"GET status/leader"}


def test_a_session_is_renewed_and_destroyed_by_its_quoted_id(host: Host) -> None:
    host.agent.answers[f"PUT session/renew/{SESSION}"] = (200, "[]")
    assert host.ask("renew", SESSION, stdin="\n") == "200\n"
    assert host.ask("destroy", SESSION, stdin=f"{OPERATORS}\n") == "200\n"
    assert host.ask("renew", "../../agent/leave", stdin="\n") == "404\n"
    assert host.agent.lines()[-1] == "PUT session/renew/..%2F..%2Fagent%2Fleave"


def test_a_token_that_no_header_may_hold_is_refused(host: Host) -> None:
    said = "refused CONSUL_HTTP_TOKEN contains a character that a token cannot have\n"
    assert host.ask(*LOCK, stdin="a b\n") == said
    assert host.ask(*LOCK, stdin="a\rX-Other: 1\n") == said
    assert host.agent.asked == []


def itself(*, verifies: bool, encrypted: str) -> tuple[int, str]:
    stats = {"serf_lan": {"encrypted": encrypted}}
    return 200, json.dumps({"DebugConfig": {"EncryptVerifyIncoming": verifies}, "Stats": stats})


@pytest.mark.parametrize(
    ("own", "wanted", "verifies", "encrypted", "printed"),
    [
        (KEY, KEY, True, "true", "same"),
        ("", "", True, "false", "same"),
        (KEY, NEW_KEY, True, "true", "other"),
        ("", NEW_KEY, True, "true", "other"),
        ("", NEW_KEY, True, "false", "open"),
        ("", NEW_KEY, False, "false", "same"),
        (KEY, "", True, "true", "closed"),
        (KEY, "", False, "true", "same"),
    ],
)
def test_the_gossip_is_compared_with_the_key_that_is_wanted(
    host: Host, own: str, wanted: str, verifies: bool, encrypted: str, printed: str
) -> None:
    host.agent.answers["GET agent/self"] = itself(verifies=verifies, encrypted=encrypted)
    host.write("etc/default/consul-docker-host", f"GOSSIP_KEY_FILE={TARGET}\n")
    if own:
        host.write("run/consul-docker-host/consul.d/encrypt.json", json.dumps({"encrypt": own}))
    assert host.ask("gossip-look", TARGET, stdin=f"\n{wanted}\n") == f"{printed}\n"


def test_a_key_that_a_deploy_did_not_place_is_none_of_its_business(host: Host) -> None:
    host.agent.answers["GET agent/self"] = itself(verifies=True, encrypted="true")
    host.write("etc/default/consul-docker-host", "GOSSIP_KEY_FILE=/etc/own.key\n")
    host.write("run/consul-docker-host/consul.d/encrypt.json", json.dumps({"encrypt": KEY}))
    assert host.ask("gossip-look", TARGET, stdin="\n\n") == "same\n"


def test_a_key_is_given_to_all_before_all_send_with_it(host: Host) -> None:
    host.agent.answers |= {"POST operator/keyring": (200, ""), "PUT operator/keyring": (200, "")}
    assert host.ask("gossip-change", stdin=f"{OPERATORS}\n{NEW_KEY}\n") == "changed\n"
    sent = json.dumps({"Key": NEW_KEY})
    assert host.agent.asked == [(line, OPERATORS, sent) for line in ("POST operator/keyring", "PUT operator/keyring")]


def test_a_key_that_is_refused_is_not_sent_with(host: Host) -> None:
    host.agent.answers["POST operator/keyring"] = (403, "Permission denied")
    assert host.ask("gossip-change", stdin=f"\n{NEW_KEY}\n") == "refused Permission denied 403\n"
    assert host.agent.lines() == ["POST operator/keyring"]


def test_an_agent_that_does_not_answer_is_no_cluster_and_refuses_a_key(host: Host) -> None:
    defaults = host.root / LIBRARY / "defaults.json"
    defaults.write_text(json.dumps({**json.loads(defaults.read_text()), "http_port": 1}))
    assert host.ask(*LOCK, stdin="\n") == ""
    assert host.ask("renew", SESSION, stdin="\n") == "0\n"
    assert host.ask("gossip-change", stdin=f"\n{KEY}\n") == "refused the agent does not answer\n"


def test_where_the_package_is_not_installed_nothing_is_printed(host: Host, tmp_path: Path) -> None:
    (host.root / LIBRARY / "__main__.py").unlink()
    # Nor is Python needed there: a package that is unpacked and not in place yet is none.
    fake_program(tmp_path / "bin", "python3", "echo ran")
    assert host.ask(*LOCK, stdin="\n", path=path_with(tmp_path / "bin")) == ""


def break_import(host: Host, _: Path) -> str:
    (host.root / LIBRARY / "host_program/agent_api.py").unlink()
    return "unusable the modules of the package cannot be imported: "


def cut_off(host: Host, _: Path) -> str:
    path = host.root / LIBRARY / "host_program/settings.py"
    path.write_bytes(path.read_bytes()[:-40] + b"(")
    return "unusable the modules of the package cannot be imported: "


def take_defaults(host: Host, _: Path) -> str:
    (host.root / LIBRARY / "defaults.json").unlink()
    return "unusable installation is incomplete: "


def break_python(_: Host, programs: Path) -> str:
    fake_program(programs, "python3", "exit 127")
    return "unusable python3 exited with 127"


def take_python(_: Host, programs: Path) -> str:
    programs.mkdir()
    (programs / "sh").symlink_to("/bin/sh")
    return "unusable python3 is missing"


@pytest.mark.parametrize("harm", [break_import, cut_off, take_defaults, break_python, take_python])
def test_a_package_that_cannot_be_used_is_reported_and_not_taken_for_a_missing_cluster(
    host: Host, tmp_path: Path, harm: Any
) -> None:
    programs = tmp_path / "bin"
    said = harm(host, programs)
    path = str(programs) if harm is take_python else path_with(programs)
    for arguments in (LOCK, ("api", "status/leader"), ("gossip-look", TARGET)):
        (line,) = host.ask(*arguments, stdin="\n\n", path=path).splitlines()
        assert line.startswith(said)
    assert host.agent.asked == []


def test_no_command_has_a_secret_among_its_arguments(host: Host, tmp_path: Path) -> None:
    # Python stands for itself, and notes what a list of processes would show of it.
    record = tmp_path / "arguments"
    fake_program(tmp_path / "bin", "python3", f'printf "%s\\n" "$@" >>{record}\nexec /usr/bin/python3 "$@"')
    host.agent.answers |= {"POST operator/keyring": (200, ""), "PUT operator/keyring": (200, "")}
    stdin, path = f"{OPERATORS}\n{NEW_KEY}\n", path_with(tmp_path / "bin")
    for arguments in (LOCK, ("gossip-change",), ("gossip-look", TARGET), ("destroy", SESSION)):
        assert host.ask(*arguments, stdin=stdin, path=path)
    shown = record.read_text()
    assert "story/deploy" in shown
    assert not [secret for secret in (OPERATORS, OWN, NEW_KEY) if secret in shown]
