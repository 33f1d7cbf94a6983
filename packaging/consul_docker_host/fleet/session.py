"""Run pyinfra on a set of hosts in parallel: connect, prepare, execute, each host independently.

Only this module drives pyinfra. A fault of one host never affects another, whereas pyinfra's own runner waits for all
hosts at every operation. It is imported in the deploy's own process, after gevent's patches.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import gevent
from gevent.pool import Pool
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS, pop_global_arguments
from pyinfra.api.command import StringCommand
from pyinfra.api.config import Config
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.api.operations import run_host_op
from pyinfra.api.state import State as PyinfraState
from pyinfra.api.state import StateStage
from pyinfra.context import ctx_config, ctx_host, ctx_inventory, ctx_state

from consul_docker_host.core.errors import BuildError
from consul_docker_host.fleet.outcome import Outcome, State
from pyinfra_deploy.facts import InstalledPackage
from pyinfra_deploy.operations import is_health_check
from pyinfra_deploy.repository import NAME
from pyinfra_deploy.script import UnusableHostError

CONNECT_SECONDS = 10
# A host that crashes does not close its connection, so the connection counts as lost after this time without an answer.
SILENT_SECONDS = 20
# The limit for all steps of one host, so that no deploy waits forever.
HOST_SECONDS = 1800.0
PARALLEL = 50
TAIL = 6
# How many hosts are asked a question before it counts as unanswered.
TRIES = 3
Tell = Callable[[str, str], None]  # host, step

for _name in ("pyinfra", "paramiko"):
    logging.getLogger(_name).addHandler(logging.NullHandler())
    logging.getLogger(_name).propagate = False


class Session:
    """One set of hosts, connected."""

    def __init__(self, hosts: Mapping[str, Mapping[str, Any]], tell: Tell) -> None:
        names = [(name, dict(data)) for name, data in hosts.items()]
        self.inventory = Inventory((names, {}))
        self.state = PyinfraState(self.inventory, Config(CONNECT_TIMEOUT=CONNECT_SECONDS, PARALLEL=PARALLEL))
        self.tell = tell
        self.begin = {name: time.monotonic() for name in hosts}
        self.faults: dict[str, Outcome] = {}
        self.pool = Pool(PARALLEL)

    @property
    def alive(self) -> list[Host]:
        """The hosts without a fault so far."""
        return [host for host in self.inventory if host.name not in self.faults]

    def each(self, work: Callable[[Host], None], *, step: str) -> None:
        """Run ``work`` on every host without a fault, in parallel, and record which hosts failed."""

        def guarded(host: Host) -> None:
            with ctx_host.use(host), ctx_config.use(self.state.config.copy()):
                try:
                    with gevent.Timeout(HOST_SECONDS, TimeoutError(f"no answer within {HOST_SECONDS:g} s")):
                        work(host)
                except ConnectError as error:
                    self.fail(host, State.UNREACHABLE, "connect", str(error))
                except Exception as error:
                    self.fail(host, State.FAILED, step, str(error) or type(error).__name__)

        self.pool.map(guarded, self.alive)

    def fail(self, host: Host, state: State, step: str, reason: str) -> None:
        """Record a host's fault; only the first one counts."""
        if host.name not in self.faults:
            seconds = time.monotonic() - self.begin[host.name]
            self.faults[host.name] = Outcome(host=host.name, state=state, step=step, reason=reason, seconds=seconds)
            self.tell(host.name, f"{state.value}: {reason.splitlines()[-1] if reason else step}")

    def connect(self, host: Host) -> None:
        """Connect to a host, and set the socket's options so that a crashed host is noticed."""
        self.tell(host.name, "connect")
        host.connect(show_errors=False, raise_exceptions=True)
        self.state.activate_host(host)
        client = getattr(host.connector, "client", None)
        transport = client.get_transport() if client else None
        if transport is not None:
            for option, value in (
                (socket.TCP_USER_TIMEOUT, SILENT_SECONDS * 1000),
                (socket.TCP_KEEPIDLE, SILENT_SECONDS // 2),
                (socket.TCP_KEEPINTVL, 5),
                (socket.TCP_KEEPCNT, 2),
            ):
                transport.sock.setsockopt(socket.IPPROTO_TCP, option, value)
            transport.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if reason := no_root(self.state, host):
            self.fail(host, State.FAILED, "connect", f"no root access: {reason}")

    def fact(self, host: Host, fact: type[Any], **arguments: Any) -> Any:
        """Return a fact, or fail if the host does not answer, because pyinfra would continue with an empty fact."""
        answer = host.get_fact(fact, **arguments)
        if not is_connected(host):
            raise ConnectError("connection lost")
        return answer


@contextmanager
def session(hosts: Mapping[str, Mapping[str, Any]], tell: Tell) -> Iterator[Session]:
    """Yield a session in which all reachable hosts are connected."""
    opened = Session(hosts, tell)
    with ctx_state.use(opened.state), ctx_inventory.use(opened.inventory):
        try:
            opened.each(opened.connect, step="connect")
            yield opened
        finally:
            for host in opened.inventory:
                if host.connected:
                    with gevent.Timeout(CONNECT_SECONDS, False):
                        host.disconnect()
    ctx_state.reset()


def no_root(state: PyinfraState, host: Host) -> str:
    """Return why commands on the host do not run as root; empty if they do.

    Without root a fact looks as empty as on a host without the package.
    """
    arguments, _ = pop_global_arguments(state, host, {})
    chosen = {key: value for key, value in arguments.items() if key in CONNECTOR_ARGUMENT_KEYS}
    is_ok, output = host.run_shell_command(StringCommand("id -u"), **chosen)
    lines = [line for line in output.stdout_lines if line.strip()]
    if not is_ok:
        return next(iter(output.stderr_lines[-1:]), "no answer")
    return "" if lines[-1:] in ([], ["0"]) else f"commands run as user {lines[-1]}"


def is_connected(host: Host) -> bool:
    """Return whether the connection to the host is still open."""
    client = getattr(host.connector, "client", None)
    transport = client.get_transport() if client else None
    return client is None or (transport is not None and transport.is_active())


def version_of(opened: Session, host: Host) -> str:
    """Return the package's version on the host."""
    manager = str(host.data.get("cdh_manager", ""))
    return str(opened.fact(host, InstalledPackage, manager=manager).version)


def run_steps(
    hosts: Mapping[str, Mapping[str, Any]], steps: Callable[[], object], *, dry: bool, tell: Tell
) -> tuple[Outcome, ...]:
    """Run the steps on the hosts and return their results, in the given order."""
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    with session(hosts, tell) as opened:
        state = opened.state

        def prepare(host: Host) -> None:
            tell(host.name, "compare")
            before[host.name] = version_of(opened, host)
            steps()
            if not is_connected(host):
                raise ConnectError("connection lost")

        def execute(host: Host) -> None:
            for op_hash in list(host.op_hash_order):
                names = state.get_op_meta(op_hash).names
                step = " ".join(sorted(name.rpartition("| ")[2] for name in names))
                tell(host.name, step)
                if not run_host_op(state, host, op_hash):
                    note_failure(opened, host, op_hash, step)
                    return
            after[host.name] = version_of(opened, host)

        state.set_stage(StateStage.Prepare)
        opened.each(prepare, step="compare")
        if not dry:
            state.set_stage(StateStage.Execute)
            state.is_executing = True
            opened.each(execute, step="run")
        return tuple(conclude(opened, host, before, after, dry=dry) for host in opened.inventory)


def note_failure(opened: Session, host: Host, op_hash: str, step: str) -> None:
    """Record why an operation failed: its last lines, or the lost connection."""
    meta = opened.state.get_op_data_for_host(host, op_hash).operation_meta
    lines = [line for line in (meta.stderr_lines or meta.stdout_lines) if line.strip()][-TAIL:]
    if not is_connected(host):
        opened.fail(host, State.FAILED, step, "connection lost: the host no longer answers")
    elif is_health_check(meta):
        opened.fail(host, State.UNHEALTHY, step, "\n".join(lines) or "gave no answer in time")
    else:
        opened.fail(host, State.FAILED, step, "\n".join(lines) or "no answer within its time")


def changes_of(opened: Session, host: Host, *, dry: bool) -> tuple[str, ...]:
    """Return the names of the steps that changed the host, or would."""
    steps: list[str] = []
    for op_hash in host.op_hash_order:
        meta = opened.state.get_op_data_for_host(host, op_hash).operation_meta
        if meta.will_change if dry else (meta.is_complete() and meta.did_change()):
            steps += [name.rpartition("| ")[2] for name in sorted(opened.state.get_op_meta(op_hash).names)]
    return tuple(steps)


def conclude(opened: Session, host: Host, before: Mapping[str, str], after: Mapping[str, str], *, dry: bool) -> Outcome:
    """Return the result of a host."""
    fault = opened.faults.get(host.name)
    state = fault.state if fault else State.PLANNED if dry else State.OK
    was = before.get(host.name, "")
    outcome = Outcome(
        host=host.name,
        state=state,
        before=was,
        after=after.get(host.name, was),
        changed=changes_of(opened, host, dry=dry),
        seconds=fault.seconds if fault else time.monotonic() - opened.begin[host.name],
        step=fault.step if fault else "",
        reason=fault.reason if fault else "",
    )
    if not fault:
        opened.tell(host.name, "planned" if dry else "ok")
    return outcome


def ask(
    hosts: Mapping[str, Mapping[str, Any]], question: Callable[[Session, Host], Any], tell: Tell
) -> tuple[dict[str, Any], tuple[Outcome, ...]]:
    """Ask every host a question; return the answers by host, and the faults of hosts that gave none."""
    answers: dict[str, Any] = {}
    with session(hosts, tell) as opened:

        def note(host: Host) -> None:
            answers[host.name] = question(opened, host)

        opened.each(note, step="ask")
        return answers, tuple(opened.faults.values())


def first_answer(
    hosts: Mapping[str, Mapping[str, Any]], fact: type[Any], tell: Tell, *, stdin: str, **arguments: str
) -> Any:
    """Return the answer of the first host that gives one, servers first; None if no host can be asked.

    Raise BuildError if no host answers and one has the package but cannot use it, because the cluster's state would
    remain unknown.
    """
    unusable: list[str] = []

    def asked(opened: Session, host: Host) -> Any:
        try:
            return opened.fact(host, fact, _stdin=stdin, **arguments)
        except UnusableHostError as error:
            unusable.append(f"{host}: {error}")
            return None

    for name in [*names_of(hosts, "server"), *names_of(hosts, "client")][:TRIES]:
        answers, _ = ask({name: hosts[name]}, asked, tell)
        if answers.get(name) is not None:
            return answers[name]
    if unusable:
        raise BuildError(unusable[0], hint=f"reinstall python3 and {NAME} on that host, then repeat the command")
    return None


def names_of(hosts: Mapping[str, Mapping[str, Any]], role: str) -> Sequence[str]:
    """Return the hosts of a role, in the inventory's order."""
    return [name for name, data in hosts.items() if data.get("cdh_role", "client") == role]
