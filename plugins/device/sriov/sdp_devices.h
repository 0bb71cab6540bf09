// The PCI devices that the SR-IOV network device plugin can offer, and how selectors choose among them.
// Behaviour: spec device-plugins.md sections 3.1 and 3.2 (pkg/netdevice, pkg/accelerator, pkg/devices, pkg/resources).
#pragma once

#include "plugins/device/host/pci_functions.h"
#include "plugins/device/sriov/sdp_config.h"

#include <optional>
#include <string>
#include <vector>

namespace rdmalab::plugin {

class Files;
class Kernel;

struct SdpDevice {
    std::string pciAddress, vendor, deviceId, driver;
    std::string pfName, pfAddress; // of a VF; for any other function its own
    int vfIndex = -1;              // of a VF, -1 when its virtfnN cannot be found
    bool isVf = false;
    std::string netdev, linkType, acpiIndex, pKey;
    int numaNode = -1;
    std::vector<std::string> rdmaDevices; // when the plugin looked
};

class SdpDiscovery {
public:
    // Both must outlive it. Looks once, as upstream does.
    SdpDiscovery(Files& files, Kernel& kernel, PluginLog log);

    // The devices of one selector. Those that cannot be described are dropped, with a line in the log.
    std::vector<SdpDevice> select(SdpDeviceType type, const SdpSelectors& selectors) const;

private:
    std::optional<SdpDevice> describe(const PciFunction& function) const;

    Files& files_;
    Kernel& kernel_;
    PluginLog log_;
    std::vector<PciFunction> functions_;
};

// `entries` is a list such as "ens6f0np0#0,2-4": only the first entry of a PF counts; names ignore case, addresses do not.
bool matchesPf(const std::vector<std::string>& entries, const std::string& pf, int vfIndex, bool ignoreCase,
               const PluginLog& log);

} // namespace rdmalab::plugin
