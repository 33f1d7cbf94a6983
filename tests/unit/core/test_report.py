"""What the user sees: lines at once, times of what is slow, tables in columns."""

from __future__ import annotations

import time

import pytest

from consul_docker_host.core import report


def test_a_table_s_columns_stand_below_each_other() -> None:
    lines = report.table(("made", "by"), [("a.deb", "x"), ("longer.rpm", "yyyy")])
    assert lines == ("made        by", "a.deb       x", "longer.rpm  yyyy")
    assert report.table(("made", "by"), []) == ("made  by",)


def test_a_quick_stage_says_nothing_and_a_slow_one_its_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with report.stage("quick"):
        pass
    assert capsys.readouterr().out == ""
    clock = iter([10.0, 12.5])
    monkeypatch.setattr("consul_docker_host.core.report.time.monotonic", lambda: next(clock))
    with report.stage("slow"):
        pass
    assert capsys.readouterr().out == "slow: 2.5 s\n"


def test_a_log_names_a_slow_stage_before_its_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "SLOW_SECONDS", 0.1)
    with report.stage("slow"):
        time.sleep(0.5)
        assert capsys.readouterr().out == "slow ...\n"
    assert capsys.readouterr().out.startswith("slow: 0.")
    with pytest.raises(KeyError), report.stage("failing"):
        raise KeyError
    time.sleep(0.3)
    assert capsys.readouterr().out == ""


def test_without_a_terminal_there_is_nothing_but_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert not report.is_terminal()
    report.say("one line")
    assert capsys.readouterr().out == "one line\n"
