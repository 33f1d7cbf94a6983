"""The steps of a deploy; `./inv deploy` runs them in waves, `pyinfra INVENTORY pyinfra_deploy/deploy.py` all at once."""

from __future__ import annotations

from pyinfra_deploy.host import consul_docker_host

consul_docker_host()
