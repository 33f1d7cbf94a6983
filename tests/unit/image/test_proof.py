"""The proof of an image: how QEMU boots its copy, what a first boot is given, and what is made of what it shows."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.image import proof
from consul_docker_host.image.proof import LINE, Machine, boot_to_end, check_emulator, cloud_config, write_seed
from tests.unit.image.test_disk import REQUEST

DISK, SEED = Path("/x/disk.qcow2"), Path("/x/seed.img")


def test_a_machine_boots_without_a_way_out_and_reads_the_seed_alone() -> None:
    argv = Machine(architecture="amd64").argv(Path("/x"), DISK, SEED)
    assert argv[:6] == ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--"]
    assert "qemu-system-x86_64" in argv
    assert f"file={SEED},format=raw,if=virtio,readonly=on" in argv
    assert [word for word in argv if "OVMF_CODE" in word and "readonly=on" in word]


def test_bios_has_no_firmware_files_and_kvm_is_the_host_s_processor() -> None:
    argv = Machine(architecture="amd64", is_bios=True, is_emulated=False).argv(Path("/x"), DISK, SEED)
    assert not [word for word in argv if "pflash" in word]
    assert (argv[argv.index("-accel") + 1], argv[argv.index("-cpu") + 1]) == ("kvm", "host")


def test_without_an_emulator_the_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "find_program", lambda _: None)
    with pytest.raises(BuildError, match="apt-get install qemu-system-arm qemu-efi-aarch64"):
        check_emulator("arm64")


def test_files_reach_a_first_boot_without_any_quoting() -> None:
    text = "#!/bin/sh\necho '\"$x\"'\n"
    config = cloud_config({"/run/a": text}, ["echo one"])
    (file,) = config["write_files"]
    assert base64.b64decode(file["content"]).decode() == text
    assert config["runcmd"] == [["sh", "-c", "echo one"]]


def test_a_seed_is_a_disk_that_nocloud_reads(tmp_path: Path) -> None:
    seed = tmp_path / "seed.img"
    write_seed(seed, name="proof", user_data=["#cloud-config\n{}\n", {"runcmd": []}])
    user = run(["mtype", "-i", str(seed), "::/user-data"]).stdout
    first, _, rest = user.partition("\n")
    assert first == "#cloud-config-archive"
    assert [part["content"] for part in json.loads(rest)] == ["#cloud-config\n{}\n", '#cloud-config\n{"runcmd": []}']
    assert "instance-id: proof" in run(["mtype", "-i", str(seed), "::/meta-data"]).stdout
    assert list(tmp_path.iterdir()) == [seed]


def prove_with(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge an image whose guest writes this text to its port."""
    image = tmp_path / "x.raw"
    image.write_bytes(bytes(1 << 20))

    def booted(_: object, folder: Path) -> None:
        (folder / "report").write_text(text)
        (folder / "console.log").write_text("the console's last line\n")

    monkeypatch.setattr(proof, "boot_to_end", booted)
    monkeypatch.setattr("shutil.copyfile", lambda *_: None)
    proof.prove(Workspace(), REQUEST, image, scratch=tmp_path, is_emulated=True)


def test_an_image_that_keeps_every_promise_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prove_with("proof: ok one\r\nproof: skipped two: no image\nproof: end\n", tmp_path, monkeypatch)
    assert [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("  ")] == [
        ["ok", "one"],
        ["skipped", "two:", "no", "image"],
    ]


def test_a_broken_promise_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BuildError, match="1 of 2 checks failed"):
        prove_with("proof: ok one\nproof: broken two: why\nproof: end\n", tmp_path, monkeypatch)


def test_a_boot_that_never_ends_shows_its_console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BuildError, match="the console's last line"):
        prove_with("proof: ok one\n", tmp_path, monkeypatch)


def test_a_line_of_the_proof_is_a_state_and_what_was_shown() -> None:
    assert LINE.findall("noise\nproof: ok a b\r\nproof: end\n") == [("ok", "a b")]


def test_a_machine_that_does_not_end_is_killed_when_its_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "BOOT_SECONDS", 0.5)
    boot_to_end(["sh", "-c", f"echo $$ >{tmp_path}/pid; exec sleep 60"], tmp_path)
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()
