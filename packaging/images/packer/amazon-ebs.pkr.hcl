variable "aws_region" {
  type    = string
  default = "eu-central-1"
}

source "amazon-ebs" "debian" {
  region          = var.aws_region
  instance_type   = "t3.small"
  ami_name        = local.name
  ami_description = "Consul and Docker at 169.254.1.1"
  ena_support     = true
  imds_support    = "v2.0"
  boot_mode       = "uefi-preferred"
  ssh_username    = "admin"

  source_ami_filter {
    filters = {
      name                = "debian-12-amd64-*"
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }
    most_recent = true
    owners      = ["136693071363"] # Debian
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 2 # containers are one hop further away
  }
}
