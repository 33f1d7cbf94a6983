"""Parse, decide and report on a host: check, status, docker-dns, and rendering Consul's configuration.

The package uses only the standard library of Python 3.9 and later. Everything that a boot depends on is shell, beside
this package: the interface, the guard, DNS and the environment work without Python.
"""
