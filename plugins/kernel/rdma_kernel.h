// What the plugins need of a kernel's RDMA subsystem, for one network namespace. LinuxRdmaKernel answers with NETLINK_RDMA;
// another implementation may keep everything in memory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rdmalab::plugin {

class Kernel;

enum class RdmaNetnsMode : std::uint8_t { exclusive = 0, shared = 1 }; // RDMA_NLDEV_SYS_ATTR_NETNS_MODE
const char* rdmaNetnsModeName(RdmaNetnsMode mode) noexcept;            // "exclusive", "shared"

struct RdmaDevice {
    std::uint32_t index = 0;
    std::string name;
    std::string firmware;                            // empty when the driver has none
    std::uint64_t nodeGuid = 0, systemImageGuid = 0; // host order
    std::uint32_t ports = 0;
    std::uint8_t nodeType = 0; // 1: CA
    std::string protocol;      // "roce", "ib", "iw"
};

struct RdmaPort {
    std::uint32_t port = 0;
    std::uint8_t state = 0, physicalState = 0; // 4 ACTIVE; 5 LinkUp
    // Only of a netdev in this namespace.
    std::optional<int> netdevIndex;
    std::string netdev;
};

struct RdmaCharDevice {
    std::string name; // "uverbs0": below /dev/infiniband
    unsigned major = 0, minor = 0;
    std::uint64_t abi = 0;
};

// Refusals throw KernelError (kernel.h) with the errno of the kernel: EPROTONOSUPPORT without an RDMA subsystem, EINVAL for an
// index that does not exist or is not visible here (spec sysfs-and-rdma-abi 4.4).
class RdmaKernel {
public:
    RdmaKernel() = default;
    RdmaKernel(const RdmaKernel&) = delete;
    RdmaKernel& operator=(const RdmaKernel&) = delete;
    virtual ~RdmaKernel() = default;

    virtual RdmaNetnsMode netnsMode() = 0;
    // EBUSY while any namespace besides the first one exists; the mode that is set already always succeeds.
    virtual void setNetnsMode(RdmaNetnsMode mode) = 0;

    // What this namespace sees: everything in shared mode, its own devices in exclusive mode. By index.
    virtual std::vector<RdmaDevice> devices() = 0;
    virtual std::vector<RdmaPort> ports(std::uint32_t device) = 0;
    virtual void renameDevice(std::uint32_t device, const std::string& name) = 0; // EEXIST
    // EOPNOTSUPP in shared mode and from drivers that cannot.
    virtual void moveDevice(std::uint32_t device, Kernel& target) = 0;
    // `type`: "uverbs", "umad", "issm" (the latter two of port 1), or "rdma_cm" without a device. Nothing when there is none.
    virtual std::optional<RdmaCharDevice> charDevice(const std::string& type, std::optional<std::uint32_t> device) = 0;

    std::optional<RdmaDevice> deviceByName(const std::string& name) {
        for (auto& device : devices())
            if (device.name == name)
                return std::move(device);
        return std::nullopt;
    }
};

} // namespace rdmalab::plugin
