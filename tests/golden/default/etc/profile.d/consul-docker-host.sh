# shellcheck shell=sh
# Every login shell finds Consul while the package is installed. A variable that is set is kept.
if [ -e /usr/lib/consul-docker-host/defaults ]; then
    : "${CONSUL_HTTP_ADDR:=169.254.1.1:8500}" "${CONSUL_RPC_ADDR:=169.254.1.1:8400}"
    export CONSUL_HTTP_ADDR CONSUL_RPC_ADDR
fi
