"""agent.py COMMAND [ARGUMENT]...: asks the host's own agent with the operator's rights; python.sh runs it.

The token is the first line of standard input, and a gossip key the second, so no list of processes shows either.
Without a token the agent's own is used.

    api PATH                    print the agent's answer as JSON; nothing without an answer
    lock KEY NAME SECONDS WHO   acquire the key with a session of that name and life;
                                print "held SESSION", "taken HOLDER" or "refused ANSWER", nothing without a cluster
    renew|destroy SESSION       print the HTTP status of the answer
    gossip-look TARGET          print how the agent's gossip compares with the key (see look_at_gossip)
    gossip-change               make every member use the key; print "changed" or "refused ANSWER"
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Any
from urllib.parse import quote

ROOT = os.environ.get("CONSUL_DOCKER_HOST_ROOT", "")
sys.path.insert(0, f"{ROOT}/usr/lib/consul-docker-host")
try:
    from host_program.agent_api import OK, ask, fetch
    from host_program.files import read_text
    from host_program.output import Failure, say, shorten
    from host_program.settings import RUN, Host, load_host
except Exception as error:  # also a truncated module, or one that this Python cannot parse
    print("unusable the modules of the package cannot be imported:", " ".join(str(error).split()))
    sys.exit(0)

SECONDS = 10.0
# The agent answers only after every member has answered.
KEYRING_SECONDS = 60.0
TOKEN = re.compile("[!-~]*")
SESSION = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Agent:
    """The host's own agent, asked with the operator's token, or with its own if there is none."""

    def __init__(self, host: Host, token: str) -> None:
        self.host = host
        self.token = token or None

    def send(self, method: str, path: str, content: str = "", *, seconds: float = SECONDS) -> tuple[int, str]:
        """Return the HTTP status and the text of the answer."""
        status, body = fetch(
            self.host, path, method=method, token=self.token, content=content.encode(), seconds=seconds
        )
        return status, body.decode(errors="replace")

    def read(self, path: str) -> Any:
        """Return an answer that the agent's own token may read; None if it may not, or if the agent does not answer."""
        answer = ask(self.host, path)
        return answer.value if answer.is_ok else None


def refuse(answer: tuple[int, str]) -> None:
    """Print a refusal on one line."""
    status, text = answer
    say(f"refused {shorten(text)} {status}" if status else "refused the agent does not answer")


def print_answer(agent: Agent, path: str) -> None:
    """Print an answer as JSON."""
    value = agent.read(path)
    if value is not None:
        say(json.dumps(value))


def acquire_lock(agent: Agent, key: str, name: str, seconds: str, who: str) -> None:
    """Acquire the key with a session on the leader's node, so that no restart of an agent ends it."""
    leader = agent.read("status/leader")
    if not isinstance(leader, str) or not leader:
        return
    session = {"Name": name, "TTL": f"{seconds}s", "LockDelay": "0s", "Behavior": "delete", "NodeChecks": []}
    answer = agent.send("PUT", "session/create", json.dumps({**session, **node_of(agent, leader)}))
    if answer[0] != OK:
        refuse(answer)
        return
    identity = session_id(answer[1])
    if not identity:
        say("refused the ID of the session is not a UUID")
        return
    status, text = answer = agent.send("PUT", f"kv/{quote(key)}?acquire={identity}", who)
    if (status, text.strip()) == (OK, "true"):
        say(f"held {identity}")
        return
    if (status, text.strip()) == (OK, "false"):
        say(f"taken {shorten(agent.send('GET', f'kv/{quote(key)}?raw')[1])}")
    else:
        refuse(answer)
    agent.send("PUT", f"session/destroy/{identity}")


def session_id(answer: str) -> str:
    """Return the ID of a new session; empty if it is not a UUID."""
    try:
        identity = json.loads(answer)["ID"]
    except (ValueError, KeyError, TypeError):
        return ""
    return identity if isinstance(identity, str) and SESSION.fullmatch(identity) else ""


def node_of(agent: Agent, leader: str) -> dict[str, str]:
    """Return the leader's node as a part of a session; empty if the catalogue does not list it."""
    address = leader.rpartition(":")[0]
    for service in agent.read("catalog/service/consul") or ():
        if service.get("Address") == address and service.get("Node"):
            return {"Node": service["Node"]}
    return {}


def change_session(agent: Agent, action: str, session: str) -> None:
    """Renew or destroy a session, and print the HTTP status of the answer."""
    say(str(agent.send("PUT", f"session/{action}/{quote(session, safe='')}")[0]))


def look_at_gossip(agent: Agent, key: str, target: str) -> None:
    """Print how the agent's gossip compares with ``key``, the inventory's key, which may be empty.

    The result is ``same``, ``other``, ``open`` or ``closed``, and nothing without a cluster. ``target`` is the file to
    which a deploy writes a key. With encrypt_verify_incoming off, an agent also accepts unencrypted messages, which is
    Consul's way to change: https://developer.hashicorp.com/consul/docs/secure/encryption/gossip/existing
    """
    if not agent.read("status/leader"):
        return
    itself = ask(agent.host, "agent/self")
    hears_all = itself.pick("DebugConfig", "EncryptVerifyIncoming") is False
    own = own_key(agent.host)
    if key == own:
        say("same")
    elif not key:
        is_foreign = agent.host.values["GOSSIP_KEY_FILE"] != target
        say("same" if is_foreign or hears_all else "closed")
    elif own or str(itself.pick("Stats", "serf_lan", "encrypted")).lower() == "true":
        say("other")
    else:
        say("same" if hears_all else "open")


def own_key(host: Host) -> str:
    """Return the key that was rendered for the agent; empty if there is none."""
    try:
        own = json.loads(read_text(host.path(f"{RUN}/consul.d/encrypt.json")))["encrypt"]
    except (ValueError, KeyError, TypeError):
        return ""
    return own if isinstance(own, str) else ""


def change_gossip(agent: Agent, key: str) -> None:
    """Install the key on every member of the cluster, and then make all members send with it.

    Repeating this is harmless, because a keyring accepts a key that it already has.
    """
    for method in ("POST", "PUT"):
        answer = agent.send(method, "operator/keyring", json.dumps({"Key": key}), seconds=KEYRING_SECONDS)
        if answer[0] != OK:
            refuse(answer)
            return
    say("changed")


def main(command: str, *arguments: str) -> None:
    """Run one command."""
    # Standard input may stay open, so a line is read only for commands that send one.
    token = "" if command == "api" else sys.stdin.readline().strip()
    key = sys.stdin.readline().strip() if command in {"gossip-look", "gossip-change"} else ""
    if not TOKEN.fullmatch(token):
        say("refused CONSUL_HTTP_TOKEN contains a character that a token cannot have")
        return
    try:
        agent = Agent(load_host(ROOT), token)
    except Failure as failure:
        say(f"unusable {failure}")
        return
    if command == "api":
        print_answer(agent, *arguments)
    elif command == "lock":
        acquire_lock(agent, *arguments)
    elif command in {"renew", "destroy"}:
        change_session(agent, command, *arguments)
    elif command == "gossip-look":
        look_at_gossip(agent, key, *arguments)
    else:
        change_gossip(agent, key)


if __name__ == "__main__":
    main(*sys.argv[1:])
