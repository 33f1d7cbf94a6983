package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

var (
	docker = &http.Client{Transport: &http.Transport{Dial: func(_, _ string) (net.Conn, error) {
		if place, isGiven := strings.CutPrefix(os.Getenv("DOCKER_HOST"), "unix://"); isGiven {
			return net.Dial("unix", place)
		}
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
	if token := os.Getenv("CONSUL_HTTP_TOKEN"); token != "" && client == agent {
		request.Header.Set("X-Consul-Token", token)
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(response.Body)
		return fmt.Errorf("%s: %s (%s)", address, response.Status, bytes.TrimSpace(why))
	}
	if answer == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(answer)
}

// follow passes on what Docker tells of containers; the channel is closed when Docker hangs up.
func follow(events chan<- event) {
	filters := url.QueryEscape(`{"type": ["container"], "event": ["start", "die"]}`)
	response, err := docker.Get("http://docker/events?filters=" + filters)
	if err != nil {
		log.Fatal("docker: ", err)
	}
	go func() {
		defer close(events)
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			var one event
			if json.Unmarshal(lines.Bytes(), &one) == nil {
				events <- one
			}
		}
	}()
}
