"""Puts consul-docker-host onto hosts with pyinfra; nothing here needs the builder."""
