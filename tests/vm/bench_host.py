"""Figures of the host, measured on booted machines and printed with their goals; none of them fails a test.

`inv bench.host` runs this file. What is compared stands side by side in one run, taken in turn, by medians.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.figures import tell
from tests.support.machines.guest import Guest
from tests.support.machines.hosts import (
    DIG,
    TOOLS,
    Pair,
    Uplink,
    ifupdown,
    load_images,
    wait_for_leader,
    wait_for_registrator,
)
from tests.support.machines.lan import address_of
from tests.support.packages import ADDRESS
from tests.vm.conftest import Bed

pytestmark = pytest.mark.timeout(3600)
SERVER = {"ROLE": "server", "BOOTSTRAP_EXPECT": "1"}
BARE_NUMBER = 8
# What an administrator would write without the package. HashiCorp's unit is ready when it has joined: itself is enough.
BARE_AGENT = json.dumps(
    {
        "server": True,
        "bootstrap_expect": 1,
        "bind_addr": address_of(BARE_NUMBER),
        "retry_join": [address_of(BARE_NUMBER)],
    }
)
WANTS = "/etc/systemd/system/multi-user.target.wants/consul.service"
MULTI_USER = "systemctl show --property ActiveEnterTimestampMonotonic --value multi-user.target"
NAMES = tuple(f"figure-{number}" for number in range(10))
DNS_SECONDS = 5
STARTS = 20
# Each name's first answer, as the clock of this host has it. A program for each question would take the processor
# away from what is measured.
SEEN = r"""
perl -MSocket -e '
    my ($address, $count, $reply) = @ARGV;
    socket(my $dns, PF_INET, SOCK_DGRAM, 0) or die "$!";
    connect($dns, sockaddr_in(53, inet_aton($address))) or die "$!";
    for my $number (1 .. $count) {{
        my @labels = map {{ pack "C/a", $_ }} ("start-$number", "service", "consul");
        my $question = pack("n6", $number, 0x0100, 1, 0, 0, 0) . join("", @labels) . pack("xnn", 1, 1);
        my $end = time + 60;
        while (1) {{
            die "no answer for start-$number\n" if time > $end;
            send $dns, $question, 0;
            vec(my $ready = "", fileno $dns, 1) = 1;
            if (select $ready, undef, undef, 0.5) {{
                recv $dns, $reply, 512, 0;
                my ($id, undef, undef, $answers) = unpack "n4", $reply;
                last if $id == $number and $answers;
            }}
            select undef, undef, undef, 0.02;
        }}
        system "date", "+%s%N";
    }}' {address} {count}
"""
STARTED = """
for number in $(seq {count}); do
  docker run --detach --volume /usr:/usr:ro --publish 80 --env SERVICE_NAME=start-$number --name start-$number \
    {image} sleep infinity >/dev/null
  date --date "$(docker inspect --format '{{{{.State.StartedAt}}}}' start-$number)" +%s%N
  sleep 0.5
