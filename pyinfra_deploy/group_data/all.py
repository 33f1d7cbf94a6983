"""The data that all hosts of the example share; a file with the name of a group adds to it."""

from __future__ import annotations

ssh_user = "root"
cdh_datacenter = "dc1"
cdh_join = ["server-1.example", "server-2.example", "server-3.example"]
