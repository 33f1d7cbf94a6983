variable "gcp_project" {
  type    = string
  default = ""
}

variable "gcp_zone" {
  type    = string
  default = "europe-west3-a"
}

source "googlecompute" "debian" {
  project_id          = var.gcp_project
  zone                = var.gcp_zone
  machine_type        = "e2-small"
  source_image_family = "debian-12"
  image_name          = local.name
  image_family        = "consul-docker-host"
  image_description   = "Consul and Docker at 169.254.1.1"
  ssh_username        = "packer"
}
