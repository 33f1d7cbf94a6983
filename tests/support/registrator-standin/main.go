// A stand-in for Registrator, for tests on machines that cannot pull its image: the same command line, the same metadata,
// the same IDs and names in Consul. It is not Registrator: what it shows is how the host runs one.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"
)

type container struct {
	ID     string
	Name   string
	Config struct {
		Image        string
		Env          []string
		Labels       map[string]string
		ExposedPorts map[string]struct{}
	}
	State      struct{ Running bool }
	HostConfig struct{ NetworkMode string }

	NetworkSettings struct {
		Ports map[string][]struct{ HostPort string }
	}
}

type service struct {
	ID      string
	Name    string
	Address string
	Port    int
	Tags    []string
	Check   map[string]string `json:",omitempty"`
}

var (
	ip       = flag.String("ip", "", "address to publish")
	resync   = flag.Int("resync", 0, "seconds between two comparisons")
	cleanup  = flag.Bool("cleanup", false, "remove what no container stands behind")
	attempts = flag.Int("retry-attempts", 0, "-1: wait for Consul without an end")
	tags     = flag.String("tags", "", "tags for every service")
	_        = flag.String("deregister", "always", "")
	_        = flag.Int("ttl", 0, "")
	_        = flag.Int("ttl-refresh", 0, "")
	_        = flag.Int("retry-interval", 2000, "")
	_        = flag.Bool("internal", false, "")
	_        = flag.String("useIpFromLabel", "", "")
)

var (
	consul string
	host   string
	docker = &http.Client{Transport: &http.Transport{Dial: func(_, _ string) (net.Conn, error) {
		return net.Dial("unix", "/tmp/docker.sock")
	}}}
	agent = &http.Client{Timeout: 5 * time.Second}
)

// call asks Docker or Consul and decodes the answer.
func call(client *http.Client, method, address string, body, answer any) error {
	var data bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&data).Encode(body); err != nil {
			return err
		}
	}
	request, err := http.NewRequest(method, address, &data)
	if err != nil {
		return err
	}
	if token := os.Getenv("CONSUL_HTTP_TOKEN"); token != "" {
		request.Header.Set("X-Consul-Token", token)
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", address, response.Status)
	}
	if answer == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(answer)
}

// metadata returns the SERVICE_* values of a container for one port: those of the port win.
func metadata(c container, port string) map[string]string {
	found := map[string]string{}
	pairs := append([]string{}, c.Config.Env...)
	for key, value := range c.Config.Labels {
		pairs = append(pairs, key+"="+value)
	}
	for _, prefix := range []string{"SERVICE_", "SERVICE_" + port + "_"} {
		for _, pair := range pairs {
			key, value, _ := strings.Cut(pair, "=")
			if strings.HasPrefix(key, prefix) {
				found[strings.TrimPrefix(key, prefix)] = value
			}
		}
	}
	return found
}

// published returns the container's ports as seen from within and from other hosts.
func published(c container) map[string]string {
	ports := map[string]string{}
	if c.HostConfig.NetworkMode == "host" {
		for port := range c.Config.ExposedPorts {
			number, _, _ := strings.Cut(port, "/")
			ports[number] = number
		}
		return ports
	}
	for port, bound := range c.NetworkSettings.Ports {
		if len(bound) > 0 {
			number, _, _ := strings.Cut(port, "/")
			ports[number] = bound[0].HostPort
		}
	}
	return ports
}

func services(c container) (found []service) {
	ports := published(c)
	for inner, outer := range ports {
		meta := metadata(c, inner)
		if meta["IGNORE"] != "" {
			continue
		}
		image := c.Config.Image[strings.LastIndex(c.Config.Image, "/")+1:]
		name, _, _ := strings.Cut(image, ":")
		if meta["NAME"] != "" {
			name = meta["NAME"]
		}
		if len(ports) > 1 && metadata(c, inner)["NAME"] == metadata(c, "")["NAME"] {
			name += "-" + inner
		}
		number, _ := strconv.Atoi(outer)
		one := service{
			ID:   fmt.Sprintf("%s:%s:%s", host, strings.TrimPrefix(c.Name, "/"), inner),
			Name: name, Address: *ip, Port: number,
		}
		for _, tag := range strings.Split(*tags+","+meta["TAGS"], ",") {
			if tag != "" {
				one.Tags = append(one.Tags, tag)
			}
		}
		if path := meta["CHECK_HTTP"]; path != "" {
			every := meta["CHECK_INTERVAL"]
			if every == "" {
				every = "10s"
			}
			one.Check = map[string]string{"HTTP": fmt.Sprintf("http://%s:%s%s", *ip, outer, path), "Interval": every}
		}
		found = append(found, one)
	}
	return found
}

