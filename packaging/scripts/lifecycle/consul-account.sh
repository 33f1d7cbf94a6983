#!/bin/sh
# In postinst of the deb and post of the rpm with Consul: as HashiCorp's own scripts do, the
# account and the data directory, the configuration in the account's hands, no service. $root as
# elsewhere.
# shellcheck disable=SC2154 # each script sets it

ensure_account() {
    if ! getent passwd consul >/dev/null; then
        useradd --system --user-group --home-dir /etc/consul.d --no-create-home \
            --shell /bin/false consul
    fi
    mkdir -p "$root/opt/consul"
    chown -R consul:consul "$root/etc/consul.d" "$root/opt/consul"
}
