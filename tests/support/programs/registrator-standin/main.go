// A stand-in for Registrator, for tests on machines that cannot have its image: the same command line, metadata, IDs,
// names and checks. It was compared with fayrus/registrator v9.2.0, container by container; tests/vm takes the real one by
// --registrator. What remains different: it hears every event of Docker (the real one loses some in a burst, and finds
// what it lost at the next resync), knows neither templates in tags nor SERVICE_<from>-<to>_ nor gRPC checks, and accepts
// without effect -deregister, -internal, -ttl, -ttl-refresh, -useIpFromLabel.
package main

import (
	"flag"
	"log"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"
)

var (
	ip       = flag.String("ip", "", "address to publish")
	resync   = flag.Int("resync", 0, "seconds between two comparisons")
	cleanup  = flag.Bool("cleanup", false, "remove what no container stands behind")
	attempts = flag.Int("retry-attempts", 0, "-1: wait for Consul without an end")
	interval = flag.Int("retry-interval", 2000, "milliseconds between two attempts")
	tags     = flag.String("tags", "", "tags for every service")
	_        = flag.String("deregister", "always", "")
	_        = flag.Int("ttl", 0, "")
	_        = flag.Int("ttl-refresh", 0, "")
	_        = flag.Bool("internal", false, "")
	_        = flag.String("useIpFromLabel", "", "")
)

var (
	consul string
	host   string
	// What stands behind a container's ID, as registered: a container that is known is not looked at again.
	known = map[string][]service{}
	// The IDs that Registrator takes for its own; the rest belongs to others.
	form = regexp.MustCompile(`^(.+?):([a-zA-Z0-9][a-zA-Z0-9_.-]+):[0-9]+(:udp)?$`)
)

func add(id string) {
	if known[id] != nil {
		return
	}
	var c container
	if err := call(docker, "GET", "http://docker/containers/"+id+"/json", nil, &c); err != nil {
		log.Printf("unable to inspect container: %.12s %v", id, err)
		return
	}
	for _, one := range services(c) {
		if err := call(agent, "PUT", consul+"/v1/agent/service/register", one, nil); err != nil {
			log.Printf("register failed: %s: %v", one.ID, err)
			continue
		}
		known[id] = append(known[id], one)
		log.Printf("added: %.12s %s", id, one.ID)
	}
}

func deregister(id string) {
	if err := call(agent, "PUT", consul+"/v1/agent/service/deregister/"+url.PathEscape(id), nil, nil); err != nil {
		log.Printf("deregister failed: %s: %v", id, err)
		return
	}
	log.Print("removed: ", id)
}

func remove(id string) {
	for _, one := range known[id] {
		deregister(one.ID)
	}
	delete(known, id)
}

// listed returns the IDs of containers, of those in one of the states alone where a filter is given.
func listed(filter string) (ids map[string]bool, err error) {
	var found []struct {
		ID string `json:"Id"`
	}
	err = call(docker, "GET", "http://docker/containers/json?filters="+url.QueryEscape(filter), nil, &found)
	ids = map[string]bool{}
	for _, one := range found {
		ids[one.ID] = true
	}
	return ids, err
}

func synchronise() error {
	running, err := listed("{}")
	if err != nil {
		return err
	}
	for id := range running {
		for _, one := range known[id] {
			if err := call(agent, "PUT", consul+"/v1/agent/service/register", one, nil); err != nil {
				log.Printf("sync register failed: %s: %v", one.ID, err)
			}
		}
		add(id)
	}
	if *cleanup {
		tidy()
	}
	return nil
}

// tidy removes the services of containers that are gone, and those that an earlier Registrator of this host left.
func tidy() {
	alive, err := listed(`{"status": ["created", "restarting", "running", "paused"]}`)
	if err != nil {
		log.Print(err)
		return
	}
	for id := range known {
		if !alive[id] {
			remove(id)
		}
	}
	var all map[string]struct{ ID, Service string }
	if err := call(agent, "GET", consul+"/v1/agent/services", nil, &all); err != nil {
		log.Print("cleanup failed: ", err)
	}
	for id, one := range all {
		if match := form.FindStringSubmatch(id); match != nil && match[1] == host && !isKnown(one.Service, match[2]) {
			deregister(id)
		}
	}
}

func isKnown(name, container string) bool {
	for _, services := range known {
		for _, one := range services {
			if one.Name == name && one.container == container {
				return true
			}
		}
	}
	return false
}

type event struct{ Status, ID string }

// work is the only place that touches what is known: events and comparisons take turns.
func work(events <-chan event) {
	if err := synchronise(); err != nil {
		log.Fatal("docker: ", err)
	}
	var ticks <-chan time.Time
	if *resync > 0 {
		ticks = time.Tick(time.Duration(*resync) * time.Second)
	}
	for {
		select {
		case <-ticks:
			if err := synchronise(); err != nil {
				log.Print("error listing containers, skipping sync: ", err)
			}
		case one, isOpen := <-events:
			if !isOpen {
				log.Fatal("Docker event loop closed") // as Registrator ends when Docker does
			}
			if one.Status == "start" {
				add(one.ID)
			} else {
				remove(one.ID)
			}
		}
	}
}

func main() {
	flag.Parse()
	log.Print("stand-in for Registrator: ", strings.Join(os.Args[1:], " "))
	target, err := url.Parse(flag.Arg(0))
	if err != nil || target.Scheme != "consul" || flag.NArg() != 1 {
		log.Print("usage: registrator [options] consul://HOST:PORT")
		os.Exit(2)
	}
	consul = "http://" + target.Host
	if host, err = os.Hostname(); err != nil {
		log.Fatal(err)
	}
	if *ip == "" { // the trap that the host's own script is there for
		if found, err := net.ResolveIPAddr("ip", host); err == nil {
			*ip = found.String()
		}
	}
	for tries := 0; ; tries++ {
		err := call(agent, "GET", consul+"/v1/status/leader", nil, nil)
		if err == nil {
			break
		}
		if *attempts >= 0 && tries >= *attempts {
			log.Fatal(err)
		}
		time.Sleep(time.Duration(*interval) * time.Millisecond)
	}
	events := make(chan event, 10000)
	follow(events)
	work(events)
}
