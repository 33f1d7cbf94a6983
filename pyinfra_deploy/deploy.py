"""The steps of a deploy: `./inv deploy` takes them in waves, pyinfra's own command with this file all at once."""

from __future__ import annotations

from pyinfra_deploy.host import consul_docker_host

consul_docker_host()
