module consul-docker-host.example/registrator-standin

go 1.25
