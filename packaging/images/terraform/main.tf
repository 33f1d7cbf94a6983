# An auto-scaling group of Docker hosts that rolls to a new image: change var.ami and apply. AWS then replaces the machines
# step by step, and continues only while the hosts' own check reports them as healthy.
terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
  }
}

variable "ami" {
  type        = string
  description = "The AMI from ./inv image.ami or Packer"
}

variable "subnets" {
  type = list(string)
}

variable "security_groups" {
  type        = list(string)
  description = "Groups that allow traffic between the members of the cluster: TCP 8300-8302, UDP 8301-8302"
}

variable "instance_profile" {
  type        = string
  description = "A profile with ec2:DescribeInstances, for Consul's cloud auto-join, and autoscaling:SetInstanceHealth on the group"
}

variable "size" {
  type    = number
  default = 3
}

resource "aws_launch_template" "docker" {
  name_prefix            = "consul-docker-host-"
  image_id               = var.ami
  instance_type          = "t3.medium"
  vpc_security_group_ids = var.security_groups
  update_default_version = true

  iam_instance_profile {
    name = var.instance_profile
  }

  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 2 # containers are one hop further away
    instance_metadata_tags      = "enabled"
  }

  tag_specifications {
    resource_type = "instance"
    tags          = { consul = "client" }
  }

  user_data = base64encode(<<-EOT
    #cloud-config
    runcmd:
      - [sh, -c, "echo 'RETRY_JOIN=\"provider=aws tag_key=consul tag_value=server\"' >>/etc/default/consul-docker-host"]
      - [consul-docker-host, apply]
      - [sh, -c, "for i in $(seq 60); do consul-docker-host check && break; [ $? -lt 2 ] && break; sleep 5; done"]
  EOT
  )
}

resource "aws_autoscaling_group" "docker" {
  name_prefix         = "consul-docker-host-"
  min_size            = var.size
  max_size            = var.size + 1
  desired_capacity    = var.size
  vpc_zone_identifier = var.subnets

  launch_template {
    id      = aws_launch_template.docker.id
    version = aws_launch_template.docker.latest_version
  }

  instance_refresh {
    strategy = "Rolling"
    preferences {
      min_healthy_percentage = 90
      instance_warmup        = 120
      auto_rollback          = true
      checkpoint_percentages = [10, 50, 100]
      checkpoint_delay       = 300
    }
  }
}
