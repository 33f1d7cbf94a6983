"""The clouds' limits for user data; only this module knows them."""

from __future__ import annotations

import base64
import gzip
from dataclasses import dataclass
from enum import StrEnum


class Form(StrEnum):
    """How user data is sent to a cloud: cloud-init always unpacks gzip, but base64 only on clouds that use it."""

    text = "as text"
    gzip = "gzipped"
    base64 = "gzipped, in base64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """A cloud that limits user data to ``limit`` bytes, counted in ``form``."""

    name: str
    limit: int
    form: Form


# The limits are from the clouds' documentation in 2026. EC2 and Azure count decoded bytes, the others sent bytes.
CLOUDS = (
    # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html
    Cloud(name="EC2", limit=16_384, form=Form.gzip),
    # https://docs.oracle.com/iaas/Content/Compute/Tasks/updatinginstancemetada.htm: all metadata together
    Cloud(name="Oracle", limit=32_000, form=Form.base64),
    # https://docs.hetzner.cloud/reference/cloud: a text; cloud-init's own data source decodes base64 there
    Cloud(name="Hetzner", limit=32_768, form=Form.base64),
    # https://docs.openstack.org/nova/latest/user/metadata.html
    Cloud(name="OpenStack", limit=65_535, form=Form.base64),
    # https://learn.microsoft.com/azure/virtual-machines/custom-data
    Cloud(name="Azure", limit=65_535, form=Form.gzip),
    # https://docs.digitalocean.com/products/droplets/how-to/provide-user-data: neither gzip nor base64
    Cloud(name="DigitalOcean", limit=65_536, form=Form.text),
    # https://cloud.google.com/compute/docs/metadata/overview: a value of metadata is a text
    Cloud(name="Google Cloud", limit=262_144, form=Form.text),
)
# They read user data from a file or a disk, without a limit that matters for a snippet.
UNLIMITED = ("NoCloud", "LXD", "Proxmox")


def size_in(form: Form, text: str) -> int:
    """Return the size in bytes of a user data text in a form."""
    if form is Form.text:
        return len(text.encode())
    packed = gzip.compress(text.encode(), compresslevel=9, mtime=0)
    return len(base64.b64encode(packed) if form is Form.base64 else packed)


def takers(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the clouds that accept a user data text, and those for which it is too large."""
    sizes = {form: size_in(form, text) for form in Form}
    too_small = tuple(cloud.name for cloud in CLOUDS if sizes[cloud.form] > cloud.limit)
    return (*(cloud.name for cloud in CLOUDS if cloud.name not in too_small), *UNLIMITED), too_small


def verdict(text: str) -> str:
    """Return the text for the build's table: the size of a snippet and the clouds that accept it."""
    taken_by, too_small = takers(text)
    size = f"{size_in(Form.gzip, text) / 1024:.1f} KiB gzipped"
    if not too_small:
        return f"{size}; fits every cloud"
    return f"{size}; fits {', '.join(taken_by)}; too large for {', '.join(too_small)}"
