#!/bin/sh
# Makes a repository that has Consul: $1 is the folder of this script, $2 the repository, $3 the version.
set -eu
rpmbuild -bb --quiet --define "_rpmdir $2" --define "_sourcedir $1" --define "consul_version $3" "$1/consul.spec"
rm "$1/consul"
createrepo_c --quiet "$2"
cat >/etc/yum.repos.d/hashicorp.repo <<END
[hashicorp]
name=hashicorp
baseurl=file://$2
gpgcheck=0
metadata_expire=never
END
dnf --quiet makecache
