"""Story: the power fails while a machine boots its image, the first time too: the next boot is a healthy one.

Of ten cuts only the first is in the short form: it is the client's in `test_boot`.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.image.kit import OFF, Made, alone, assert_clean, new_machine

ROUNDS = 10


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_after_each_cut_comes_a_healthy_boot_and_a_clean_end(made: Made, tmp_path: Path) -> None:
    chance = random.Random(11)  # noqa: S311
    machine = new_machine(
        made.image,
        tmp_path / "cut",
        name="cut",
        settings={"ROLE": "server", "BOOTSTRAP_EXPECT": "1"},
        network=alone(),
        question=OFF,
    )
    try:
        for _ in range(ROUNDS):
            machine.switch_on()
            moment = chance.uniform(10.0, 80.0)
            time.sleep(moment)
            machine.cut_power()
            boots = len(machine.told())
            machine.switch_on()
            told = machine.wait_for_boot(boots + 1)
            assert told["state"] == "ok", f"power cut after {moment:.0f} s\n{machine.report()}"
            machine.wait_for_its_end()
        assert len({boot["machine"] for boot in machine.told()}) == 1, "it became another one"
    finally:
        machine.cut_power()
    assert_clean(tmp_path / "cut" / "disk.qcow2", tmp_path)
