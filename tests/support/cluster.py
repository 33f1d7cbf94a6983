"""A cluster of two hosts whose secrets come by files: what its administrator makes, hands over and sets."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from tests.support.containers.host import Host
from tests.support.packages import ADDRESS, NAME

FOLDER = "/etc/consul-secrets"
API = f"http://{ADDRESS}:8500/v1"
TLS = "".join(f"{name.upper()}_FILE={FOLDER}/{name}.pem\n" for name in ("ca", "cert", "key"))
GOSSIP = f"GOSSIP_KEY_FILE={FOLDER}/gossip.key\n"
TOKENS = "".join(
    f"{name.upper()}_TOKEN_FILE={FOLDER}/{name}.token\n" for name in ("agent", "dns", "services", "registrator")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A server and a client; ``secrets`` are all values that must be seen nowhere."""

    server: Host
    client: Host
    secrets: list[str] = field(default_factory=list)

    @property
    def hosts(self) -> tuple[Host, Host]:
        """Both hosts."""
        return self.server, self.client

    def manage(self, command: str, *, check: bool = True) -> str:
        """Run Consul's program on the server with all rights."""
        environment = {"CONSUL_HTTP_TOKEN": self.secrets[0], "CONSUL_HTTP_ADDR": f"{ADDRESS}:8500"}
        return self.server.run(command, environment=environment, check=check).stdout

    def new_token(self, policy: str) -> str:
        """Return a new token with the policy."""
        token = str(json.loads(self.manage(f"consul acl token create -format=json -policy-name {policy}"))["SecretID"])
        self.secrets.append(token)
        return token


def give(host: Host, name: str, secret: str) -> None:
    """Hand a secret over as the manual page tells: 0640 root:consul."""
    host.put(f"{FOLDER}/{name}", secret, mode=0o640)
    host.run(f"chgrp consul {FOLDER}/{name}")


def configure(host: Host, lines: str) -> str:
    """Set the host's own file and return what putting it into effect says."""
    host.put(f"/etc/default/{NAME}", lines)
    return host.run([NAME, "apply"]).output


def pid(host: Host) -> str:
    return host.output("systemctl show --property=MainPID --value consul.service")


def members(cluster: Cluster) -> set[tuple[str, ...]]:
    """Return name and state of every member that the server knows; none while it starts again."""
    lines = cluster.manage("consul members", check=False).splitlines()[1:]
    return {(line.split()[0], line.split()[2]) for line in lines}


def both(cluster: Cluster) -> set[tuple[str, ...]]:
    return {(host.name, "alive") for host in cluster.hosts}


def links(host: Host, *, user: str = "") -> dict[str, dict[str, str]]:
    """Return the links of the chain by name, as the check sees them."""
    answer = json.loads(host.run([NAME, "check", "--json"], check=False, user=user).stdout)
    return {link["name"]: link for link in answer["links"]}


def base_lines(cluster: Cluster, host: Host) -> str:
    role = "ROLE=server\nBOOTSTRAP_EXPECT=1\n" if host is cluster.server else f"RETRY_JOIN={cluster.server.address()}\n"
    return f"{role}ACL=deny\n"


def all_lines(cluster: Cluster, host: Host) -> str:
    return base_lines(cluster, host) + GOSSIP + TLS + TOKENS


def certificates(cluster: Cluster) -> None:
    """Make a certificate for each host, with Consul's own program, and hand them over."""
    server = cluster.server
    server.run("mkdir -p /root/pki && cd /root/pki && { [ -e consul-agent-ca.pem ] || consul tls ca create; }")
    for host, kind in ((server, "server"), (cluster.client, "client")):
        server.run(f"cd /root/pki && rm -f dc1-* && consul tls cert create -{kind} -dc dc1")
        for name, path in (("ca", "consul-agent-ca.pem"), ("cert", "dc1-*-0.pem"), ("key", "dc1-*-0-key.pem")):
            text = server.output(f"cat /root/pki/{path}") + "\n"
            give(host, f"{name}.pem", text)
            cluster.secrets.extend([text.splitlines()[1]] if name == "key" else [])


def gossip_key(cluster: Cluster) -> str:
    key = cluster.server.output("consul keygen")
    cluster.secrets.append(key)
    return key
