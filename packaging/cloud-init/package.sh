#!/bin/sh
# Installs the deb or the rpm at PACKAGE_URL if it has the SHA-256 of the build.
set -eu

fail() {
    echo "consul-docker-host: $1" >&2
    exit 1
}

add() {
    if [ "$format" = deb ]; then
        apt-get -qy -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold install "$@"
    elif command -v dnf >/dev/null; then
        dnf -qy install "$@"
    else
        zypper -n install --allow-unsigned-rpm "$@"
    fi
}

export DEBIAN_FRONTEND=noninteractive
if command -v apt-get >/dev/null; then
    format=deb name=$DEB sum=$DEB_SHA256
else
    format=rpm name=$RPM sum=$RPM_SHA256
fi
case $PACKAGE_URL in
    http://*/ | https://*/) url=$PACKAGE_URL$name ;;
    *) fail "PACKAGE_URL is \"$PACKAGE_URL\", not an http or https address that ends with /" ;;
esac
[ -n "$name" ] || fail "package.yaml names no $format; rebuild it with both packages"

command -v curl >/dev/null || add curl ca-certificates
dir=$(mktemp -d)
trap 'rm -r "$dir"' EXIT
chmod 755 "$dir"
file=$dir/package.$format
answer=$(curl -fsSL --retry 5 --retry-connrefused --max-time 300 -o "$file" "$url" 2>&1) ||
    fail "$url: $(echo "$answer" | tail -n 1)"
found=$(sha256sum <"$file" | cut -c 1-64)
[ "$found" = "$sum" ] || fail "$url has SHA-256 $found, not $sum; nothing is installed"
add "$file"
consul-docker-host apply
