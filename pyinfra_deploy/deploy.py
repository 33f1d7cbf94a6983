"""The entry point for pyinfra's own command, which deploys to all hosts at once; `./inv deploy` deploys in waves."""

from __future__ import annotations

from pyinfra_deploy.host import consul_docker_host

consul_docker_host()
