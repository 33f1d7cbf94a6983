"""Story: the power fails while a machine boots its image, the first time too: the next boot is a healthy one."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.image.kit import Made, alone, new_machine

CUTS, CUTS_LONG = 1, 10


def test_power_may_fail_at_any_moment_the_first_boot_included(
    made: Made, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    cuts = CUTS_LONG if request.config.getoption("long") else CUTS
    chance = random.Random(11)  # noqa: S311
    machine = new_machine(
        made.image,
        tmp_path / "cut",
        name="cut",
        settings={"ROLE": "server", "BOOTSTRAP_EXPECT": "1"},
        network=alone(),
    )
    try:
        for _ in range(cuts):
            machine.switch_on()
            time.sleep(chance.uniform(15.0, 90.0))
            machine.cut_power()
        machine.switch_on()
        boots = len(machine.told())
        assert machine.wait_for_boot(boots + 1)["state"] == "ok", machine.report()
    finally:
        machine.cut_power()
