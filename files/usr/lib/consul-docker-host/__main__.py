"""Start the host program: `python3 -IB /usr/lib/consul-docker-host COMMAND`.

A directory as the program is the one way in which Python's isolated mode finds modules beside it:
https://docs.python.org/3/using/cmdline.html#interface-options
"""

import sys


def start() -> int:
    """Run the command; where Python cannot, or the program itself is at fault, one line names the reason.

    An older Python has to understand this file: what is beside it is imported later.
    """
    if sys.version_info < (3, 9):  # noqa: UP036 - it is asked of the Python that the host has
        sys.stderr.write("consul-docker-host: python3 is older than 3.9: upgrade it\n")
        return 3
    try:
        from host_program.cli import main  # noqa: PLC0415 - what is missing is reported here

        return main(sys.argv[1:])
    except ImportError as error:
        sys.stderr.write(f"consul-docker-host: python3 or this installation is incomplete: {error}\n")
    except Exception as error:
        place = error.__traceback__
        while place and place.tb_next:
            place = place.tb_next
        where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else "?"
        sys.stderr.write(f"consul-docker-host: internal error at {where}: {type(error).__name__}: {error}\n")
    return 3


sys.exit(start())
