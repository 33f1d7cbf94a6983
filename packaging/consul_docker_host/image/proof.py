"""Boot-test an image before the build succeeds: a copy boots by its own boot loader, with data for its first boot.

packaging/images/proof.sh checks the running copy and reports to this process; the image itself is only read.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.report import say, stage
from consul_docker_host.core.run import find_program, run, start
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.image.request import ImageFormat, Request
from consul_docker_host.snippets.cloudinit import APPEND

BOOT_SECONDS = 900.0
MEMORY_MIB = 1024
GROWN_GIB = 1
LINE = re.compile(r"proof: (ok|broken|skipped) (.*?)\r?$", re.MULTILINE)
TAIL = 25
SCRIPTS = ("proof.sh", "proof_answers.py", "first-boot.sh")
# Architecture -> QEMU's program, its machine, and the paths of Debian's firmware (code, variables).
EMULATORS = {
    "amd64": ("qemu-system-x86_64", "q35", "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    "arm64": ("qemu-system-aarch64", "virt", "/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
}
PACKAGES = {"amd64": "qemu-system-x86 ovmf", "arm64": "qemu-system-arm qemu-efi-aarch64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The virtual machine that boots the copy; ``is_emulated``: without hardware virtualisation (KVM)."""

    architecture: str
    is_bios: bool = False
    is_emulated: bool = True

    def argv(self, folder: Path, disk: Path, seed: Path) -> list[str]:
        """Return QEMU's command; ``disk`` (qcow2) is written to, ``seed`` has the data of the first boot."""
        program, machine_type, code, _ = EMULATORS[self.architecture]
        accelerator = ("tcg,thread=multi", "qemu64" if self.architecture == "amd64" else "cortex-a72")
        if not self.is_emulated:
            accelerator = ("kvm", "host")
        # In an empty network of its own the guest has an address, a router and a name server, but reaches nothing else.
        argv = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--"]
        argv += [program, "-machine", machine_type, "-accel", accelerator[0]]
        argv += ["-cpu", accelerator[1], "-smp", "2", "-m", str(MEMORY_MIB), "-nodefaults", "-display", "none"]
        if not self.is_bios:
            argv += ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={code}"]
            argv += ["-drive", f"if=pflash,format=raw,unit=1,file={folder / 'vars.fd'}"]
        argv += ["-drive", f"file={disk},format=qcow2,if=virtio,cache=unsafe"]
        argv += ["-drive", f"file={seed},format=raw,if=virtio,readonly=on"]
        argv += ["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="]
        argv += ["-device", "virtio-rng-pci", "-serial", "chardev:console"]
        argv += ["-chardev", f"file,id=console,append=on,path={folder / 'console.log'}"]
        # The report needs a port of its own, because a login prompt hangs up other programs that write to the console.
        argv += ["-device", "virtio-serial-pci", "-chardev", f"file,id=proof,append=on,path={folder / 'report'}"]
        return [*argv, "-device", "virtserialport,chardev=proof,name=proof"]


def check_emulator(architecture: str) -> None:
    """Raise BuildError if this machine cannot boot the image."""
    program, _, code, _ = EMULATORS[architecture]
    if find_program(program) is None or not Path(code).exists():
        hint = f"apt-get install {PACKAGES[architecture]}, or use --no-proof and test the image yourself"
        raise BuildError(f"{program} or {code} not found; an image must boot before it is accepted", hint=hint)


def cloud_config(files: Mapping[str, str], commands: Sequence[str]) -> dict[str, Any]:
    """Return a cloud-config that writes scripts and runs commands of a shell."""
    # Contents are written in base64, so that nothing in them needs quoting.
    written = [
        {"path": path, "content": base64.b64encode(text.encode()).decode(), "encoding": "b64", "permissions": "0755"}
        for path, text in files.items()
    ]
    return {"merge_how": APPEND, "write_files": written, "runcmd": [["sh", "-c", command] for command in commands]}


def write_seed(seed: Path, *, name: str, user_data: Sequence[str | dict[str, Any]]) -> None:
    """Write the cloud-configs of a first boot in NoCloud's format: a small disk named CIDATA."""
    # JSON is YAML.
    texts = [part if isinstance(part, str) else f"#cloud-config\n{json.dumps(part)}" for part in user_data]
    archive = [{"type": "text/cloud-config", "content": text} for text in texts]
    with tempfile.TemporaryDirectory(dir=seed.parent) as folder:
        user, meta = Path(folder, "user-data"), Path(folder, "meta-data")
        user.write_text(f"#cloud-config-archive\n{json.dumps(archive)}\n", encoding="utf-8")
        meta.write_text(f"instance-id: {name}\nlocal-hostname: {name}\n", encoding="utf-8")
        run(["mkfs.vfat", "-C", "-n", "CIDATA", str(seed), "2048"])
        run(["mcopy", "-i", str(seed), str(user), str(meta), "::/"])


def prove(work: Workspace, request: Request, image: Path, *, scratch: Path, is_emulated: bool) -> None:
    """Boot the image and print its checks; raise BuildError if one fails."""
    folder = Path(tempfile.mkdtemp(prefix="proof-", dir=scratch))
    machine = Machine(architecture=request.architecture, is_bios=request.is_bios, is_emulated=is_emulated)
    backing_format = "qcow2" if request.format is ImageFormat.QCOW2 else "raw"
    disk = folder / "disk.qcow2"
    size = f"{(request.size >> 30) + GROWN_GIB}G"
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(image.resolve()), "-F", backing_format, str(disk), size])
    if not request.is_bios:
        shutil.copyfile(EMULATORS[request.architecture][3], folder / "vars.fd")
    scripts = {f"/run/{name}": (work.packaging / "images" / name).read_text(encoding="utf-8") for name in SCRIPTS}
    commands = [f"sh /run/first-boot.sh {request.size // 1024}"]
    write_seed(folder / "seed.img", name="proof", user_data=[cloud_config(scripts, commands)])
    with stage(f"booting {image.name}"):
        boot_to_end(machine.argv(folder, disk, folder / "seed.img"), folder)
    report = text_of(folder / "report")
    checks = LINE.findall(report)
    for state, check in checks:
        say(f"  {state:<8}  {check}")
    if "proof: end" not in report:
        console = text_of(folder / "console.log") or text_of(folder / "qemu.log")
        tail = "\n".join("    " + line for line in console.splitlines()[-TAIL:])
        raise BuildError(f"{image.name}: did not finish its boot test\n{tail}", hint="see its console above")
    if broken := [check for state, check in checks if state == "broken"]:
        raise BuildError(f"{image.name}: {len(broken)} of {len(checks)} checks failed", hint="see above")


def boot_to_end(argv: Sequence[str], folder: Path) -> None:
    """Run a machine until it powers itself off or times out."""
    process = start(list(argv), log=folder / "qemu.log")
    deadline = time.monotonic() + BOOT_SECONDS
    try:
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=20)


def text_of(path: Path) -> str:
    """Return the text of a file, empty if it is missing."""
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
