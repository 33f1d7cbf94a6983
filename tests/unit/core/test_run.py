"""The one door to other programs: argv lists, an environment from nothing, failures that can be copied and pasted."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.run import SYSTEM_PATH, command_line, find_program, follow, run, start
from tests.support.speed import scaled
from tests.unit.kit import fake_program, path_with


def test_a_program_s_environment_is_built_from_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USER", "LC_TIME", "PYTHONPATH", "GEM_HOME", "http_proxy", "ROGUE"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("LANG", "de_DE")
    lines = run(["env"], env={"SOURCE_DATE_EPOCH": "1"}).stdout.splitlines()
    names = {line.partition("=")[0] for line in lines}
    assert names - {"TMPDIR"} == {"PATH", "LANG", "LC_ALL", "TZ", "HOME", "XDG_CACHE_HOME", "SOURCE_DATE_EPOCH"}
    assert {"LANG=C.UTF-8", "LC_ALL=C.UTF-8", "TZ=UTC"} <= set(lines)


def test_a_program_has_a_fixed_umask_and_no_input() -> None:
    before = os.umask(0o077)
    try:
        assert run(["sh", "-c", "umask; wc -c"]).stdout.split() == ["0022", "0"]
    finally:
        os.umask(before)


def test_arguments_are_never_read_by_a_shell(tmp_path: Path) -> None:
    hostile = ["$(id)", "a b", "`x`", "*", "'", '"', "\\", "é", ""]
    assert run(["printf", "%s|", *hostile], cwd=tmp_path).stdout == "|".join(hostile) + "|"


def test_a_failure_shows_the_command_and_its_last_lines() -> None:
    with pytest.raises(BuildError) as caught:
        run(["sh", "-c", "seq 100; echo oh >&2; exit 3", "a b"])
    first, *rest = str(caught.value).splitlines()
    assert first == "sh exited with 3: sh -c 'seq 100; echo oh >&2; exit 3' 'a b'"
    assert [line.strip() for line in rest] == [*(str(n) for n in range(82, 101)), "oh"]


def test_a_failure_can_be_a_result() -> None:
    result = run(["sh", "-c", "echo out; echo err >&2; exit 7"], check=False)
    assert (result.returncode, result.stdout, result.stderr, result.output) == (7, "out\n", "err\n", "out\nerr\n")


def test_a_program_ended_by_a_signal_is_a_failure() -> None:
    with pytest.raises(BuildError, match="sh exited with -9"):
        run(["sh", "-c", "kill -9 $$"])


def test_output_that_is_not_utf_8_does_no_harm() -> None:
    assert run(["printf", r"\377\n"]).stdout == "\ufffd\n"


def test_a_missing_program_is_told_with_the_hint() -> None:
    with pytest.raises(BuildError, match=r"^no-such-program: No such file or directory\n  get it"):
        run(["no-such-program"], hint="get it")


def test_a_program_that_may_not_be_started_is_told_by_name(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("#!/bin/sh\n")
    with pytest.raises(BuildError, match=r"/x: Permission denied"):
        run([str(tmp_path / "x")])


def test_a_program_without_an_end_is_ended() -> None:
    begin = time.monotonic()
    with pytest.raises(BuildError, match=r"^sleep: timed out after 0\.2 s: sleep 60"):
        run(["sleep", "60"], timeout=0.2)
    assert time.monotonic() - begin < 5


def test_programs_are_found_on_the_path_and_in_the_system_s_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = fake_program(tmp_path / "bin", "env", "echo fake")
    monkeypatch.setenv("PATH", "/nowhere")
    assert str(find_program("env")).startswith("/usr/bin")
    assert find_program("env", first=[tmp_path / "bin"]) == program
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin"))
    assert find_program("env") == program
    assert find_program("no-such-program") is None
    assert "/usr/sbin" in SYSTEM_PATH


def test_a_command_line_can_be_pasted_into_a_shell(tmp_path: Path) -> None:
    argv = ["printf", "%s|", "a b", "'", "$x", "\\"]
    assert run(["sh", "-c", command_line(argv)], cwd=tmp_path).stdout == "a b|'|$x|\\|"


def test_a_program_in_the_background_writes_its_log(tmp_path: Path) -> None:
    process = start(["sh", "-c", "echo hello; echo $ROGUE >&2"], log=tmp_path / "log", env={"ROGUE": "mine"})
    assert process.wait(timeout=scaled(10)) == 0
    assert (tmp_path / "log").read_text() == "hello\nmine\n"


def test_a_followed_program_writes_to_the_user_s_own_output(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert follow(["sh", "-c", "echo hello; exit 4"], cwd=tmp_path, timeout=scaled(10)) == 4
    assert capfd.readouterr().out == "hello\n"
    with pytest.raises(BuildError, match="timed out after"):
        follow(["sleep", "60"], cwd=tmp_path, timeout=0.1)
    with pytest.raises(BuildError, match="no-such-program"):
        follow(["no-such-program"], cwd=tmp_path, timeout=1)
