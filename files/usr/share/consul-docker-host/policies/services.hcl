# For SERVICES_TOKEN_FILE: the services of /etc/consul.d. Where their names are known, service "NAME" is better.
service_prefix "" {
  policy = "write"
}
service "consul" {
  policy = "read"
}
