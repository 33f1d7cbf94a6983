# One build for all clouds; `packer build -only='*.qemu.*' ...` selects one of them.
build {
  sources = [
    "source.amazon-ebs.debian",
    "source.azure-arm.debian",
    "source.googlecompute.debian",
    "source.qemu.debian",
  ]

  provisioner "shell" {
    inline = ["mkdir -p /tmp/bake"]
  }

  provisioner "file" {
    sources     = [var.package, var.consul]
    destination = "/tmp/bake/"
  }

  provisioner "file" {
    source      = "${path.root}/../seal.sh"
    destination = "/tmp/seal.sh"
  }

  # The check runs in the build machine, and an image that is not healthy there is not created.
  provisioner "shell" {
    execute_command = "chmod +x {{ .Path }}; sudo env {{ .Vars }} {{ .Path }}"
    script          = "${path.root}/provision.sh"
  }
}
