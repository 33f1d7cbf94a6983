variable "azure_resource_group" {
  type    = string
  default = ""
}

variable "azure_location" {
  type    = string
  default = "germanywestcentral"
}

source "azure-arm" "debian" {
  use_azure_cli_auth                = true
  managed_image_resource_group_name = var.azure_resource_group
  managed_image_name                = local.name
  location                          = var.azure_location
  vm_size                           = "Standard_B1ms"
  os_type                           = "Linux"
  image_publisher                   = "Debian"
  image_offer                       = "debian-12"
  image_sku                         = "12-gen2"
}
