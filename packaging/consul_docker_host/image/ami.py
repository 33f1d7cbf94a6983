"""Turn a raw image into an AMI: upload its blocks through EBS's direct API into a snapshot, and register that with EC2.

This starts no machine and needs no bucket. A snapshot that is not completed is deleted. The AWS SDK finds account and
region: in the environment, in a profile, or by the machine's own role.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.report import say, stage

BLOCK = 512 * 1024
GIB = 1 << 30
WORKERS = 8
MINUTES = 30
SNAPSHOT_SECONDS, POLL_SECONDS = 900, 5
EC2_ARCHITECTURES = {"amd64": "x86_64", "arm64": "arm64"}
RIGHTS = "ebs:StartSnapshot, PutSnapshotBlock, CompleteSnapshot; ec2:DescribeSnapshots, DeleteSnapshot, RegisterImage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ami:
    """The requested AMI: the raw disk, its name, its firmware and its tags."""

    image: Path
    name: str
    architecture: str
    is_bios: bool
    tags: Mapping[str, str]

    @property
    def gib(self) -> int:
        """The volume's size in GiB, rounded up."""
        return -(-self.image.stat().st_size // GIB)

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        """Yield the blocks that are not empty, by index; the last one is filled up with zeros."""
        with self.image.open("rb") as file:
            index = 0
            while block := file.read(BLOCK):
                if block.strip(b"\0"):
                    yield index, block.ljust(BLOCK, b"\0")
                index += 1

    def registration(self, snapshot: str) -> dict[str, Any]:
        """Return the arguments for EC2: Nitro's network, metadata only with a token (IMDSv2), gp3 volumes."""
        return {
            "Name": self.name,
            "Description": "consul-docker-host: Consul and Docker at 169.254.1.1",
            "Architecture": EC2_ARCHITECTURES[self.architecture],
            "VirtualizationType": "hvm",
            "BootMode": "uefi-preferred" if self.is_bios else "uefi",
            "EnaSupport": True,
            "ImdsSupport": "v2.0",
            "RootDeviceName": "/dev/xvda",
            "BlockDeviceMappings": [
                {
                    "DeviceName": "/dev/xvda",
                    "Ebs": {"SnapshotId": snapshot, "VolumeType": "gp3", "DeleteOnTermination": True},
                }
            ],
            "TagSpecifications": [
                {"ResourceType": "image", "Tags": [{"Key": key, "Value": value} for key, value in self.tags.items()]}
            ],
        }


def read_ami(image: Path, name: str) -> Ami:
    """Return the AMI of an image that `inv image --format raw` made; raise BuildError for any other file."""
    if not image.is_file():
        raise BuildError(f"--image {image}: no such file", hint="./inv image --format raw makes one in dist/images/")
    with image.open("rb") as file:
        if file.read(1024)[512:520] != b"EFI PART":
            raise BuildError(
                f"--image {image}: is not a raw disk with a GPT", hint="./inv image --format raw makes one"
            )
    beside = image.with_name(f"{image.name}.manifest.json")
    try:
        manifest = json.loads(beside.read_text(encoding="utf-8"))
        inputs, digest = manifest["inputs"], str(manifest["digest"])
    except (OSError, ValueError, KeyError) as error:
        raise BuildError(f"{beside}: {error}", hint="keep the image's .manifest.json next to it") from None
    return Ami(
        image=image,
        # A name has 3 to 128 characters and must be unique in a region, so it contains the content's digest.
        name=name or f"{image.stem}-{digest[:12]}",
        architecture=str(inputs["architecture"]),
        is_bios="BIOS" in str(inputs["boots"]),
        tags={"Name": image.stem, "consul-docker-host:content": digest, "consul-docker-host:suite": inputs["suite"]},
    )


def plan(ami: Ami) -> Iterator[str]:
    """Yield every call that making the AMI needs, in order; consecutive blocks share a line."""
    yield f"ebs.start_snapshot {call({'VolumeSize': ami.gib, 'Tags': tags_of(ami), 'Timeout': MINUTES})}"
    count = 0
    for first, last in runs(index for index, _ in ami.blocks()):
        count += last - first + 1
        yield f"ebs.put_snapshot_block {call({'BlockIndex': f'{first}..{last}', 'DataLength': BLOCK})}"
    yield f"ebs.complete_snapshot {call({'ChangedBlocksCount': count})}"
    yield "ec2.describe_snapshots, until it is completed"
    yield f"ec2.register_image {call(ami.registration('SNAPSHOT'))}"


def call(arguments: Mapping[str, Any]) -> str:
    """Return a call's arguments for printing."""
    return json.dumps(arguments)


def runs(indices: Iterator[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of each run of consecutive numbers."""
    first = last = -1
    for index in indices:
        if index != last + 1 or first < 0:
            if first >= 0:
                yield first, last
            first = index
        last = index
    if first >= 0:
        yield first, last


def tags_of(ami: Ami) -> list[dict[str, str]]:
    """Return the tags in the form that both services expect."""
    return [{"Key": key, "Value": value} for key, value in ami.tags.items()]


def open_session(region: str) -> boto3.session.Session:
    """Return a session in the region; raise BuildError if neither the user nor AWS's configuration names one."""
    try:
        session = boto3.session.Session(region_name=region or None)
    except BotoCoreError as error:  # AWS_PROFILE names a profile that is in no file
        raise BuildError(f"AWS: {error}", hint="correct AWS_PROFILE, or the profile in ~/.aws") from error
    if not session.region_name:
        raise BuildError(
            "--region: is missing, and neither AWS_DEFAULT_REGION nor a profile names one",
            hint="give a region, such as --region eu-central-1",
        )
    return session


def make_ami(ami: Ami, session: boto3.session.Session) -> str:
    """Make the AMI and return its ID; raise BuildError with AWS's message if AWS refuses."""
    try:
        config = Config(retries={"mode": "adaptive", "max_attempts": 10}, max_pool_connections=WORKERS)
        return upload(ami, session.client("ebs", config=config), session.client("ec2", config=config))
    except (BotoCoreError, ClientError) as error:
        raise BuildError(f"AWS: {error}", hint=f"credentials with these rights: {RIGHTS}") from error


def upload(ami: Ami, ebs: Any, ec2: Any) -> str:
    """Write the snapshot and register it; delete the snapshot if any step fails."""
    snapshot = ebs.start_snapshot(VolumeSize=ami.gib, Tags=tags_of(ami), Timeout=MINUTES)["SnapshotId"]
    say(f"snapshot {snapshot}, {ami.gib} GiB")
    try:
        with stage("uploading blocks"):
            count = put_blocks(ami, ebs, snapshot)
        ebs.complete_snapshot(SnapshotId=snapshot, ChangedBlocksCount=count)
        with stage(f"waiting until {snapshot} is completed"):
            waiter = ec2.get_waiter("snapshot_completed")
            wait = {"Delay": POLL_SECONDS, "MaxAttempts": SNAPSHOT_SECONDS // POLL_SECONDS}
            waiter.wait(SnapshotIds=[snapshot], WaiterConfig=wait)
        return str(ec2.register_image(**ami.registration(snapshot))["ImageId"])
    except BaseException:
        say(f"deleting {snapshot}: no AMI was made of it")
        ec2.delete_snapshot(SnapshotId=snapshot)
        raise


def put_blocks(ami: Ami, ebs: Any, snapshot: str) -> int:
    """Send every block that is not empty, several in parallel, each with its SHA-256; return their number."""

    def put(item: tuple[int, bytes]) -> None:
        index, block = item
        ebs.put_snapshot_block(
            SnapshotId=snapshot,
            BlockIndex=index,
            BlockData=block,
            DataLength=BLOCK,
            Checksum=base64.b64encode(hashlib.sha256(block).digest()).decode(),
            ChecksumAlgorithm="SHA256",
        )

    count = 0
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        # Pending blocks are in memory, so only a few of them may wait at a time.
        window: list[Any] = []
        for item in ami.blocks():
            window.append(pool.submit(put, item))
            count += 1
            if len(window) >= 4 * WORKERS:
                window.pop(0).result()
        for job in window:
            job.result()
    return count
