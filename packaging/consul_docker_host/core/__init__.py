"""Basics without knowledge of Consul or packages, which every room may use: errors, programs, paths, locks, reports."""
