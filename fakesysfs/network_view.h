// The real network namespace of somebody who looks at /sys.
#pragma once

#include "sim/hardware/pci_address.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rdmalab::fakesysfs {

// Not thread-safe; called with the machine locked, so it must neither wait for anything that touches a fake /sys nor lock the
// machine.
class NetworkView {
public:
    struct Link {
        std::string name;
        int ifindex = 0;
        std::optional<hardware::PciAddress> nic; // it is the port of that function
    };

    NetworkView() = default;
    NetworkView(const NetworkView&) = delete;
    NetworkView& operator=(const NetworkView&) = delete;
    virtual ~NetworkView() = default;

    // Another number when links() has changed. Cheap: asked for with every look-up.
    virtual std::uint64_t generation() = 0;
    virtual const std::vector<Link>& links() = 0;
    // Directory descriptor of the root of a real sysfs of that namespace: class/net/NAME below it is read through.
    virtual int sysfs() const = 0;
};

} // namespace rdmalab::fakesysfs
