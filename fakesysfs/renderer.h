// Renders one state of a machine for one viewer: which directories there are; their content comes from render.h. The directories
// that it fills must not outlive it.
#pragma once

#include "fakesysfs/render.h"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace rdmalab::fakesysfs {

class Renderer {
public:
    explicit Renderer(Scene scene);
    Renderer(const Renderer&) = delete;
    Renderer& operator=(const Renderer&) = delete;

    void sys(Directory& sys);
    void dev(Directory& dev);

private:
    // A network interface of the view, wherever it hangs.
    struct Interface {
        std::string path;
        const hardware::Nic* nic = nullptr; // whose port it is
        const Placed* placed = nullptr;     // where that is
        std::optional<NetdevFacts> facts;   // none: read through
        int ifindex = 0;
        std::uint64_t identity = 0;
    };
    // Where on the fabric: below a bridge or on the bus of a host bridge.
    using Place = std::tuple<unsigned, unsigned, std::optional<hardware::PciAddress>>; // domain, root bus, bridge
    static Place placeOf(const hardware::PciFunction& pci);

    // renderer.cpp
    void devices(Directory& sys);
    void hostBridge(Directory& directory, const std::string& path, unsigned domain, std::uint8_t rootBus);
    void bridge(Directory& directory, const hardware::Bridge& bridge);
    void functionsAt(Directory& directory, const Place& place);
    void function(Directory& directory, const Placed& placed);
    Directory& childDevice(Directory& function, const std::string& path, const hardware::Nic& nic);
    void pciBuses(Directory& directory, const std::string& path, const Place& place, std::optional<std::uint8_t> own);
    void rdmaDevices(Directory& directory, const std::string& path, const hardware::Nic& nic);
    std::map<std::string, std::string> pciBusPaths() const; // class/pci_bus
    bool rdmaVisible(const hardware::Nic& nic) const;
    bool compat(const hardware::Nic& nic) const { return nic.rdma->netns != scene_.view.netns; }

    // renderer_net.cpp
    const std::map<std::string, Interface>& interfaces();
    void collectModelled();
    void collectLive();
    NetdevFacts factsOf(const Placed& placed) const;
    NetdevFacts factsOf(const Netdev& netdev) const;
    const Netdev* viewed(const std::string& name) const;
    void netDirectory(Directory& parent, const hardware::Nic* nic); // null: devices/virtual
    void interface(Directory& directory, const std::string& name, const Interface& one);
    void stacking(Directory& directory, const std::string& name, const Interface& one);

    // renderer_bus.cpp
    void buses(Directory& sys);
    void driver(Directory& directory, const std::string& name, const std::string& module);
    void classes(Directory& sys);
    void characterDevices(Directory& directory);
    void iommuGroups(Directory& sys);
    void iommuGroup(Directory& group, unsigned number, const std::vector<const Placed*>& members);
    void vfio(Directory& sys);

    // renderer_system.cpp
    void modules(Directory& sys);
    void module(Directory& directory, const std::string& name);
    void systemDevices(Directory& sys);
    bool hasRdma() const;

    Scene scene_;
    std::vector<Placed> functions_; // sorted by address
    std::map<Place, std::vector<std::size_t>> places_;
    std::map<hardware::PciAddress, std::vector<const hardware::Nic*>> vfs_;
    std::optional<std::map<std::string, Interface>> interfaces_; // by name
};

} // namespace rdmalab::fakesysfs
