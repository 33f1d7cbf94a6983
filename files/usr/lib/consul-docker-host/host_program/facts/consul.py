"""Ask the agent, and find out why it does not answer."""

from __future__ import annotations

import glob
import os
import re
from typing import NamedTuple

from host_program import agent_api, dns, json_files
from host_program.agent_api import Answer
from host_program.dns import Reply
from host_program.files import read_text
from host_program.output import shorten
from host_program.programs import TIMED_OUT, have, run
from host_program.settings import RUN, Host
from host_program.units import Unit

# HashiCorp's unit; an agent in a container has our own unit.
PACKAGED_UNIT = "consul.service"
DIRECTORY = "/etc/consul.d"
# The texts that Consul prints before the file and the mistake in it.
NOISE = re.compile(
    r"^(?:Config validation failed: )?(?:failed to parse )?(?:config: )?|1 error occurred:", re.MULTILINE
)


class Agent(NamedTuple):
    """The agent's description of itself, the cluster's leader, and the services registered here."""

    itself: Answer
    leader: str
    services: tuple[tuple[str, str, str], ...]

    @property
    def advertised(self) -> str:
        """The agent's address in the cluster; empty if the agent does not answer."""
        return self.itself.text("Member", "Addr") if self.itself.is_ok else ""


class Consul(NamedTuple):
    """The agent, and the reasons why it does not start.

    ``reply`` is its DNS's answer for its own name. ``wanted_file`` is the file without which systemd skips its unit.
    ``invalid`` is the mistake in its files. ``has_image`` is whether Docker has the image of an agent that runs in a
    container (None: not asked).
    """

    agent: Agent
    has_command: bool
    is_running: bool
    reply: Reply | None
    wanted_file: str
    invalid: str
    has_image: bool | None


def own_name(host: Host) -> str:
    """Return the name under which Consul knows its own servers."""
    return f"consul.service.{host.built_in.domain}"


def ask_agent(host: Host) -> Agent:
    """Ask the agent about itself and, if it answers, about leader and services."""
    itself = agent_api.ask(host, "agent/self")
    if not itself.is_ok and not itself.is_refused:
        return Agent(itself, "", ())
    return Agent(itself, agent_api.ask(host, "status/leader").text(), _services(host))


def _services(host: Host) -> tuple[tuple[str, str, str], ...]:
    value = agent_api.ask(host, "agent/services").value
    services = value.values() if isinstance(value, dict) else ()
    return tuple(
        (str(each.get("ID", "")), str(each.get("Service", "")), str(each.get("Address") or ""))
        for each in services
        if isinstance(each, dict)
    )


def ask_names(host: Host, agent: Agent, unit: Unit) -> Reply | None:
    """Ask Consul's DNS for Consul, unless its API does not answer and its unit is stopped, to save the wait."""
    if not agent.advertised and not is_running(unit):
        return None
    return dns.ask(host.built_in.address, host.built_in.dns_port, own_name(host))


def is_running(unit: Unit) -> bool:
    """Return whether Consul runs, by its unit or, without systemd, by its process."""
    return unit.is_running if unit.is_known else run("pidof", "consul").is_ok


def look(host: Host, *, agent: Agent, reply: Reply | None, unit: Unit, is_root: bool) -> Consul:
    """Find out why the agent does not start, or would not restart, as far as its answers give a reason to look."""
    is_packaged = host.built_in.consul_unit == PACKAGED_UNIT
    has_command = not is_packaged or have("consul")
    is_silent = not agent.advertised
    may_validate = is_root and is_packaged and has_command and (is_silent or is_changed(host))
    is_waiting = is_silent and not is_packaged and unit.is_running
    return Consul(
        agent=agent,
        has_command=has_command,
        is_running=is_running(unit) if is_silent else True,
        reply=reply,
        wanted_file=_wanted_file(host, unit) if is_silent and unit.is_stopped else "",
        invalid=_invalid(host) if may_validate else "",
        has_image=run("docker", "image", "inspect", host.values["CONSUL_IMAGE"], seconds=4).is_ok
        if is_waiting
        else None,
    )


def is_changed(host: Host) -> bool:
    """Return whether a file that Consul reads at its start is newer than its start.

    The inode's change time is compared, because nobody can set it back.
    """
    try:
        started = os.stat(host.path(f"{RUN}/consul.started")).st_ctime_ns
    except OSError:
        return True
    folders = (host.path(DIRECTORY), host.path(f"{RUN}/consul.d"))
    files = [
        path for folder in folders for path in (folder, *glob.glob(f"{folder}/*.json"), *glob.glob(f"{folder}/*.hcl"))
    ]
    return any(_changed_at(path) > started for path in files)


def _changed_at(path: str) -> int:
    try:
        return os.stat(path).st_ctime_ns
    except OSError:
        return 0


def _wanted_file(host: Host, unit: Unit) -> str:
    """Return the file without which systemd silently skips the unit; empty if it exists."""
    condition = re.search(r"^ConditionFileNotEmpty=(/\S+)$", run("systemctl", "cat", unit.name).out, re.MULTILINE)
    if not condition:
        return ""
    try:
        return "" if os.path.getsize(host.path(condition[1])) else condition[1]
    except OSError:
        return condition[1]


def _invalid(host: Host) -> str:
    """Return the mistake in the files that Consul starts with, in their JSON or as Consul reports it."""
    fault = json_files.find_fault(host.root, f"{DIRECTORY}/*.json")
    if fault:
        return fault
    folders = [host.path(DIRECTORY)]
    if os.path.isdir(host.path(f"{RUN}/consul.d")):
        folders.append(host.path(f"{RUN}/consul.d"))
    argv = ["consul", "validate", *folders]
    # Consul validates as the user that it runs as, because that user may be unable to read files that root can read.
    if not host.root and "\nconsul:" in "\n" + read_text("/etc/passwd"):
        argv = ["setpriv", "--reuid=consul", "--regid=consul", "--init-groups", *argv]
    validation = run(*argv)
    # A validation that timed out proves nothing about the files.
    if validation.is_ok or validation.code == TIMED_OUT:
        return ""
    return shorten(NOISE.sub("", validation.out + validation.err))
