# The agent's own file. consul-docker-host adds its settings in files beside this one, and so can you.
data_dir = "/opt/consul"
