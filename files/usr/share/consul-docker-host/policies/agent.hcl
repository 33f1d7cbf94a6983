# For AGENT_TOKEN_FILE: the agent registers its node in the catalogue, and `consul-docker-host check` queries the agent.
# With a separate token for each host, use node "NAME" and agent "NAME" instead of the two prefixes.
node_prefix "" {
  policy = "write"
}
agent_prefix "" {
  policy = "read"
}
service_prefix "" {
  policy = "read"
}
