// /dev/vfio: one node for each IOMMU group that vfio-pci holds a function of, and the container node.
#pragma once

#include "sim/hardware/machine.h"

#include <string>
#include <vector>

namespace rdmalab::fakesysfs {

struct VfioNode {
    std::string name, className; // "vfio" in class misc; "12" in class vfio
    unsigned major = 0, minor = 0, mode = 0;
};
std::vector<VfioNode> vfioNodes(const hardware::Machine& machine); // empty while nothing is bound to vfio-pci

} // namespace rdmalab::fakesysfs
