# For REGISTRATOR_TOKEN_FILE: Registrator may register services of any name except Consul's own.
service_prefix "" {
  policy = "write"
}
service "consul" {
  policy = "read"
}
