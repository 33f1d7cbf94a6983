variable "qemu_image" {
  type        = string
  description = "A cloud image, file or address"
  default     = "https://cloud.debian.org/images/cloud/bookworm/latest/debian-12-genericcloud-amd64.qcow2"
}

variable "qemu_checksum" {
  type    = string
  default = "file:https://cloud.debian.org/images/cloud/bookworm/latest/SHA512SUMS"
}

source "qemu" "debian" {
  iso_url          = var.qemu_image
  iso_checksum     = var.qemu_checksum
  disk_image       = true
  disk_size        = "8G"
  format           = "qcow2"
  output_directory = "dist/packer"
  vm_name          = "${local.name}.qcow2"
  headless         = true
  ssh_username     = "packer"
  ssh_password     = "packer"
  shutdown_command = "sudo poweroff"

  # The build machine's own login; provision.sh locks it.
  cd_label = "cidata"
  cd_content = {
    "meta-data" = "instance-id: packer\n"
    "user-data" = <<-EOT
      #cloud-config
      ssh_pwauth: true
      users:
        - name: packer
          sudo: ALL=(ALL) NOPASSWD:ALL
          shell: /bin/bash
          lock_passwd: false
          plain_text_passwd: packer
    EOT
  }
}