done
"""


@pytest.fixture(scope="module")
def pair(bed: Bed) -> Iterator[tuple[Guest, Guest]]:
    """Give a server and a client that has joined it."""
    a = bed.guest(bed.plan("server", 2, distribution="debian-12", uplink=ifupdown(2), is_baked=True, settings=SERVER))
    joins = {"RETRY_JOIN": a.address}
    b = bed.guest(bed.plan("client", 3, distribution="debian-12", uplink=ifupdown(3), is_baked=True, settings=joins))

    def prepare(guest: Guest) -> None:
        assert guest.wait_for_boot() == "running", guest.report()
        load_images(guest)
        wait_for_leader(guest)
        wait_for_registrator(guest)

    Pair(a=a, b=b).prepare(prepare)
    yield a, b
    for guest in (a, b):
        guest.cut_power()


def test_time_to_multi_user(bed: Bed, rounds: int) -> None:
    """Compare boots with and without the package on images that have Consul, dnsmasq and Docker enabled."""
    ours = bed.guest(bed.plan("with", 7, distribution="debian-12", uplink=ifupdown(7), is_baked=True, settings=SERVER))
    bare = bed.guest(
        bed.plan(
            "without",
            BARE_NUMBER,
            distribution="debian-12",
            uplink=ifupdown(BARE_NUMBER),
            is_baked=True,
            has_package=False,
            more=Uplink(
                files={"/etc/consul.d/agent.json": BARE_AGENT}, links={WANTS: "/usr/lib/systemd/system/consul.service"}
            ),
        )
    )
    taken: dict[str, list[float]] = {guest.name: [] for guest in (ours, bare)}
    for number in range(rounds + 1):
        for guest in (ours, bare):
            guest.cut_power()
        for guest in (ours, bare):
            guest.switch_on()
            guest.wait_for_boot()
            if number:  # a first boot makes the machine's id, Docker's folders and more
                taken[guest.name].append(int(guest.output(MULTI_USER)) / 1e6)
            guest.power_off()
    medians = {name: statistics.median(seconds) for name, seconds in taken.items()}
    tell(
        f"time to multi-user: {medians['with']:.1f} s with / {medians['without']:.1f} s without (medians of {rounds})",
        f"{medians['with'] / medians['without']:.3f}",
        "<= 1.05",
    )


def test_queries_per_second(pair: tuple[Guest, Guest], rounds: int) -> None:
    """Compare dnsmasq at our address with the client agent asked directly: ten names, the same concurrency."""
    a, b = pair
    for number, name in enumerate(NAMES):
        body = f'{{"Name": "{name}", "Port": {8000 + number}, "Address": "10.1.1.{number + 1}"}}'
        a.run(f"curl --silent --fail --request PUT --data '{body}' http://{ADDRESS}:8500/v1/agent/service/register")
    b.put("/var/tmp/names", "".join(f"{name}.service.consul A\n" for name in NAMES))
    b.wait_until(f'[ -n "$({DIG} {NAMES[-1]}.service.consul @{ADDRESS})" ]', 30)
    b.run("apt-get install --yes --no-install-recommends dnsperf", seconds=240)
    rates: dict[int, list[float]] = {53: [], 8600: []}
    for _ in range(rounds):
        for port, found in rates.items():
            line = f"dnsperf -s {ADDRESS} -p {port} -d /var/tmp/names -c 10 -q 50 -l {DNS_SECONDS}"
            said = b.output(line, seconds=DNS_SECONDS + 60)
            found.append(float(next(row for row in said.splitlines() if "Queries per second" in row).split()[-1]))
    through, direct = (statistics.median(found) for found in rates.values())
    tell(
        f"DNS: {through:.0f} queries/s through {ADDRESS} / {direct:.0f} of the client agent asked directly",
        f"{through / direct:.1f}",
        ">= 5",
    )


def test_start_to_answer(pair: tuple[Guest, Guest]) -> None:
    """Time from a container's start on one host to its name's first answer on the other."""
    a, b = pair
    with ThreadPoolExecutor(max_workers=2) as pool:
        seen = pool.submit(a.output, SEEN.format(count=STARTS, address=ADDRESS), seconds=900)
        started = pool.submit(b.output, STARTED.format(count=STARTS, image=TOOLS), seconds=900)
        ahead = clock(a) - clock(b)
        pairs = zip(seen.result().split(), started.result().split(), strict=True)
        taken = sorted((int(answered) - int(began)) / 1e9 - ahead for answered, began in pairs)
    tell(
        f"container start -> answer on the other host, p95 of {STARTS}; median {statistics.median(taken):.2f} s",
        f"{taken[int(0.95 * (STARTS - 1))]:.2f} s",
        "<= 1.00 s",
    )


def clock(guest: Guest) -> float:
    """Return how many seconds a guest's clock is ahead of this machine's, by the quickest of some answers."""
    return min((guest.clock_ahead() for _ in range(5)), key=lambda found: found[1])[0]
