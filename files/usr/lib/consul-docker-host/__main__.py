"""Start the host program: `python3 -IB /usr/lib/consul-docker-host COMMAND`.

In isolated mode Python finds the modules beside a program only if the program is a directory:
https://docs.python.org/3/using/cmdline.html#interface-options
"""

import sys


def start() -> int:
    """Run the command; if Python or the program itself is broken, report the reason in one line.

    Older versions of Python must be able to parse this file, so the other modules are imported later.
    """
    if sys.version_info < (3, 9):  # noqa: UP036 - this checks the Python of the host
        sys.stderr.write("consul-docker-host: python3 is older than 3.9: upgrade it\n")
        return 3
    try:
        from host_program.cli import main  # noqa: PLC0415 - a missing module is reported below

        return main(sys.argv[1:])
    except ImportError as error:
        sys.stderr.write(f"consul-docker-host: python3 or this installation is incomplete: {error}\n")
    except Exception as error:
        frame = error.__traceback__
        while frame and frame.tb_next:
            frame = frame.tb_next
        position = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else "?"
        sys.stderr.write(f"consul-docker-host: internal error at {position}: {type(error).__name__}: {error}\n")
    return 3


sys.exit(start())
