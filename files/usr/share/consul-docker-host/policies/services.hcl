# For SERVICES_TOKEN_FILE: the agent may register the services of /etc/consul.d. If you know their names, use service "NAME".
service_prefix "" {
  policy = "write"
}
service "consul" {
  policy = "read"
}
