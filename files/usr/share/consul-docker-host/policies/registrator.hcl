# For REGISTRATOR_TOKEN_FILE: containers come and go as services of any name but Consul's own.
service_prefix "" {
  policy = "write"
}
service "consul" {
  policy = "read"
}
