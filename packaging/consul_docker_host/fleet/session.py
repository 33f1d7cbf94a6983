"""Takes a set of hosts through pyinfra side by side: connect, prepare, execute; each host for itself.

The only place that drives pyinfra. A fault of one host never touches another: pyinfra's own runner waits for all hosts
at every operation and ends when the last one fails. It is imported in the deploy's own process, after gevent's patches.
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
from pyinfra_deploy.operations import judges_health
from pyinfra_deploy.repository import NAME
from pyinfra_deploy.script import UnusableHostError

CONNECT_SECONDS = 10
# A host that dies says no goodbye: unanswered data is given up after this time.
SILENT_SECONDS = 20
# The whole way of one host, so that nothing waits for ever.
HOST_SECONDS = 1800.0
PARALLEL = 50
TAIL = 6
# Of hosts that do not answer, as many are tried before what one of them would do is given up.
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
        """Do the work on every host without a fault, side by side, and note who failed."""

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
        """Note a fault; the first one counts."""
        if host.name not in self.faults:
            seconds = time.monotonic() - self.begin[host.name]
            self.faults[host.name] = Outcome(host=host.name, state=state, step=step, reason=reason, seconds=seconds)
            self.tell(host.name, f"{state.value}: {reason.splitlines()[-1] if reason else step}")

    def connect(self, host: Host) -> None:
        """Connect, and see to it that a host that dies is noticed."""
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
        if why := no_root(self.state, host):
            self.fail(host, State.FAILED, "connect", f"no root access: {why}")

    def fact(self, host: Host, fact: type[Any], **arguments: Any) -> Any:
        """Return a fact; a host that does not answer fails, where pyinfra would go on with nothing."""
        answer = host.get_fact(fact, **arguments)
        if not is_connected(host):
            raise ConnectError("connection lost")
        return answer


@contextmanager
def session(hosts: Mapping[str, Mapping[str, Any]], tell: Tell) -> Iterator[Session]:
    """Give a session in which all hosts that can be reached are connected."""
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
    """Return why commands on the host would not be root's; empty when they are.

    Without them a fact is as empty as one of a host where nothing is.
    """
    arguments, _ = pop_global_arguments(state, host, {})
    chosen = {key: value for key, value in arguments.items() if key in CONNECTOR_ARGUMENT_KEYS}
    done, output = host.run_shell_command(StringCommand("id -u"), **chosen)
    said = [line for line in output.stdout_lines if line.strip()]
    if not done:
        return next(iter(output.stderr_lines[-1:]), "no answer")
    return "" if said[-1:] in ([], ["0"]) else f"commands run as user {said[-1]}"


def is_connected(host: Host) -> bool:
    """Tell whether the way to the host is still open."""
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
    """Take the hosts through the steps and return what became of each, in the order given."""
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
    """Note why an operation failed: the last lines that it wrote, or that the host has gone."""
    meta = opened.state.get_op_data_for_host(host, op_hash).operation_meta
    said = [line for line in (meta.stderr_lines or meta.stdout_lines) if line.strip()][-TAIL:]
    if not is_connected(host):
        opened.fail(host, State.FAILED, step, "connection lost: the host no longer answers")
    elif judges_health(meta):
        opened.fail(host, State.UNHEALTHY, step, "\n".join(said) or "gave no answer in time")
    else:
        opened.fail(host, State.FAILED, step, "\n".join(said) or "no answer within its time")


def changes_of(opened: Session, host: Host, *, dry: bool) -> tuple[str, ...]:
    """Return the names of the steps that changed the host, or would."""
    found = []
    for op_hash in host.op_hash_order:
        meta = opened.state.get_op_data_for_host(host, op_hash).operation_meta
        if meta.will_change if dry else (meta.is_complete() and meta.did_change()):
            found += [name.rpartition("| ")[2] for name in sorted(opened.state.get_op_meta(op_hash).names)]
    return tuple(found)


def conclude(opened: Session, host: Host, before: Mapping[str, str], after: Mapping[str, str], *, dry: bool) -> Outcome:
    """Return what became of a host."""
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
    """Ask every host a question and return the answers by name, and the faults of those that gave none."""
    answers: dict[str, Any] = {}
    with session(hosts, tell) as opened:

        def note(host: Host) -> None:
            answers[host.name] = question(opened, host)

        opened.each(note, step="ask")
        return answers, tuple(opened.faults.values())


def first_answer(
    hosts: Mapping[str, Mapping[str, Any]], fact: type[Any], tell: Tell, *, stdin: str, **arguments: str
) -> Any:
    """Return what the first host that can be asked says, servers first; None where there is none.

    BuildError where one of them has the package, cannot use it, and no other answers: what the cluster is doing
    would remain unknown.
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
