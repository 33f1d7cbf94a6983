"""Start the host program: `python3 -IB /usr/lib/consul-docker-host COMMAND`.

A directory as the program is the one way in which Python's isolated mode finds modules beside it:
https://docs.python.org/3/using/cmdline.html#interface-options
"""

from __future__ import annotations

import sys

from host_program.cli import main

sys.exit(main(sys.argv[1:]))
