// From a VF's PCI address to its PF, number, netdev and driver, through /sys (spec/cni.md 3.2). Errors are std::runtime_error
// with the texts of sriov-cni and of Go's os package.
#pragma once

#include <string>

namespace rdmalab::plugin {

class Files;

namespace sriov {

std::string pfNetdev(Files& files, const std::string& vfAddress);
int vfNumber(Files& files, const std::string& vfAddress, const std::string& pfNetdev);
// Empty when the VF has none here: another driver, or it is in another namespace.
std::string vfNetdev(Files& files, const std::string& vfAddress);
// vfio-pci, uio_pci_generic or igb_uio. An unbound VF is an error.
bool hasUserspaceDriver(Files& files, const std::string& vfAddress);

} // namespace sriov
} // namespace rdmalab::plugin
