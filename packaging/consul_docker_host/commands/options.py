"""What each option of a task is, as ``inv --help`` shows it, and which packages a task needs beyond a build's.

Options of one name mean the same everywhere.
"""

from __future__ import annotations

HELP = {
    "backend": "auto (fpm where it is installed), fpm or nfpm",
    "settings": "a TOML file whose keys win over packaging/settings.toml",
    "distro": "this distribution alone; tests/install/distributions.toml has them",
    "story": "the stories with this word in their name alone, such as upgrade",
    "long": "the long form: more repetitions, more cases",
    "args": "further arguments for pytest, in quotes",
    "channel": "stable or testing; as the settings say where it is not given",
    "key": "the folder or file of the secret key; your own gpg, with its agent or card, where it is not given",
    "with_consul": "take up dist/consul/ too, for a repository in your own network alone",
    "folder": "a folder outside the checkout, made where it is missing",
    "add": "make a second key beside the first, for a change of keys",
    "version": "of Consul, such as 1.22.7",
    "archive": "consul_VERSION_linux_ARCH.zip with SHA256SUMS and .sig beside it, file or address; else for amd64",
    "hashicorp_key": "a file with HashiCorp's public key (https://www.hashicorp.com/trust/security)",
    "inventory": "a pyinfra inventory; pyinfra_deploy/inventory.py is an example",
    "limit": "only these hosts or groups, with commas between",
    "waves": "how many clients at a time: numbers or shares, then all others",
    "dry": "change nothing, tell what would change",
    "json": "the report as JSON, and nothing else, on standard output",
    "suite": "of Debian: bookworm, which is the default, or trixie",
    "base": "an existing cloud image (raw or qcow2) that the packages go into, instead of a system of packages alone",
    "format": "qcow2, raw or tar",
    "with_": "consul=FILE: Consul as a Debian package or as a program; more of them with commas between",
    "preload": "container images as `docker save` writes them, loaded at the first boot; with commas between",
    "size": "of the disk, such as 4G; its root grows to the real disk at the first boot",
    "mirror": "archives instead of Debian's: addresses, lines of sources.list or such files, with commas between",
    "bios": "let it boot by BIOS as well as by UEFI",
    "fresh": "make the base anew, with today's packages, instead of taking the one in the cache",
    "proof": "boot the image and prove the promises before it is said to be done",
    "accel": "how the proof boots it: tcg, which works everywhere, or kvm",
    "image": "a raw image that `inv image --format raw` has made",
    "region": "AWS's region; as the environment or the profile says where it is not given",
    "name": "of the AMI; from the image's name and content where it is not given",
    "old": "the manifest of an image",
    "new": "the manifest of another one",
    "upgrade": "take the newest versions that pyproject.toml allows (default: keep what is locked)",
    "rounds": "how often each command is timed; the medians are compared",
}

# The group of pyproject.toml that a task adds to .venv before it runs, by its name or its collection's. All others run
# with what a build needs.
GROUPS = {
    "bench.deploy": "test",
    "bench.host": "test",
    "bench.install": "test",
    "bench.repo": "repo",
    "deploy": "deploy",
    "image.ami": "aws",
    "lint": "test",
    "lock": "lock",
    "repo": "repo",
    "test": "test",
    "verify": "verify",
}


def group_of(task: str) -> str:
    """Return the group that a task needs, empty for one that runs with what a build needs."""
    return GROUPS.get(task) or GROUPS.get(task.partition(".")[0], "")
