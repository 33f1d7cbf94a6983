"""AMIs against moto, a stand-in of AWS on the loopback: every block arrives, the image is registered, no half is left.

The way to the real AWS differs by its address and its credentials alone; both come from the SDK's own variables.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.core.base_backend import BackendDict
from moto.server import ThreadedMotoServer

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import ROOT, Workspace
from consul_docker_host.image import ami as amis
from consul_docker_host.image.ami import BLOCK, make_ami, open_session, plan, read_ami
from tests.unit.kit import inv

REGION = "eu-central-1"
FULL = (0, 3, 4, 7)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Give a raw image of eight blocks, four of them empty, and its manifest."""
    path = tmp_path / "host-0.1.0-bookworm-amd64.raw"
    data = bytearray(8 * BLOCK)
    for index in FULL:
        data[index * BLOCK + 600 : index * BLOCK + 700] = bytes([index + 1]) * 100
    data[512:520] = b"EFI PART"
    path.write_bytes(data)
    inputs = {"architecture": "amd64", "suite": "bookworm", "boots": "UEFI"}
    path.with_name(path.name + ".manifest.json").write_text(json.dumps({"inputs": inputs, "digest": "d" * 64}))
    return path


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give EC2's client of the stand-in, which the environment leads to."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in (
        ("AWS_ENDPOINT_URL", f"http://{host}:{port}"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ):
        monkeypatch.setenv(name, value)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    client = boto3.client("ec2")
    # It keeps what an earlier test has made.
    BackendDict.reset()
    yield client
    client.close()
    server.stop()


def own_images(ec2: Any) -> list[Any]:
    return list(ec2.describe_images(Owners=["self"])["Images"])


def test_every_full_block_is_in_the_snapshot_and_the_image_is_registered(
    image: Path, aws: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = read_ami(image, "")
    made = make_ami(wanted, open_session(""))
    (found,) = own_images(aws)
    assert (found["ImageId"], found["Name"]) == (made, f"host-0.1.0-bookworm-amd64-{'d' * 12}")
    snapshot = re.findall(r"snap-\w+", capsys.readouterr().out)[0]
    ebs = boto3.client("ebs")
    listed = ebs.list_snapshot_blocks(SnapshotId=snapshot)["Blocks"]
    assert sorted(block["BlockIndex"] for block in listed) == list(FULL)
    data = image.read_bytes()
    for block in listed:
        index, token = block["BlockIndex"], block["BlockToken"]
        held = ebs.get_snapshot_block(SnapshotId=snapshot, BlockIndex=index, BlockToken=token)["BlockData"].read()
        assert held == data[index * BLOCK : (index + 1) * BLOCK]
    ebs.close()


def test_the_registration_asks_for_tokens_ena_and_uefi(image: Path) -> None:
    told = read_ami(image, "").registration("snap-1")
    assert (told["ImdsSupport"], told["EnaSupport"], told["BootMode"]) == ("v2.0", True, "uefi")
    assert {tag["Key"] for tag in told["TagSpecifications"][0]["Tags"]} >= {"Name", "consul-docker-host:content"}


def test_a_snapshot_that_becomes_no_image_is_deleted(image: Path, aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {one["SnapshotId"] for one in aws.describe_snapshots(OwnerIds=["self"])["Snapshots"]}
    # A name of two characters is refused by EC2 itself.
    with pytest.raises(BuildError, match=r"(?s)AWS: .*\n  credentials with these rights"):
        make_ami(read_ami(image, "ab"), open_session(""))
    assert {one["SnapshotId"] for one in aws.describe_snapshots(OwnerIds=["self"])["Snapshots"]} == before
    assert own_images(aws) == []


def test_a_dry_run_prints_every_call_and_makes_none(image: Path, aws: Any) -> None:
    done = inv(Workspace(root=ROOT), "image.ami", "--image", str(image), "--dry")
    lines = done.stdout.splitlines()
    assert [line.split()[0].rstrip(",") for line in lines] == [
        "ebs.start_snapshot",
        *["ebs.put_snapshot_block"] * 3,
        "ebs.complete_snapshot",
        "ec2.describe_snapshots",
        "ec2.register_image",
    ]
    assert [re.search(r"(\d+\.\.\d+)", line)[1] for line in lines[1:4]] == ["0..0", "3..4", "7..7"]  # type: ignore[index]
    assert '"ChangedBlocksCount": 4' in lines[4]
    assert own_images(aws) == []


@pytest.mark.parametrize("kind", ["qcow2", "no manifest", "missing"])
def test_what_is_no_image_of_ours_is_named(image: Path, kind: str) -> None:
    if kind == "qcow2":
        image.write_bytes(b"QFI\xfb" + bytes(2048))
    elif kind == "missing":
        image.unlink()
    else:
        image.with_name(image.name + ".manifest.json").unlink()
    with pytest.raises(BuildError, match=r"\.(raw|json): "):
        read_ami(image, "")


def test_without_credentials_or_region_it_is_told(image: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(BuildError, match="--region: is missing"):
        open_session("")
    with pytest.raises(BuildError, match="Unable to locate credentials"):
        make_ami(read_ami(image, ""), open_session(REGION))


def test_a_plan_is_of_the_blocks_that_would_be_sent(image: Path) -> None:
    wanted = read_ami(image, "")
    assert sum(len(block) for _, block in wanted.blocks()) == len(FULL) * BLOCK
    assert len(list(plan(wanted))) == 7
    assert list(amis.runs(iter(()))) == []


def test_an_unknown_profile_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_PROFILE", "tset")
    with pytest.raises(BuildError, match=r"(?s)AWS: .*tset.*\n  correct AWS_PROFILE"):
        open_session(REGION)
