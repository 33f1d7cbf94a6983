# Stand-in of the test suite for the file of HashiCorp's package, which sets the data folder and nothing else.
data_dir = "/opt/consul"

# What HashiCorp recommends for production; the default makes a lone server wait 10 s for its own election.
performance {
  raft_multiplier = 1
}
