#!/bin/sh
# For Fedora, Enterprise Linux, Amazon Linux and openSUSE. $1: what is to be installed, $2: what is to be within reach; blanks
# between. What is within reach lies in a repository of the image, and no other is asked any more.
set -eu
repository=/srv/repository/base
mkdir -p "$repository"
if command -v zypper >/dev/null; then
    # shellcheck disable=SC2086
    zypper --non-interactive install --no-recommends $1
    # shellcheck disable=SC2086
    zypper --non-interactive --pkg-cache-dir "$repository" install --no-recommends --download-only $2
    rm -f /etc/zypp/repos.d/*
else
    # shellcheck disable=SC2086
    dnf --assumeyes install $1
    # dnf 5 has the command in a package of its own.
    dnf download --help >/dev/null 2>&1 || dnf --assumeyes install dnf-plugins-core || dnf --assumeyes install dnf5-plugins
    # shellcheck disable=SC2086
    dnf --assumeyes download --resolve --alldeps --destdir "$repository" $2
    rm -f /etc/yum.repos.d/*
fi
createrepo_c --quiet "$repository"
mkdir -p /etc/yum.repos.d
cat >/etc/yum.repos.d/test.repo <<END
[base]
name=base
baseurl=file://$repository
gpgcheck=0
metadata_expire=never
END
systemctl mask getty.target console-getty.service getty-static.service
dnf --quiet makecache
