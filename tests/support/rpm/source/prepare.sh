#!/bin/sh
# Turns a Debian system into one whose interesting packages rpm manages; $1 is the folder of this script.
set -eu
repository=/srv/repository/base
mkdir -p /etc/rpm /etc/yum.repos.d "$repository"
# The unshare plug-in of rpm 4.20 needs a capability that a container under construction has not.
cat >/etc/rpm/macros <<'END'
%_dbpath /var/lib/rpm
%_binary_payload w0.gzdio
%_rpmdir /srv/repository/base
%_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm
%__os_install_post %{nil}
%debug_package %{nil}
%__transaction_unshare %{nil}
END
cat >/etc/yum.repos.d/test.repo <<'END'
[base]
name=base
baseurl=file:///srv/repository/base
gpgcheck=0
metadata_expire=never
END

pack() { # NAME DEBIAN-PACKAGE SPEC: what dpkg installed leaves dpkg's hands and becomes an rpm
    dpkg -L "$2" | grep -E '^(/usr/s?bin|/s?bin|/usr/lib|/lib)/' | grep -v -e /systemd/ -e '/tmpfiles.d/' -e /doc/ | while read -r file; do
        [ -d "$file" ] || readlink -f "$(dirname "$file")" | sed "s|\$|/$(basename "$file")|"
    done >"/tmp/$1.list"
    rpmbuild -bb --quiet --define "_sourcedir $here" --define "tool $1" --define "list /tmp/$1.list" "$here/$3"
    dpkg --purge --force-depends "$2" >/dev/null 2>&1
}

here=$1
rpmbuild -bb --quiet --define "_sourcedir $here" "$here/base.spec"
pack nftables nftables tool.spec
pack dnsmasq dnsmasq-base dnsmasq.spec
# The rpm makes an account of its own.
userdel dnsmasq
createrepo_c --quiet "$repository"
rm -f /etc/environment
# Debian's older rpm advises against itself unless it is told; newer ones do not know the word.
rpm --force-debian --version >/dev/null 2>&1 || echo 'rpm alias --force-debian --nosignature' >>/etc/popt
rpm --initdb
rpm -i --force-debian "$repository"/setup-*.rpm "$repository"/systemd-*.rpm "$repository"/bash-*.rpm \
    "$repository"/iproute-*.rpm "$repository"/procps-ng-*.rpm
dnf --quiet makecache
