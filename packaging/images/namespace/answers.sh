#!/bin/sh
# answers.sh ROOT, a hook of mmdebstrap's: answers the questions of the boot loader's package. The
# builder installs the boot loader itself, so the package must look for neither a disk nor firmware.
set -e
grub=grub-efi-$(chroot "$1" dpkg --print-architecture)
chroot "$1" debconf-set-selections <<END
$grub grub2/update_nvram boolean false
$grub grub2/force_efi_extra_removable boolean true
END
