"""The lock of a deploy: who is asked for it, what is said where it is not to be had, and that it is given back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.fleet import session
from consul_docker_host.fleet.lock import lock_clusters
from pyinfra_deploy.facts import Api
from pyinfra_deploy.gossip import ChangedGossipKey, GossipKey
from pyinfra_deploy.lock import AcquiredLock, Answer, RenewedLock, ReturnedLock, answer_of, holder_of, holder_text
from pyinfra_deploy.script import UnusableHostError

HOSTS = {"c": {}, "s1": {"cdh_role": "server"}, "s2": {"cdh_role": "server"}, "far": {"cdh_datacenter": "far"}}
SESSION = "8d2f7f4e-0a6c-4b6e-9a55-6f1f2ab3c4d5"
HELD = Answer(state="held", text=SESSION)
Says = Callable[[str, type[Any]], Any]


class Cluster:
    """Answers for hosts, and remembers who was asked for what."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, says: Says) -> None:
        self.asked: list[tuple[str, type[Any]]] = []
        self.told: list[str] = []

        class Opened:
            """Gives the facts of one host."""

            def fact(_, host: str, fact: type[Any], **__: Any) -> Any:  # noqa: N805 - self is the cluster
                self.asked.append((host, fact))
                return says(host, fact)

        def ask(hosts: Mapping[str, Any], question: Callable[[Any, Any], Any], _: object) -> tuple[dict[str, Any], Any]:
            return {name: question(Opened(), name) for name in hosts}, ()

        monkeypatch.setattr(session, "ask", ask)

    def held(self, action: str = "deploy") -> Any:
        """Take the lock for the block."""
        return lock_clusters(HOSTS, action, tell=lambda _host, _step: None, say=self.told.append)


def always(taken: Answer | None) -> Says:
    return lambda _, fact: {AcquiredLock: taken, RenewedLock: True, ReturnedLock: True}[fact]


def test_one_server_of_each_datacenter_holds_it_and_it_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(monkeypatch, always(HELD))

    def cut_short() -> None:
        with cluster.held() as ours:
            assert ours.fault() == ""
            raise RuntimeError

    with pytest.raises(RuntimeError):
        cut_short()
    assert cluster.asked == [
        (host, fact) for fact in (AcquiredLock, RenewedLock, ReturnedLock) for host in ("s1", "far")
    ]
    assert cluster.told == []


def test_a_host_that_knows_no_cluster_lets_the_next_one_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(monkeypatch, lambda host, fact: None if host == "s1" else always(HELD)(host, fact))
    with cluster.held():
        assert [host for host, _ in cluster.asked] == ["s1", "s2", "far"]


def test_a_second_deploy_is_told_of_the_first_and_gives_back_what_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    first = Answer(state="taken", text=holder_text("ann@laptop", "2026-01-01 10:00 UTC", "deploy"))
    cluster = Cluster(monkeypatch, lambda host, fact: always(first if host == "far" else HELD)(host, fact))
    with pytest.raises(BuildError, match=r"far: another deploy is running: ann@laptop since 2026"), cluster.held():
        pass
    assert cluster.asked[-1] == ("s1", ReturnedLock)


def test_without_a_cluster_nobody_is_kept_off(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(monkeypatch, always(None))
    with cluster.held() as ours:
        assert ours.fault() == ""
    assert cluster.told == []


def test_a_refused_lock_is_told_and_the_deploy_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(monkeypatch, always(Answer(state="refused", text="Permission denied 403")))
    with cluster.held():
        assert cluster.told[0] == "running without the lock that prevents concurrent deploys: Permission denied 403"


def test_a_lock_that_is_gone_is_a_fault_and_one_that_cannot_be_asked_about_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    renewed: dict[str, bool | None] = {"s1": None, "s2": None, "c": None, "far": True}
    cluster = Cluster(
        monkeypatch, lambda host, fact: renewed[host] if fact is RenewedLock else always(HELD)(host, fact)
    )
    with cluster.held() as ours:
        assert ours.fault() == ""
        renewed["s2"] = False
        assert ours.fault() == "the lock consul-docker-host/deploy was lost"


def test_a_removal_keeps_no_lock_that_nobody_could_give_back(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(monkeypatch, always(HELD))
    with cluster.held("remove"):
        assert [fact for _, fact in cluster.asked] == [AcquiredLock, AcquiredLock, ReturnedLock, ReturnedLock]


def test_answers_and_holders_are_read_as_they_come() -> None:
    assert answer_of([f"held {SESSION}"]) == Answer(state="held", text=SESSION)
    assert answer_of(["refused Permission denied", "403"]).text == "Permission denied 403"
    assert holder_of(holder_text("a@b", "now", "deploy")) == "a@b since now (deploy)"
    assert holder_of("") == "somebody"
    assert holder_of("by hand") == "by hand"


@pytest.mark.parametrize(
    "text", ["1-2", "", f"{SESSION}; reboot", f"{SESSION}/../../agent/leave", f"$(reboot){SESSION}"]
)
def test_a_session_that_is_not_a_uuid_reaches_no_other_host(text: str) -> None:
    assert answer_of([f"held {text}"]) == Answer(state="refused", text="the ID of the session is not a UUID")


def test_what_a_host_prints_reaches_the_terminal_as_one_printable_line() -> None:
    assert answer_of(["refused \x1b[2Jno", "\x07 403"]).text == "[2Jno 403"
    assert holder_of(holder_text("a\x1b[2J", "now\n", "deploy")) == "a [2J since now (deploy)"


def unusable(host: str, fact: type[Any]) -> Any:
    """Answer for a fleet in which one host's modules cannot be imported, and no other has the package."""
    if host == "s1" and fact is AcquiredLock:
        raise UnusableHostError("python3 is missing")
    return None


def test_a_package_that_cannot_be_asked_is_an_error_unless_another_host_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = Cluster(monkeypatch, unusable)
    with pytest.raises(BuildError, match="s1: python3 is missing") as error, cluster.held():
        pass
    assert "reinstall python3 and consul-docker-host on that host" in str(error.value)
    cluster = Cluster(
        monkeypatch, lambda host, fact: unusable(host, fact) if host == "s1" else always(HELD)(host, fact)
    )
    with cluster.held() as ours:
        assert sorted(ours.held) == ["", "far"]


def test_a_removal_goes_on_where_the_package_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(monkeypatch, unusable)
    with cluster.held("remove"):
        assert cluster.told[0] == "running without the lock that prevents concurrent deploys: s1: python3 is missing"


def test_an_answer_that_cannot_be_had_is_an_error_for_whoever_acts_on_it() -> None:
    printed = ["unusable \x1bpython3 is", "x"]
    for fact in (AcquiredLock(), GossipKey(), ChangedGossipKey(), Api()):
        with pytest.raises(UnusableHostError, match=r"^python3 is$"):
            fact.process(printed)
    # A deploy that has begun goes on: its next host may well answer.
    assert RenewedLock().process(printed[:1]) is True
    assert ReturnedLock().process(printed[:1]) is None
