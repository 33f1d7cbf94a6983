"""The faults from the settings to Consul's own DNS."""

from __future__ import annotations

from tests.host.faults import AFTER_CONSUL, LOOPING, SILENT, Fault, held, settings
from tests.host.healthy import ADDRESS, DATA, EMPTY, EVERYWHERE, UNKNOWN, units

FAULTS = {
    "an unknown key": Fault(
        link="settings", state="warn", text="consul-docker-host:2: ", remedy="apply", files=settings("# x\nNONSENSE\n")
    ),
    "a wrong value": Fault(
        link="settings", state="warn", text="HOST_IP: ", remedy="apply", files=settings("HOST_IP=no\n")
    ),
    "the link missing": Fault(
        link="link",
        state="broken",
        text="dummy0 is missing",
        remedy="restart consul-docker-host-link",
        answers=(("link", ""),),
    ),
    "the link down": Fault(
        link="link",
        state="broken",
        text="dummy0 is down",
        remedy="restart consul-docker-host-link",
        answers=(("link", "3: dummy0: <BROADCAST,NOARP> mtu 1500 state DOWN\n"),),
    ),
    "the address missing": Fault(
        link="address",
        state="broken",
        text="not on dummy0",
        remedy="restart consul-docker-host-link",
        answers=(("address", ""),),
    ),
    "the address elsewhere too": Fault(
        link="address",
        state="warn",
        text="also on cali0",
        remedy=f"address delete {ADDRESS}/32 dev cali0",
        answers=(("address", DATA["address"] + f"9: cali0    inet {ADDRESS}/32 scope link cali0\n"),),
    ),
    "the address elsewhere alone": Fault(
        link="address",
        state="broken",
        text="but on cali0",
        remedy="restart consul-docker-host-link",
        answers=(("address", f"9: cali0    inet {ADDRESS}/32 scope link cali0\n"),),
    ),
    "the guard missing": Fault(
        link="guard",
        state="broken",
        text="reachable from the network",
        remedy="restart consul-docker-host-guard",
        answers=(("guard", ""),),
    ),
    "the guard's unit failed": Fault(
        link="guard",
        state="broken",
        text="consul-docker-host-guard failed",
        remedy="restart consul-docker-host-guard",
        answers=(("guard", ""), ("units", units(consul_docker_host_guard="loaded failed failed"))),
    ),
    "the guard's unit failed and the watch fixed it": Fault(
        link="guard",
        state="warn",
        text="consul-docker-host-guard failed",
        remedy="restart consul-docker-host-guard",
        answers=(("units", units(consul_docker_host_guard="loaded failed failed")),),
    ),
    "nft missing": Fault(
        link="guard", state="broken", text="nft is not installed", remedy="install nftables", lacks="nft"
    ),
    "consul missing": Fault(
        link="consul",
        state="broken",
        text="not installed",
        remedy="install consul",
        lacks="consul",
        answers=LOOPING,
        also_not_ok=AFTER_CONSUL,
    ),
    "consul missing under a running one": Fault(
        link="consul", state="warn", text="would fail to restart", remedy="install consul", lacks="consul"
    ),
    "consul stopped": Fault(
        link="consul",
        state="broken",
        text="is stopped",
        remedy="systemctl start consul.service",
        answers=(*LOOPING, ("units", units(consul="loaded inactive dead"))),
        also_not_ok=AFTER_CONSUL,
    ),
    "consul skipped": Fault(
        link="consul",
        state="broken",
        text="does not start without /etc/consul.d/consul.hcl",
        remedy="data_dir",
        answers=(
            *LOOPING,
            ("units", units(consul="loaded inactive dead")),
            ("unit", "[Unit]\nConditionFileNotEmpty=/etc/consul.d/consul.hcl\n"),
        ),
        also_not_ok=AFTER_CONSUL,
    ),
    "consul masked": Fault(
        link="consul",
        state="broken",
        text="is masked",
        remedy="systemctl unmask consul.service && systemctl start consul.service",
        answers=(*LOOPING, ("units", units(consul="masked inactive dead"))),
        also_not_ok=AFTER_CONSUL,
    ),
    "consul fails for a reason of its own": Fault(
        link="consul",
        state="broken",
        text="==> disk error",
        remedy="journalctl -u consul.service",
        answers=(*LOOPING, ("journal", "fine\n==> disk error\nconsul.service: Failed with result 'exit-code'.\n")),
        also_not_ok=AFTER_CONSUL,
    ),
    "a file of consul.d is no JSON": Fault(
        link="consul",
        state="broken",
        text="/etc/consul.d/web.json:2: ",
        remedy="fix that file",
        answers=LOOPING,
        files=(("etc/consul.d/web.json", '{"service":\n  {"name": x}}\n'),),
        also_not_ok=AFTER_CONSUL,
    ),
    "a file of consul.d has an unknown key": Fault(
        link="consul",
        state="broken",
        text="cannot start: /etc/consul.d/x.hcl: 1 error: * invalid key servce",
        remedy="fix that file",
        answers=(
            *LOOPING,
            (
                "consul",
                "Config validation failed: failed to parse /etc/consul.d/x.hcl: 1 error:\n\t* invalid key servce\n\n",
            ),
        ),
        also_not_ok=AFTER_CONSUL,
    ),
    "a file of consul.d is broken under a running one": Fault(
        link="consul",
        state="warn",
        text="would fail to restart: /etc/consul.d/web.json:1",
        remedy="fix that file",
        files=(("etc/consul.d/web.json", "{"),),
    ),
    "no default route": Fault(
        link="consul",
        state="broken",
        text="no default route",
        remedy="HOST_IP=",
        answers=(*LOOPING, ("consul", "* bind_addr: error calling GetDefaultInterfaces: No default interface found\n")),
        also_not_ok=AFTER_CONSUL,
    ),
    "port 8500 held": Fault(
        link="consul",
        state="broken",
        text=f"{ADDRESS}:8500 is held by python3 (process 77)",
        remedy="kill 77",
        answers=(*LOOPING, ("listen", held(8500, "python3"))),
        also_not_ok=AFTER_CONSUL,
    ),
    "port 8600 held by a service on all addresses": Fault(
        link="consul",
        state="broken",
        text="0.0.0.0:8600 is held by nsd",
        remedy="systemctl disable --now nsd.service",
        answers=(*LOOPING, ("listen", held(8600, "nsd", EVERYWHERE)), ("owner", "nsd.service\n")),
        also_not_ok=AFTER_CONSUL,
    ),
    "the API silent": Fault(
        link="api",
        state="broken",
        text="no answer at http://169.254.1.1:8500",
        remedy="systemctl restart consul.service",
        answers=(("agent.self", ""),),
    ),
    "the API refuses": Fault(
        link="api",
        state="broken",
        text="(ACL)",
        remedy="AGENT_TOKEN_FILE=",
        answers=(("agent.self", ""), ("http_code", "403")),
    ),
    "not joined": Fault(
        link="joined",
        state="warn",
        text="no server is configured",
        remedy="RETRY_JOIN=",
        answers=(("status.leader", ""), ("dns-8600-name", EMPTY), ("dns-53-name", EMPTY)),
        also_not_ok="dns dnsmasq resolver",
    ),
    "no server answers": Fault(
        link="joined",
        state="warn",
        text="no answer from 10.0.0.9",
        remedy="fix RETRY_JOIN=",
        files=settings("RETRY_JOIN=10.0.0.9\n"),
        answers=(("status.leader", '""'), ("dns-8600-name", UNKNOWN), ("dns-53-name", UNKNOWN)),
        also_not_ok="dns dnsmasq resolver",
    ),
    "no leader": Fault(
        link="joined",
        state="warn",
        text="no leader yet: 3 servers",
        remedy="on each of them",
        files=settings("ROLE=server\nBOOTSTRAP_EXPECT=3\n"),
        answers=(("status.leader", '""'), ("dns-8600-name", EMPTY), ("dns-53-name", EMPTY)),
        also_not_ok="dns dnsmasq resolver",
    ),
    "Consul's DNS silent": Fault(
        link="dns",
        state="broken",
        text="does not answer at 169.254.1.1:8600",
        remedy="systemctl restart consul.service",
        answers=(("dns-8600-name", SILENT),),
        also_not_ok="resolver",
    ),
}
