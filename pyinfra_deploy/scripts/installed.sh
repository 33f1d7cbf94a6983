#!/bin/sh
# installed.sh MANAGER PACKAGE: prints the host's package family, and the package's version if it is
# installed.
#   MANAGER   deb, rpm, or empty: rpm if dnf is installed, else deb
case $1 in
    deb) family=deb ;;
    rpm) family=rpm ;;
    *)
        family=deb
        ! command -v dnf >/dev/null || family=rpm
        ;;
esac
echo "$family"
if [ "$family" = rpm ]; then
    rpm -q --queryformat '%{VERSION}-%{RELEASE}\n' "$2" 2>/dev/null | grep '^[0-9]' || :
else
    # shellcheck disable=SC2016 # dpkg-query's own variables
    dpkg-query -W -f '${db:Status-Status} ${Version}\n' "$2" 2>/dev/null | sed -n 's/^installed //p'
fi
