"""What a cloud takes: each limit to the byte, in the form in which the cloud counts it."""

from __future__ import annotations

import base64
import gzip
import hashlib

import pytest

from consul_docker_host.snippets import clouds
from consul_docker_host.snippets.clouds import CLOUDS, Cloud, Form

# Nothing makes it smaller but the half that hexadecimal digits waste.
NOISE = "".join(hashlib.sha512(str(number).encode()).hexdigest() for number in range(4000))


def longest(cloud: Cloud) -> str:
    """Return the longest beginning of the noise that a cloud takes, found by halving."""
    low, high = 0, len(NOISE)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if clouds.size_in(cloud.form, NOISE[:middle]) <= cloud.limit else (low, middle)
    return NOISE[:low]


@pytest.mark.parametrize("cloud", CLOUDS, ids=lambda cloud: cloud.name)
def test_a_text_is_taken_up_to_the_limit(cloud: Cloud) -> None:
    text = longest(cloud)
    taken_by, too_small = clouds.takers(text)
    assert cloud.name in taken_by
    larger = text + NOISE[len(text) : len(text) + 8]
    taken_by, too_small = clouds.takers(larger)
    assert cloud.name in too_small
    assert cloud.name not in taken_by


def test_a_size_is_that_of_the_form() -> None:
    packed = gzip.compress(b"text" * 100, compresslevel=9, mtime=0)
    assert clouds.size_in(Form.text, "text" * 100) == 400
    assert clouds.size_in(Form.gzip, "text" * 100) == len(packed)
    assert clouds.size_in(Form.base64, "text" * 100) == len(base64.b64encode(packed))
    assert clouds.size_in(Form.text, "ü") == 2


def test_a_small_snippet_fits_everywhere_and_a_large_one_names_who_takes_it() -> None:
    assert clouds.verdict("#cloud-config\n") == "0.0 KiB gzipped; fits every cloud"
    middling = clouds.verdict(NOISE[:60_000])
    assert middling.endswith("; too large for EC2, Oracle, Hetzner")
    assert "; fits OpenStack, Azure, DigitalOcean, Google Cloud, NoCloud, LXD, Proxmox; " in middling
    assert clouds.verdict(NOISE).endswith(
        "; fits NoCloud, LXD, Proxmox; too large for EC2, Oracle, Hetzner, OpenStack, Azure, DigitalOcean, Google Cloud"
    )
