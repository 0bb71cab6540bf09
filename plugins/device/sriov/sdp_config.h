// The configuration file of the SR-IOV network device plugin (sriov-network-device-plugin config.json).
// Behaviour: spec device-plugins.md section 3.1 (cmd/sriovdp/manager.go, pkg/types/types.go, pkg/factory/factory.go).
#pragma once

#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace rdmalab::plugin {

using PluginLog = std::function<void(const std::string&)>;

// The plugin ends: what() is the last line of its log.
class SdpExit : public std::runtime_error {
public:
    SdpExit(const std::string& text, int exitCode) : std::runtime_error(text), exitCode_(exitCode) {}
    int exitCode() const noexcept { return exitCode_; } // 0 for a file that cannot be used at all, as upstream has it

private:
    int exitCode_;
};

enum class SdpDeviceType { netDevice, accelerator, auxNetDevice };

// OR inside one list, AND between the lists that are not empty.
struct SdpSelectors {
    std::vector<std::string> vendors, devices, drivers, pciAddresses, acpiIndexes, pfNames, rootDevices, linkTypes, ddpProfiles,
        pKeys, auxTypes;
    bool isRdma = false, needVhostNet = false;
    std::string vdpaType;
};

struct SdpResourceConfig {
    std::string name, prefix;
    SdpDeviceType type = SdpDeviceType::netDevice;
    bool excludeTopology = false;
    std::vector<SdpSelectors> selectors; // the results of all are put together
    // "*" or a PCI address -> key -> value: shown in PCIDEVICE_..._INFO.
    std::map<std::string, std::map<std::string, std::string>> additionalInfo;

    std::string fullName() const { return prefix + "/" + name; }
};

// `defaultPrefix`: the flag -resource-prefix. Throws SdpExit. Selectors that cannot be used drop their resource, with a warning.
std::vector<SdpResourceConfig> parseSdpConfig(std::string_view json, const std::string& fileName,
                                              const std::string& defaultPrefix, const PluginLog& log);

} // namespace rdmalab::plugin
