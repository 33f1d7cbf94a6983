"""Booted machines for tests: their disks, the programs that run them, and the network between them."""
