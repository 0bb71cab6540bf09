#include "fakesysfs/paths.h"
#include "fakesysfs/pci_writes.h"
#include "fakesysfs/render.h"

#include <fmt/format.h>

#include <array>

namespace rdmalab::fakesysfs {
namespace {

using hardware::Nic;
using hardware::VfLinkState;
using hardware::VfSettings;

std::string octets(std::uint64_t guid) {
    std::string text;
    for (int shift = 56; shift >= 0; shift -= 8)
        text += fmt::format("{}{:02x}", text.empty() ? "" : ":", guid >> shift & 0xff);
    return text;
}

const char* policyText(VfLinkState state) {
    return state == VfLinkState::enabled ? "Up" : state == VfLinkState::disabled ? "Down" : "Follow";
}

std::string vlanProtocol(const VfSettings& settings) {
    if (!settings.vlan && !settings.qos)
        return "N/A";
    return settings.vlanProtocol == 0x88a8 ? "802.1ad" : "802.1Q";
}

std::string configText(unsigned vf, const VfSettings& settings) {
    const auto onOff = [](bool on) { return on ? "ON" : "OFF"; };
    return fmt::format("VF         : {}\nMAC        : {}\nVLAN       : {}\nQoS        : {}\nVLAN Proto : {}\nSpoofCheck : {}\n"
                       "Trust      : {}\nLinkState  : {}\nMinTxRate  : {}\nMaxTxRate  : {}\nVGT+       : OFF",
                       vf, settings.mac, settings.vlan, settings.qos, vlanProtocol(settings), onOff(settings.spoofCheck),
                       onOff(settings.trust), policyText(settings.linkState), settings.minTxRate, settings.maxTxRate);
}

constexpr const char* statsText =
    "tx_packets    : 0\ntx_bytes      : 0\ntx_dropped    : 0\nrx_packets    : 0\nrx_bytes      : 0\n"
    "rx_broadcast  : 0\nrx_multicast  : 0\ntx_broadcast  : 0\ntx_multicast  : 0\nrx_dropped    : 0";

// Most files of an Ethernet VF tell how to write them.
struct Usage {
    const char* name;
    const char* text;
};
constexpr std::array<Usage, 7> usages = {{
    {"mac", "usage: write <LLADDR|Random> to set VF Mac Address"},
    {"vlan", "usage: write <Vlan:Qos[:Proto]> to set VF Vlan, Qos, and optionally Vlan Protocol (default 802.1Q)"},
    {"link_state", "usage: write <Up|Down|Follow> to set VF State"},
    {"spoofcheck", "usage: write <ON|OFF> to enable|disable VF SpoofCheck"},
    {"trust", "usage: write <ON|OFF> to trust|untrust VF"},
    {"max_tx_rate", "usage: write <Rate (Mbit/s)> to set VF max rate"},
    {"min_tx_rate", "usage: write <Rate (Mbit/s)> to set VF min rate"},
}};

void renderVfConfiguration(Directory& directory, const PciWrites& writes, const Nic& pf, unsigned vf) {
    const VfSettings& settings = pf.vfSettings[vf];
    const auto add = [&](const char* name, std::string text) {
        directory.writable(name, std::move(text), writes.vfAttribute(vf, name));
    };
    add("node", octets(settings.nodeGuid));
    if (pf.port.linkLayer == hardware::LinkLayer::infiniband) {
        add("port", octets(settings.portGuid));
        add("policy", policyText(settings.linkState));
        return;
    }
    for (const Usage& usage : usages)
        add(usage.name, usage.text);
    add("config", configText(vf, settings));
    add("stats", statsText);
}

// The catalogue's mlx5 driver is NVIDIA's own (it also has an issm for RoCE ports), which has these next to the kernel's files.
void addVendorFiles(Directory& directory, const Scene& scene, const Nic& nic) {
    const PciWrites writes(scene.writable, nic.pci);
    directory.writable("mlx5_num_vfs", std::to_string(nic.pci.numVfs), writes.mlx5NumVfs(), 0600);
    directory.lazy("sriov", [writes, &nic](Directory& sriov) {
        for (unsigned vf = 0; vf < nic.pci.numVfs && vf < nic.vfSettings.size(); ++vf)
            sriov.lazy(std::to_string(vf), [writes, &nic, vf](Directory& one) { renderVfConfiguration(one, writes, nic, vf); });
    });
}

} // namespace

void renderPhysicalFunction(Directory& directory, const std::string& path, const Scene& scene, const Nic& nic,
                            const std::vector<const Nic*>& vfs) {
    if (!nic.model->sriov || !nic.pci.totalVfs)
        return;
    const PciWrites writes(scene.writable, nic.pci);
    directory.text("sriov_totalvfs", std::to_string(nic.pci.vfLimit));
    directory.writable("sriov_numvfs", std::to_string(nic.pci.numVfs), writes.numVfs());
    directory.text("sriov_offset", std::to_string(nic.pci.vfOffset));
    directory.text("sriov_stride", std::to_string(nic.pci.vfStride));
    directory.text("sriov_vf_device", fmt::format("{:x}", nic.model->sriov->vfDevice));
    directory.text("sriov_vf_total_msix", "0");
    directory.writable("sriov_drivers_autoprobe", nic.pci.vfAutoprobe ? "1" : "0", writes.vfAutoprobe());
    for (const Nic* vf : vfs)
        addLink(directory, path, fmt::format("virtfn{}", vf->pci.vfNumber), functionPath(vf->pci), vf->pci.instance);
    if (nic.pci.driver == "mlx5_core")
        addVendorFiles(directory, scene, nic);
}

void renderVirtualFunction(Directory& directory, const std::string& path, const Scene& scene, const Nic& nic, const Nic& pf) {
    addLink(directory, path, "physfn", functionPath(pf.pci), pf.pci.instance);
    directory.writeOnly("sriov_vf_msix_count", PciWrites(scene.writable, nic.pci).vfMsixCount());
}

} // namespace rdmalab::fakesysfs
