#!/bin/sh
# answers.sh ROOT, a hook of mmdebstrap's: answers what the boot loader's package would ask. The
# boot loader is put in place by the image's maker: its package must neither look for a disk nor
# for firmware.
set -e
grub=grub-efi-$(chroot "$1" dpkg --print-architecture)
chroot "$1" debconf-set-selections <<END
$grub grub2/update_nvram boolean false
$grub grub2/force_efi_extra_removable boolean true
END
