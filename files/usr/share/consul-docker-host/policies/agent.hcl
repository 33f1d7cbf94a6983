# For AGENT_TOKEN_FILE: the agent keeps its node in the catalogue, and `consul-docker-host check` asks about it.
# With one token for each host, node "NAME" and agent "NAME" stand in place of the two prefixes.
node_prefix "" {
  policy = "write"
}
agent_prefix "" {
  policy = "read"
}
service_prefix "" {
  policy = "read"
}
