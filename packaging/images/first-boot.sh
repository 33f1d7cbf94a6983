#!/bin/sh
# first-boot.sh KIB: runs at the first boot of an image under test, as the only server of its
# cluster. The boot test waits until cloud-init is finished, so cloud-init must not wait for it.
printf 'ROLE=server\nBOOTSTRAP_EXPECT=1\n' >>/etc/default/consul-docker-host
consul-docker-host apply
systemd-run --no-block --unit=proof --setenv=GROWN_KIB="$1" sh /run/proof.sh
