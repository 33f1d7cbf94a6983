"""Deploy consul-docker-host to hosts with pyinfra; this package does not need the builder."""
