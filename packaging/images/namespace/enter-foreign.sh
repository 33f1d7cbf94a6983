#!/bin/sh
# enter-foreign.sh ROOT PROGRAM [ARGUMENT...]: runs a program in the root of an existing image.
# It mounts the parts that a stopped system lacks (processes, devices, a name server), none of which
# is written to its disk.
set -e
cd "$1"
shift
mount -t proc proc proc
for place in dev run tmp; do
    mount -t tmpfs -o mode=755 tmpfs "$place"
done
chmod 1777 tmp
for name in null zero full random urandom; do
    : >"dev/$name"
    mount --bind "/dev/$name" "dev/$name"
done
ln -s /proc/self/fd dev/fd
case $(readlink etc/resolv.conf) in
    '') [ ! -e etc/resolv.conf ] || mount --bind /etc/resolv.conf etc/resolv.conf ;;
    *run/*)
        mkdir -p run/systemd/resolve run/resolvconf
        for name in systemd/resolve/stub-resolv.conf systemd/resolve/resolv.conf \
            resolvconf/resolv.conf; do
            cp /etc/resolv.conf "run/$name" || :
        done
        ;;
esac
exec chroot . "$@"
