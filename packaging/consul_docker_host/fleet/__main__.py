"""Run the deploy's own process, with gevent's patches before every other import: else pyinfra's ssh would block."""

# ruff: noqa: E402 - see above
from gevent import monkey

monkey.patch_all()

import json
import sys

from consul_docker_host.core.errors import BuildError
from consul_docker_host.fleet.drive import Asked, drive

if __name__ == "__main__":
    try:
        sys.exit(drive(Asked(**json.loads(sys.argv[1]))))
    except BuildError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
