// The verbs objects of a device (QPs, CQs, memory regions, ...) and its counters, as RES_* and STAT_* commands tell them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rdmalab::fakekernel::nldev {

struct Resource {
    std::uint32_t id = 0;      // number among its kind on the device
    std::uint32_t pid = 0;     // of its user, as the node sees it; 0: gone
    std::string kernelName;    // of the module that owns it: then it has no user
    bool driverDetail = false; // shown on request only
    bool kernel() const noexcept { return !kernelName.empty(); }
};

// `type`: 0 SMI, 1 GSI, 2 RC, 3 UC, 4 UD, 8 raw packet, 9/10 XRC, 255 driver. `state`: 0 RESET ... 6 ERR. The id is the number;
// SMI and GSI, which every port has, carry the port in its highest byte.
struct QueuePair : Resource {
    std::uint32_t number = 0, port = 0, pdn = 0;
    std::uint8_t type = 2, state = 0, pathMigration = 0;
    std::uint32_t remoteNumber = 0, receivePsn = 0, sendPsn = 0;
    std::optional<std::uint32_t> srq;
};

struct CompletionQueue : Resource {
    std::uint32_t entries = 0, context = 0;
    std::uint64_t users = 0;
    std::uint8_t pollContext = 0; // kernel CQs: 0 direct, 1 softirq, 2 workqueue
    bool adaptiveModeration = false;
};

struct MemoryRegion : Resource {
    std::uint32_t remoteKey = 0, localKey = 0, pdn = 0;
    std::uint64_t length = 0;
};

struct ProtectionDomain : Resource {
    std::uint32_t localDmaKey = 0, context = 0;
    std::optional<std::uint32_t> unsafeGlobalKey;
    std::uint64_t users = 0;
};

struct ConnectionId : Resource {
    std::uint32_t port = 0, qpNumber = 0, portSpace = 0;
    std::uint8_t qpType = 0, state = 0;
    std::string source, destination; // struct sockaddr of any family; empty: none
};

struct SharedReceiveQueue : Resource {
    std::uint8_t type = 0;
    std::uint32_t pdn = 0;
    std::optional<std::uint32_t> cq;
};

// Each kind by ascending id.
struct DeviceResources {
    std::vector<ProtectionDomain> pds;
    std::vector<CompletionQueue> cqs;
    std::vector<QueuePair> qps;
    std::vector<ConnectionId> connections;
    std::vector<MemoryRegion> mrs;
    std::vector<Resource> contexts;
    std::vector<SharedReceiveQueue> srqs;
};

// Not thread-safe.
class RdmaResources {
public:
    RdmaResources() = default;
    RdmaResources(const RdmaResources&) = delete;
    RdmaResources& operator=(const RdmaResources&) = delete;
    virtual ~RdmaResources() = default;

    virtual DeviceResources of(std::uint32_t /*deviceIndex*/) const { return {}; }
    // `counter`: place in Device::counters.
    virtual std::uint64_t counter(std::uint32_t /*deviceIndex*/, std::size_t /*counter*/) const { return 0; }
};

} // namespace rdmalab::fakekernel::nldev
