#!/bin/sh
# Part of postinst of the deb and post of the rpm with Consul. Like HashiCorp's own scripts, it
# creates the account and the data directory, gives the configuration to the account, and enables no
# service. $root is the directory that stands for /, empty on the host itself.
# shellcheck disable=SC2154 # each script sets it

ensure_account() {
    if ! getent passwd consul >/dev/null; then
        useradd --system --user-group --home-dir /etc/consul.d --no-create-home \
            --shell /bin/false consul
    fi
    mkdir -p "$root/opt/consul"
    chown -R consul:consul "$root/etc/consul.d" "$root/opt/consul"
}
