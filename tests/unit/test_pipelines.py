"""The examples for pipelines: each is read as its server would, and every command in them is one of ours."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import tasks
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import ROOT
from consul_docker_host.prove.choices import choose
from consul_docker_host.prove.suites import EVERYTHING

FOLDER = ROOT / "docs" / "pipelines"
EXAMPLES = ("github.yml", "gitlab-ci.yml", "Jenkinsfile", "README.md")
# What each server puts in place of the number of a machine.
NUMBERS = {"${{ matrix.shard }}": "2", "$CI_NODE_INDEX": "2", "$CI_NODE_TOTAL": "4", "$SHARD": "2"}
COMMAND = re.compile(r"\./inv [^\n'`\"]*")
PINNED = re.compile(r"[\w./-]+@[0-9a-f]{40}")
# https://docs.gitlab.com/ci/yaml/ and https://www.jenkins.io/doc/book/pipeline/syntax/
GITLAB_GLOBAL = {"default", "include", "stages", "variables", "workflow"}
GITLAB_JOB = {
    *("after_script", "allow_failure", "artifacts", "before_script", "cache", "environment", "extends", "image"),
    *("needs", "parallel", "rules", "script", "services", "stage", "tags", "timeout", "variables", "when"),
}
GITLAB_DEFAULT = {
    "after_script",
    "artifacts",
    "before_script",
    "cache",
    "image",
    "retry",
    "services",
    "tags",
    "timeout",
}
GITLAB_ARTIFACTS = {"expire_in", "expose_as", "exclude", "name", "paths", "reports", "untracked", "when"}
JENKINS_BLOCKS = {
    *("agent", "always", "axes", "axis", "environment", "matrix", "options", "pipeline", "post", "stage", "stages"),
    "steps",
}
JENKINS_STEPS = {"agent", "junit", "label", "name", "sh", "timeout", "values", "XDG_CACHE_HOME"}


def text_of(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def yaml_of(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe", pure=True).load(text_of(name))
    return loaded


def commands_of(name: str) -> list[list[str]]:
    """Return the words of each command of ours in an example."""
    text = text_of(name)
    for variable, number in NUMBERS.items():
        text = text.replace(variable, number)
    return [shlex.split(found[0].split("  #")[0])[1:] for found in COMMAND.finditer(text)]


def test_every_example_is_looked_at() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(EXAMPLES)
    assert all(commands_of(name) for name in EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_command_is_a_task_with_these_options(name: str) -> None:
    contexts = {context.name: context for context in tasks.ns.to_contexts()}
    for task, *words in commands_of(name):
        context = contexts.get(task) or contexts.get(f"{task}.all")
        assert context, f"{name}: ./inv {task}"
        flags = context.flags
        values = iter(words)
        for word in values:
            if word.startswith("--") and word not in {"--shard", "--junit", "--times", "--load", "--retries"}:
                assert word in flags, f"{name}: ./inv {task} {word}"
                assert flags[word].kind is bool
            elif word.startswith("--"):
                assert word in flags, f"{name}: ./inv {task} {word}"
                assert not next(values).startswith("-"), f"{name}: {word} needs a value"


@pytest.mark.parametrize("name", ["github.yml", "gitlab-ci.yml", "Jenkinsfile"])
def test_the_options_of_a_test_run_are_accepted(name: str, tmp_path: Path) -> None:
    runs = [words for task, *words in commands_of(name) if task == "test"]
    assert len(runs) == 2
    for words in runs:
        given: dict[str, Any] = {
            "quick": "--quick" in words,
            "junit": str(tmp_path / words[words.index("--junit") + 1]),
        }
        if "--shard" in words:
            given["shard"] = words[words.index("--shard") + 1]
        names, choice = choose(EVERYTHING, **given)
        assert choice.junit == tmp_path / "reports"
        assert names == EVERYTHING or choice.is_quick
    with pytest.raises(BuildError):
        choose(EVERYTHING, shard="5/4")


def test_github_runs_every_shard_once_and_keeps_the_reports() -> None:
    workflow = yaml_of("github.yml")
    assert set(workflow) == {"name", "on", "permissions", "jobs"}
    for job in workflow["jobs"].values():
        uses = [step["uses"] for step in job["steps"] if "uses" in step]
        assert all(PINNED.fullmatch(one) for one in uses), uses
        (upload,) = [step for step in job["steps"] if "upload-artifact" in step.get("uses", "")]
        assert (upload["if"], upload["with"]["path"]) == ("always()", "reports/TEST-*.xml")
        (kept,) = [step["with"]["path"] for step in job["steps"] if "actions/cache" in step.get("uses", "")]
        assert kept == f"{job['env']['XDG_CACHE_HOME']}/consul-docker-host"
    shard = workflow["jobs"]["shard"]
    numbers = shard["strategy"]["matrix"]["shard"]
    assert numbers == list(range(1, len(numbers) + 1))
    (run,) = [step["run"] for step in shard["steps"] if "--shard" in step.get("run", "")]
    assert f"--shard ${{{{ matrix.shard }}}}/{len(numbers)} " in run
    assert shard["strategy"]["fail-fast"] is False


def test_gitlab_knows_every_key_and_reads_the_reports() -> None:
    pipeline = yaml_of("gitlab-ci.yml")
    jobs = {name: job for name, job in pipeline.items() if name not in GITLAB_GLOBAL}
    assert set(jobs) == {"quick", "shard"}
    assert set(pipeline["default"]) <= GITLAB_DEFAULT
    for job in jobs.values():
        assert set(job) <= GITLAB_JOB
        assert job["stage"] in pipeline["stages"]
        assert set(job["artifacts"]) <= GITLAB_ARTIFACTS
        assert job["artifacts"]["reports"] == {"junit": "reports/TEST-*.xml"}
        assert job["artifacts"]["when"] == "always"
        # A cache has to be within the checkout.
        assert pipeline["variables"]["XDG_CACHE_HOME"] == "$CI_PROJECT_DIR/.cache"
        assert job["cache"]["paths"] == [".cache/consul-docker-host"]
    assert jobs["shard"]["parallel"] == 4


def test_the_cache_of_gitlab_is_no_part_of_the_project() -> None:
    assert "/.cache/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert "/reports/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_the_jenkinsfile_is_balanced_and_has_known_blocks_and_steps() -> None:
    text = re.sub(r"//.*", "", text_of("Jenkinsfile"))
    strings = re.findall(r"'[^'\n]*'", text)
    bare = re.sub(r"'[^'\n]*'", "STRING", text)
    assert "'" not in bare
    depth, lowest = 0, 0
    for character in bare:
        depth += {"{": 1, "}": -1}.get(character, 0)
        lowest = min(lowest, depth)
    assert (depth, lowest) == (0, 0)
    assert bare.count("(") == bare.count(")")
    blocks = re.findall(r"(\w+)(?:\(STRING\))? *\{", bare)
    assert set(blocks) <= JENKINS_BLOCKS
    assert blocks[0] == "pipeline"
    steps = re.findall(r"(?:^|\{) *(\w+)\b(?! *(?:\{|\(STRING\) *\{))", bare, re.MULTILINE)
    assert set(steps) <= JENKINS_STEPS
    assert strings.count("'reports/TEST-*.xml'") == text.count("--junit reports") == 2
    values = re.search(r"values (.*)", text)
    assert values
    assert [value.strip(" '") for value in values[1].split(",")] == ["1", "2", "3", "4"]
