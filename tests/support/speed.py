"""How fast this machine is at this moment; waits scale with it, so that a busy machine is slow and passes all the same.

The measure is how many processes start and end within a moment, because that is what most stories wait for.
"""

from __future__ import annotations

import functools
import os
import time

# Of an idle machine with two cores of 2.5 GHz, on which the limits in the stories were found.
REFERENCE_STARTS_A_SECOND = 900.0
# Beyond this, waiting longer only hides that a story hangs.
MOST = 12.0
CALIBRATION_SECONDS = 1.0
# One measurement serves all processes of a run: the workers inherit the environment.
VARIABLE = "CONSUL_DOCKER_HOST_TEST_SLOWNESS"
PROGRAM = "/bin/true"


def measure(seconds: float = CALIBRATION_SECONDS) -> float:
    """Return by what this machine is slower than the reference now: 1.0 to MOST."""
    begin, starts = time.monotonic(), 0
    while (elapsed := time.monotonic() - begin) < seconds:
        os.waitpid(os.posix_spawn(PROGRAM, [PROGRAM], {}), 0)
        starts += 1
    return min(MOST, max(1.0, REFERENCE_STARTS_A_SECOND * elapsed / starts))


@functools.cache
def slowness() -> float:
    """Return by what this machine is slower than the reference, measured once in a run."""
    if VARIABLE not in os.environ:
        os.environ[VARIABLE] = f"{measure():.2f}"
    return float(os.environ[VARIABLE])


def scaled(seconds: float) -> float:
    """Return how long a wait of ``seconds`` on the reference may take here."""
    return seconds * slowness()


def is_within(took: float, seconds: float) -> bool:
    """Return whether what took so long here keeps to ``seconds`` on the reference; the load may have come later."""
    return took <= scaled(seconds) or took <= seconds * measure(0.3)


def header() -> str:
    """Return the line that a run begins with."""
    if slowness() == 1.0:
        return "speed: as fast as the reference or faster; waits are as written"
    return f"speed: {slowness():.1f} times slower than the reference; waits are {slowness():.1f} times longer"
