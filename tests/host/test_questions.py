"""The fakes themselves: each answers its known questions, and another one fails the test that asks it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.host.conftest import FakeHost
from tests.host.healthy import FAKES
from tests.host.questions import QUESTIONS, UNKNOWN_CODE


@pytest.fixture
def fakes(tmp_path: Path) -> FakeHost:
    """Give a directory of fakes whose unknown questions fail no test by themselves."""
    return FakeHost(root=tmp_path, fakes=tmp_path)


def ask(host: FakeHost, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(host.fakes / argv[0]), *argv[1:]], check=False, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("question", "is_known"),
    [
        ("is-active consul.service", True),
        ("is-active consul.socket", False),
        ("is-active", False),
        ("restart docker.service", False),
        ("reset-failed consul-docker-host* registrator.service", True),
        ("reset-failed consul-docker-host-link registrator.service", False),
        ("", False),
    ],
)
def test_a_fake_answers_what_it_knows_and_refuses_the_rest(fakes: FakeHost, question: str, *, is_known: bool) -> None:
    calls = fakes.fake("systemctl", "echo active")
    done = ask(fakes, "systemctl", *question.split())
    assert (done.returncode, done.stdout) == ((0, "active\n") if is_known else (UNKNOWN_CODE, ""))
    assert calls.read_text() == f"{question}\n"


def test_an_unknown_question_fails_the_test_with_the_fake_and_its_arguments(fakes: FakeHost) -> None:
    fakes.fake("systemctl")
    fakes.fake("docker")
    ask(fakes, "docker", "version")
    fakes.fail_on_unknown_questions()
    ask(fakes, "systemctl", "restart", "docker.service")
    ask(fakes, "docker", "ps", "--all")
    with pytest.raises(pytest.fail.Exception) as caught:
        fakes.fail_on_unknown_questions()
    assert str(caught.value).splitlines()[1:] == ["systemctl restart docker.service", "docker ps --all"]


def test_every_fake_of_the_healthy_host_has_its_questions() -> None:
    assert set(FAKES) <= set(QUESTIONS)
