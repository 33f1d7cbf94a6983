"""Builds the consul-docker-host packages, cloud-init snippets and images from one rendered tree."""
