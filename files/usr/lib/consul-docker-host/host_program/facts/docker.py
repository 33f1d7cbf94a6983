"""Ask Docker about its containers, and DNS from inside containers."""

from __future__ import annotations

from typing import Any, NamedTuple

from host_program import docker, docker_dns, json_files
from host_program.background import Later
from host_program.facts import namespace
from host_program.facts.names import ask
from host_program.files import read_text
from host_program.programs import Done, have, run
from host_program.settings import Host
from host_program.units import Unit

SECONDS = 4.0
# At most this many containers are asked, one of each bridge network, because each bridge can be blocked separately.
ASKED_LIMIT = 5
REGISTRATOR = "consul-docker-host-registrator"
# The file that Docker writes for a container is short, but the container can write to it.
RESOLV_CONF_LIMIT = 65536


class Container(NamedTuple):
    """A running container, its networks, and its published ports as `docker ps` prints them."""

    name: str
    networks: tuple[str, ...]
    ports: str


class Asked(NamedTuple):
    """A container from which DNS was asked: whether it got an answer, and whether its programs use our address."""

    name: str
    is_answered: bool
    is_led: bool


class Docker(NamedTuple):
    """The engine, whether it answers, and its containers.

    ``invalid`` is the mistake in its file; ``is_leading`` whether that file makes every container use our address.
    ``may_ask`` is false if its unit does not run, because asking its socket would start it against its administrator's
    will. ``asked`` is None if no container was asked; ``has_stopped`` whether Docker answered the first question but
    not a later one.
    """

    invalid: str
    is_leading: bool
    has_command: bool
    may_ask: bool
    answer: Done | None = None
    containers: tuple[Container, ...] = ()
    has_registrator_image: bool = True
    askable: tuple[str, ...] = ()
    asked: tuple[Asked, ...] | None = None
    has_stopped: bool = False

    @property
    def is_answering(self) -> bool:
        """Whether the engine answers."""
        return self.answer is not None and self.answer.is_ok

    @property
    def is_denied(self) -> bool:
        """Whether this user may not ask."""
        return self.answer is not None and "permission denied" in self.answer.err + self.answer.out

    @property
    def are_answered(self) -> bool:
        """Whether at least one container was asked from inside, and every one got an answer."""
        return bool(self.asked) and all(container.is_answered for container in self.asked or ())


def look(host: Host, unit: Unit) -> Docker:
    """Look at the engine's file and, if its unit runs, at its containers."""
    engine = Docker(
        invalid=json_files.find_fault(host.root, docker_dns.FILE),
        is_leading=docker_dns.status(host),
        has_command=have("docker"),
        may_ask=not unit.is_known or unit.is_missing or unit.is_running,
    )
    if not engine.has_command or not engine.may_ask:
        return engine
    networks = Later(_bridges)
    engine = engine._replace(
        answer=run("docker", "ps", "--format", "{{.Names}}\\t{{.Networks}}\\t{{.Ports}}", seconds=SECONDS)
    )
    if not engine.is_answering or engine.answer is None:
        return engine
    containers = tuple(_parse(line) for line in engine.answer.out.splitlines() if line.strip())
    is_registrator = any(container.name == REGISTRATOR for container in containers)
    image = host.values["REGISTRATOR_IMAGE"]
    bridges = networks.get()
    return engine._replace(
        containers=containers,
        has_registrator_image=is_registrator or run("docker", "image", "inspect", image, seconds=SECONDS).is_ok,
        askable=_choose(containers, bridges or set()),
        has_stopped=bridges is None,
    )


def ask_inside(host: Host, engine: Docker, name: str) -> Docker:
    """Ask port 53 from inside the chosen containers, until one gets no answer."""
    if not engine.askable:
        return engine
    inspected = docker.inspect(engine.askable, seconds=SECONDS)
    if inspected is None:
        return engine._replace(has_stopped=True)
    asked: list[Asked] = []
    for container in inspected:
        process = container.get("State", {}).get("Pid")
        if not isinstance(process, int) or process < 1:
            continue
        _, is_answered = namespace.inside(host.path(f"/proc/{process}/ns/net"), lambda: ask(host, name)) or (
            None,
            False,
        )
        asked.append(Asked(str(container.get("Name", "")).lstrip("/"), is_answered, _is_led(host, container)))
        if not is_answered:
            break
    return engine._replace(asked=tuple(asked))


def _parse(line: str) -> Container:
    name, networks, ports = [*line.split("\t"), "", ""][:3]
    return Container(name, tuple(networks.split(",")), ports)


def _bridges() -> set[str] | None:
    """Return the bridge networks that are not internal, or None if Docker does not answer.

    An internal network does not reach our address by design.
    """
    line_format = "{{.Name}} {{.Internal}}"
    listed = run("docker", "network", "ls", "--filter", "driver=bridge", "--format", line_format, seconds=SECONDS)
    if not listed.is_ok:
        return None
    return {line.removesuffix(" false") for line in listed.out.splitlines() if line.endswith(" false")}


def _choose(containers: tuple[Container, ...], bridges: set[str]) -> tuple[str, ...]:
    """Return the names of the containers to ask, one for each bridge."""
    chosen: list[str] = []
    seen: set[str] = set()
    for container in containers:
        fresh = [network for network in container.networks if network in bridges - seen]
        if fresh and len(chosen) < ASKED_LIMIT:
            seen.add(fresh[0])
            chosen.append(container.name)
    return tuple(chosen)


def _is_led(host: Host, container: dict[str, Any]) -> bool:
    """Return whether the container's programs use our address.

    This reads the file that Docker wrote for the container, because the container's own /etc/resolv.conf may be a pipe
    or a link into the host. In a user-defined network, Docker's own server names ours in a comment of that file.
    """
    address = host.built_in.address
    if address in (container.get("HostConfig", {}).get("Dns") or ()):
        return True
    path = container.get("ResolvConfPath")
    return bool(path) and address in read_text(host.path(str(path)), RESOLV_CONF_LIMIT)
