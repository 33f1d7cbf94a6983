variable "package" {
  type        = string
  description = "dist/consul-docker-host_VERSION_all.deb, built by ./inv build"
}

variable "consul" {
  type        = string
  description = "Consul as a Debian package, from HashiCorp's repository or from dist/consul/ (./inv consul)"
}

variable "version" {
  type        = string
  description = "Part of the image's name: digits, dots, letters and -"
}

locals {
  name = "consul-docker-host-${replace(var.version, ".", "-")}"
}
