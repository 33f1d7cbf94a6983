"""An example with three servers, and Docker hosts that join them; pyinfra_deploy/data.py lists all keys."""

from __future__ import annotations

servers = (
    ["server-1.example", "server-2.example", "server-3.example"],
    {"cdh_role": "server", "cdh_bootstrap_expect": 3},
)
clients = [
    "docker-1.example",
    ("docker-2.example", {"cdh_registrator_options": ["-useIpFromLabel=address"]}),
]
