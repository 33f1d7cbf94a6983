package main

import (
	"fmt"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
)

// container is what Docker tells of one.
type container struct {
	ID     string
	Name   string
	Config struct {
		Image        string
		Env          []string
		Labels       map[string]string
		ExposedPorts map[string]struct{}
	}
	HostConfig struct{ NetworkMode string }

	NetworkSettings struct {
		IPAddress string
		Ports     map[string][]struct{ HostPort string }
	}
}

// service is what Consul is told of a container's port.
type service struct {
	ID      string
	Name    string
	Address string
	Port    int
	Tags    []string
	Meta    map[string]string
	Check   *check `json:",omitempty"`

	container string
}

type check struct {
	HTTP, TCP, TTL, Status, Interval, Timeout string   `json:",omitempty"`
	Args                                      []string `json:",omitempty"`
	DeregisterCriticalServiceAfter            string   `json:",omitempty"`
}

// metadata returns the SERVICE_* values for a port, in lower case, and which of them were given for that port alone.
func metadata(c container, port, protocol string) (found map[string]string, own map[string]bool) {
	found, own = map[string]string{}, map[string]bool{}
	pairs := slices.Clone(c.Config.Env)
	for key, value := range c.Config.Labels {
		pairs = append(pairs, key+"="+value)
	}
	for _, pair := range pairs {
		key, value, isPair := strings.Cut(pair, "=")
		key, isOurs := strings.CutPrefix(key, "SERVICE_")
		key = strings.ToLower(key)
		if !isPair || !isOurs || own[key] {
			continue
		}
		first, rest, _ := strings.Cut(key, "_")
		if _, err := strconv.Atoi(first); err != nil {
			found[key] = value
			continue
		}
		if first != port || rest == "" {
			continue
		}
		if word, more, isLong := strings.Cut(rest, "_"); isLong && (word == "tcp" || word == "udp") {
			if word != protocol {
				continue
			}
			rest = more
		}
		found[rest], own[rest] = value, true
	}
	return found, own
}

// published returns the container's ports (as "80/tcp") and what they are on the host. An exposed port of which Docker
// says nothing counts as reachable on the host by its own number: right with the host's network, wrong with none.
func published(c container) map[string]string {
	ports := map[string]string{}
	for port := range c.Config.ExposedPorts {
		if _, isKnown := c.NetworkSettings.Ports[port]; !isKnown {
			ports[port], _, _ = strings.Cut(port, "/")
		}
	}
	for port, bound := range c.NetworkSettings.Ports {
		if len(bound) > 0 {
			ports[port] = bound[0].HostPort
		}
	}
	return ports
}

// parted returns the words between commas, the last one first as Registrator has them.
func parted(text string) []string {
	words := slices.DeleteFunc(strings.Split(text, ","), func(word string) bool { return word == "" })
	slices.Reverse(words)
	return words
}

func services(c container) (found []service) {
	ports := published(c)
	address := *ip
	if other, isShared := strings.CutPrefix(c.HostConfig.NetworkMode, "container:"); isShared {
		var owner container
		if call(docker, "GET", "http://docker/containers/"+other+"/json", nil, &owner) == nil {
			address = owner.NetworkSettings.IPAddress
		}
	}
	for port, outer := range ports {
		inner, protocol, _ := strings.Cut(port, "/")
		meta, own := metadata(c, inner, protocol)
		if meta["ignore"] != "" {
			continue
		}
		one := service{Name: meta["name"], Address: address, container: strings.TrimPrefix(c.Name, "/")}
		if one.Name == "" {
			one.Name, _, _ = strings.Cut(path.Base(c.Config.Image), ":")
		}
		if len(ports) > 1 && !own["name"] {
			one.Name += "-" + inner
		}
		one.ID = fmt.Sprintf("%s:%s:%s", host, one.container, inner)
		one.Port, _ = strconv.Atoi(outer)
		one.Tags = append(parted(meta["tags"]), parted(*tags)...)
		if protocol == "udp" {
			one.ID += ":udp"
			one.Tags = append(one.Tags, "udp")
		}
		if meta["id"] != "" {
			one.ID = meta["id"]
		}
		for _, key := range []string{"id", "name", "tags"} {
			delete(meta, key)
		}
		one.Meta, one.Check = meta, checked(meta, net.JoinHostPort(address, outer))
		found = append(found, one)
	}
	return found
}

// checked returns the check that the metadata ask for, nil for none.
func checked(meta map[string]string, place string) *check {
	one := check{Status: meta["check_initial_status"]}
	switch {
	case meta["check_http"] != "":
		one.HTTP = "http://" + place + meta["check_http"]
	case meta["check_https"] != "":
		one.HTTP = "https://" + place + meta["check_https"]
	case meta["check_script"] != "":
		one.Args = strings.Fields(meta["check_script"])
	case meta["check_ttl"] != "":
		one.TTL = meta["check_ttl"]
	case meta["check_tcp"] != "":
		one.TCP = place
	default:
		return nil
	}
	if one.TTL == "" {
		one.Interval, one.Timeout = meta["check_interval"], meta["check_timeout"]
		if one.Interval == "" {
			one.Interval = "10s"
		}
	}
	one.DeregisterCriticalServiceAfter = meta["check_deregister_after"]
	return &one
}
