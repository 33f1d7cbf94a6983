"""The style of shell: each rule finds a file that breaks it, and lets the form pass that is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from consul_docker_host.core.workspace import ROOT, Workspace
from consul_docker_host.prove import lint
from consul_docker_host.prove.shell_style import style_faults


def faults_of(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "script"
    path.write_text(f"#!/bin/sh\n{text}", encoding="utf-8")
    return list(style_faults(path))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a; b\n", "2: more than one statement"),
        ("if a; then b; else c; fi\n", "2: if and else on one line"),
        ("if a; then\n    b; c\nfi\n", "3: more than one statement"),
        ("f() { a; b; }\n", "2: more than one statement"),
        ("x=$(a; b)\n", "2: more than one statement"),
        ("a || { b; exit 1; }\n", "2: more than one statement"),
        ("case $x in a) b ;; *) c ;; esac\n", "2: more than one pattern of a case on one line"),
        ("case $x in\n    a) b; c ;;\nesac\n", "3: more than one statement"),
        ("f() { case $x in a) b ;; esac; }\n", "2: a compound statement within another, on one line"),
        ("for x in a; do if b; then c; fi; done\n", "2: a compound statement within another, on one line"),
        ("while a; b; do c; done\n", "2: more than one statement"),
        ("a &\nb & c\n", "3: more than one statement"),
        (f"# {'x' * 99}\n", "2: 101 columns, more than 100"),
        (f"# {'é' * 99}\n", "2: 101 columns, more than 100"),
    ],
)
def test_a_broken_rule_is_found_with_its_line(tmp_path: Path, text: str, fault: str) -> None:
    assert fault in faults_of(tmp_path, text)


@pytest.mark.parametrize("text", ["if a; then\n  b\nfi\n", "case $x in\na) b ;;\nesac\n", "a  b\n", "a >  b\n"])
def test_what_shfmt_would_write_otherwise_is_found(tmp_path: Path, text: str) -> None:
    assert faults_of(tmp_path, text) == ["1: is not formatted: run shfmt -i 4 -ci -w"]


@pytest.mark.parametrize("text", ["if a; then\n", "a() {\n", "x=(a b)\n"])
def test_what_is_not_posix_shell_is_found(tmp_path: Path, text: str) -> None:
    found = faults_of(tmp_path, text)
    assert found
    assert found[0].startswith("1: is not POSIX shell: ")


@pytest.mark.parametrize(
    "text",
    [
        "f() { a; }\n",
        "if a; then b; fi\n",
        "for x in a; do b; done\n",
        "case $x in\n    a) b ;;\n    *) c ;;\nesac\n",
        "case $x in a) b ;; esac\n",
        "a && b || c\n",
        "{\n    a\n    b\n} | c\n",
        "cat <<'END'\na; b\nEND\n",
        "awk '{ a; b }'\n",
        f"# {'x' * 98}\n",
        f"# {'é' * 98}\n",
    ],
)
def test_what_is_meant_passes(tmp_path: Path, text: str) -> None:
    assert faults_of(tmp_path, text) == []


def test_the_project_s_own_shell_passes() -> None:
    scripts = [str(path.relative_to(ROOT)) for path in lint.shell_scripts(Workspace())]
    styled = [script for script in scripts if script.startswith(lint.STYLED)]
    for folder in ("files/usr/lib/consul-docker-host/", "packaging/scripts/lifecycle/", "packaging/images/", "inv"):
        assert [script for script in styled if script.startswith(folder)], folder
    # Templates are asked as what they become.
    assert "tests/golden/default/usr/lib/consul-docker-host/defaults" in styled
    assert "tests/golden/default/etc/profile.d/consul-docker-host.sh" in styled
    assert [f"{script}:{fault}" for script in styled for fault in style_faults(ROOT / script)] == []