func add(id string) {
	var c container
	if err := call(docker, "GET", "http://docker/containers/"+id+"/json", nil, &c); err != nil || !c.State.Running {
		return
	}
	for _, one := range services(c) {
		if err := call(agent, "PUT", consul+"/v1/agent/service/register", one, nil); err != nil {
			log.Printf("register failed: %s: %v", one.ID, err)
			continue
		}
		log.Printf("added: %.12s %s", c.ID, one.ID)
	}
}

// known returns the IDs of the services that some Registrator on this host made.
func known() (ids []string) {
	var all map[string]service
	if err := call(agent, "GET", consul+"/v1/agent/services", nil, &all); err != nil {
		log.Print(err)
	}
	for id := range all {
		if parts := strings.Split(id, ":"); len(parts) >= 3 && parts[0] == host {
			ids = append(ids, id)
		}
	}
	sort.Strings(ids)
	return ids
}

func remove(keep func(id string) bool) {
	for _, id := range known() {
		if !keep(id) {
			log.Printf("removed: %s", id)
			if err := call(agent, "PUT", consul+"/v1/agent/service/deregister/"+url.PathEscape(id), nil, nil); err != nil {
				log.Print(err)
			}
		}
	}
}

func synchronise() {
	var running []struct {
		ID    string `json:"Id"`
		Names []string
	}
	if err := call(docker, "GET", "http://docker/containers/json", nil, &running); err != nil {
		log.Fatal("docker: ", err)
	}
	names := map[string]bool{}
	for _, one := range running {
		names[strings.TrimPrefix(one.Names[0], "/")] = true
		add(one.ID)
	}
	if *cleanup {
		remove(func(id string) bool { return names[strings.Split(id, ":")[1]] })
	}
}

func follow() {
	filters := url.QueryEscape(`{"type":["container"],"event":["start","die"]}`)
	response, err := docker.Get("http://docker/events?filters=" + filters)
	if err != nil {
		log.Fatal("docker: ", err)
	}
	synchronise()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		var event struct {
			Action string
			Actor  struct {
				ID         string
				Attributes map[string]string
			}
		}
		if json.Unmarshal(lines.Bytes(), &event) != nil {
			continue
		}
		if event.Action == "start" {
			add(event.Actor.ID)
		} else {
			name := event.Actor.Attributes["name"]
			remove(func(id string) bool { return strings.Split(id, ":")[1] != name })
		}
	}
	log.Fatal("docker closed the connection") // as Registrator ends when Docker does
}

func main() {
	flag.Parse()
	log.Print("stand-in for Registrator: ", strings.Join(os.Args[1:], " "))
	target, err := url.Parse(flag.Arg(0))
	if err != nil || target.Scheme != "consul" || flag.NArg() != 1 || *ip == "" {
		log.Fatal("usage: registrator -ip ADDRESS [options] consul://HOST:PORT")
	}
	consul = "http://" + target.Host
	if host, err = os.Hostname(); err != nil {
		log.Fatal(err)
	}
	for tries := 0; call(agent, "GET", consul+"/v1/status/leader", nil, nil) != nil; tries++ {
		if *attempts >= 0 && tries >= *attempts {
			log.Fatal("consul does not answer")
		}
		time.Sleep(2 * time.Second)
	}
	if *resync > 0 {
		go func() {
			for range time.Tick(time.Duration(*resync) * time.Second) {
				synchronise()
			}
		}()
	}
	follow()
}
