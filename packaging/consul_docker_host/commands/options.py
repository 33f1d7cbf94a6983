"""The help text of each option, and the packages that single tasks need beyond those of a build.

An option means the same in every task, unless TASK.OPTION has a text of its own.
"""

from __future__ import annotations

HELP = {
    "quick": "lint, unit, package, and one host by one install",
    "shard": "K/N: run the K-th of N parts of about the same time, such as 2/4",
    "junit": "directory for reports in JUnit's format, one file for each suite",
    "retries": "how often the stories around a failure are run again, from 0 to 9",
    "keep": "wait at a failed test with its machines running, and print how to enter and how to remove them",
    "times": "how often the test is run, from 1 to 1000",
    "load": "number of processes that keep the machine busy meanwhile, from 0 to 64",
    "prune": "remove what no current recipe refers to, unless a running process uses it",
    "backend": "auto, fpm or nfpm; auto uses fpm if it is installed",
    "settings": "TOML file whose keys override packaging/settings.toml",
    "distro": "run only on this distribution of tests/install/distributions.toml",
    "story": "run only stories with this word in their name, such as upgrade",
    "long": "run the long form: more repetitions, more cases",
    "args": "additional arguments for pytest, in quotes",
    "channel": "stable or testing (default: repository.channel)",
    "key": "file or directory with the secret key (default: your own gpg keyring)",
    "with_consul": "include dist/consul/, for a repository that serves only your own network",
    "folder": "directory outside the checkout; created if missing",
    "add": "create a second key in the directory, for key rotation",
    "version": "version of Consul, such as 1.22.7",
    "archive": "file or URL of consul_VERSION_linux_ARCH.zip, with SHA256SUMS and .sig next to it (default: for amd64)",
    "hashicorp_key": "file with HashiCorp's public key, from https://www.hashicorp.com/trust/security",
    "inventory": "pyinfra inventory; see pyinfra_deploy/inventory.py for an example",
    "limit": "only these hosts or groups, separated by commas",
    "waves": "number or percentage of clients for each wave, separated by commas; the last wave has all others",
    "dry": "change nothing; print what would be done",
    "json": "print only the report, as JSON",
    "suite": "Debian suite: bookworm or trixie (default: bookworm)",
    "test.suite": "only these suites, separated by commas, such as lint,unit",
    "base": "existing cloud image (raw or qcow2) to install into, instead of a new system",
    "format": "qcow2, raw or tar",
    "with_": "consul=FILE: a Debian package or a program of Consul; several separated by commas",
    "preload": "container images from `docker save`, loaded at the first boot; separated by commas",
    "size": "size of the disk, such as 4G; the root file system grows to the real disk at the first boot",
    "mirror": "URLs, lines or files of sources.list to use instead of Debian's archive; separated by commas",
    "bios": "boot by BIOS as well as by UEFI",
    "fresh": "rebuild the cached base with today's packages",
    "proof": "boot-test the image before it is accepted",
    "accel": "accelerator for the boot test: tcg, which works everywhere, or kvm",
    "image": "raw image from `inv image --format raw`",
    "region": "AWS region (default: from the environment or the profile)",
    "test.repeat.name": "test, such as tests/install/test_host.py::test_x[debian-13], or its name alone",
    "name": "name of the AMI (default: from the image's name and content)",
    "old": "manifest of the older image",
    "new": "manifest of the newer image",
    "upgrade": "use the newest versions that pyproject.toml allows (default: keep what is locked)",
    "rounds": "number of rounds; the medians are compared",
}

# The group of pyproject.toml that a task adds to .venv before it runs, by the name of the task or its collection. All
# other tasks need only the packages of a build.
GROUPS = {
    "bench.check": "test",
    "bench.deploy": "test",
    "bench.host": "test",
    "bench.image": "image",
    "bench.install": "test",
    "bench.repo": "repo",
    "cache": "test",
    "deploy": "deploy",
    "image": "image",
    "image.ami": "aws",
    "image.confext": "",
    "image.ignition": "",
    "lint": "test",
    "lock": "lock",
    "repo": "repo",
    "test": "test",
    "verify": "verify",
}


def help_of(task: str, option: str) -> str:
    """Return the help of one option of a task."""
    return HELP.get(f"{task.removesuffix('.all')}.{option}") or HELP[option]


def group_of(task: str) -> str:
    """Return the group that a task needs, empty if it needs only the packages of a build."""
    return GROUPS.get(task, GROUPS.get(task.partition(".")[0], ""))
