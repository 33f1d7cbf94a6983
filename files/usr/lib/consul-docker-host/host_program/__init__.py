"""All that a host parses, decides and reports: check, status, docker-dns, Consul's rendering.

Python's standard library alone, from 3.9 on. What a boot depends on is shell and lies beside this package: the
interface, the guard, DNS and the environment come up without Python.
"""
