// The plugin's network configuration: as it comes in, and as it is kept for DEL (spec/cni.md 3.1, 3.5; sriov-cni pkg/config,
// pkg/types).
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace rdmalab::plugin::sriov {

inline constexpr const char* stateDirectory = "/var/lib/cni/sriov";

// The VF before the plugin touched it.
struct VfState {
    std::string hostIfName, adminMac, effectiveMac;
    bool spoofCheck = false, trust = false;
    int vlan = 0, vlanQos = 0, vlanProto = 0; // vlanProto: 0x8100, 0x88a8
    int minTxRate = 0, maxTxRate = 0;         // Mb/s
    std::uint32_t linkState = 0;
    int mtu = 0;
};

struct SriovConfig {
    nlohmann::json common; // cniVersion, name, type, ipam.type, dns, prevResult, ... as they are kept
    std::string version, ipamType;

    std::string deviceId; // of the VF
    std::string master;   // netdev of its PF
    int vf = 0;
    bool userspaceDriver = false; // vfio-pci and the like: there is no netdev. Not kept.
    VfState original;

    std::string mac;
    std::optional<int> mtu, vlan, vlanQos, minTxRate, maxTxRate;
    std::optional<std::string> vlanProto; // "802.1q", "802.1ad"
    std::string spoofCheck, trust;        // "on"; anything else that is not empty means off
    std::string linkState;                // "auto", "enable", "disable"
    std::string runtimeMac, logLevel, logFile;

    // Keys in any case, as Go reads them. Throws std::runtime_error with (nearly) the text of Go's decoder.
    static SriovConfig parse(const std::string& text);
    std::string cached() const;
};

// What cannot be wrong before the VF is known: throws std::runtime_error `LoadConf(): ...`. Fills in vlanQos and vlanProto.
void validateVlanAndLinkState(SriovConfig& config);

} // namespace rdmalab::plugin::sriov
