// Exchanges recorded on real kernels (golden/nldev), and the world in which each took place.
#pragma once

#include "fakekernel/nldev/caller.h"
#include "fakekernel/nldev/resources.h"
#include "fakekernel/nldev/testing/memory_devices.h"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace rdmalab::fakekernel::nldev {

struct Recording {
    std::string name, session, kernel, mode, state, netns, caller, fds, trigger;
    bool multicast = false, extAck = false, capAck = false;
    std::uint32_t portId = 0;
    std::string request;
    std::vector<std::string> replies;

    bool exclusive() const { return mode == "exclusive"; }
    KernelProfile profile() const { return kernel.starts_with("6.") ? KernelProfile::linux6_12() : KernelProfile::linux7_3(); }
};

std::filesystem::path recordingDirectory();
std::vector<Recording> allRecordings(); // empty where there are none
std::string fromHex(const std::string& hex);

struct TestNetdev {
    std::string name;
    NetnsId netns = 1;
    int ifindex = 1;
    std::uint64_t mac = 0;
    bool vlan = false;
};

class MirroredResources : public RdmaResources {
public:
    DeviceResources of(std::uint32_t index) const override {
        const auto found = byDevice.find(index);
        return found == byDevice.end() ? DeviceResources() : found->second;
    }
    std::uint64_t counter(std::uint32_t index, std::size_t place) const override {
        const auto found = counters.find(index);
        return found == counters.end() || place >= found->second.size() ? 0 : found->second[place];
    }
    std::map<std::uint32_t, DeviceResources> byDevice;
    std::map<std::uint32_t, std::vector<std::uint64_t>> counters;
};

// Built from the recording's description. Where that leaves something open (names after a renaming, the objects of the programs
// that ran, counter values) the replies tell.
struct World {
    explicit World(const Recording& recording);

    NetnsId netns(const std::string& name);
    Caller callerOf(const Recording& recording);
    // "nl -n NS CASE OP FLAGS ATTRIBUTES", "ip link del v0" and so on. False: not understood.
    bool pull(const std::string& trigger);

    MemoryDevices devices;
    MirroredResources resources;
    std::vector<TestNetdev> netdevs;
    std::map<std::string, NetnsId> namespaces{{"init", 1}};
    bool otherNamespaces = false;

private:
    void addNetdevs(const Recording& recording);
    void addDevices(const Recording& recording);
    void device(std::uint32_t index, const std::string& name, const std::string& netdev, const std::string& inNetns = "init");
    void learn(const Recording& recording);
    void netdevGone(const std::string& name);
};

} // namespace rdmalab::fakekernel::nldev
