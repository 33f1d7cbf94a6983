#!/bin/sh
# python.sh PROGRAM [ARGUMENT]...: runs the text of a Python program that uses the modules of the
# package on the host; prints nothing if these are not installed, and "unusable REASON" if they or
# Python cannot be used.
[ -e "${CONSUL_DOCKER_HOST_ROOT:-}/usr/lib/consul-docker-host/__main__.py" ] || exit 0
if ! command -v python3 >/dev/null; then
    echo 'unusable python3 is missing'
    exit 0
fi
python3 -IB -c "$@" || echo "unusable python3 exited with $?"
