# For DNS_TOKEN_FILE: DNS may answer for every name.
node_prefix "" {
  policy = "read"
}
service_prefix "" {
  policy = "read"
}
query_prefix "" {
  policy = "read"
}
