// <PF>/sriov/N/*: NVIDIA's own mlx5 driver only (spec 1.8). Formats as its sriov_sysfs.c prints and scans them.
#include "fakesysfs/pci_writes.h"
#include "fakesysfs/store.h"

#include <fmt/format.h>

#include <cctype>
#include <cerrno>
#include <charconv>
#include <optional>

namespace rdmalab::fakesysfs {
namespace {

using hardware::Machine;
using hardware::Nic;
using hardware::VfLinkState;
using hardware::VfSettings;

constexpr int notSupported = 524; // the kernel's own ENOTSUPP, which nothing translates
constexpr unsigned mostVlan = 4095, mostQos = 7;

// Hexadecimal octets between colons; what follows them does not matter.
std::optional<std::uint64_t> octets(std::string_view text, int count) {
    std::uint64_t value = 0;
    for (int i = 0; i < count; ++i) {
        if (i > 0) {
            if (!text.starts_with(':'))
                return std::nullopt;
            text.remove_prefix(1);
        }
        unsigned octet = 0;
        const auto [end, failure] = std::from_chars(text.data(), text.data() + std::min<std::size_t>(text.size(), 2), octet, 16);
        if (failure != std::errc())
            return std::nullopt;
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
        value = value << 8 | octet;
    }
    return value;
}

// "%u" at the front of `text`, taken off.
unsigned takeNumber(std::string_view& text) {
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())))
        text.remove_prefix(1);
    unsigned value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc())
        refuse("number", EINVAL);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return value;
}

bool onOff(std::string_view text) {
    if (!saysWord(text, "ON") && !saysWord(text, "OFF"))
        refuse("switch", EINVAL);
    return saysWord(text, "ON");
}

VfLinkState policy(std::string_view text) {
    if (saysWord(text, "Up"))
        return VfLinkState::enabled;
    if (saysWord(text, "Down"))
        return VfLinkState::disabled;
    if (saysWord(text, "Follow"))
        return VfLinkState::automatic;
    refuse("policy", EINVAL);
}

void setMac(VfSettings& settings, std::string_view text, std::uint64_t seed) {
    std::optional<std::uint64_t> mac = octets(text, 6);
    if (!mac && saysWord(text, "Random"))
        mac = (seed * 0x9e3779b97f4a7c15 >> 16 & 0xfcffffffffff) | 0x020000000000; // locally administered, unicast
    if (!mac || (*mac >> 40 & 1))                                                  // no multicast
        refuse("mac", EINVAL);
    settings.mac = fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", *mac >> 40 & 0xff, *mac >> 32 & 0xff,
                               *mac >> 24 & 0xff, *mac >> 16 & 0xff, *mac >> 8 & 0xff, *mac & 0xff);
}

// VLAN:QOS[:802.1Q|802.1ad]
void setVlan(VfSettings& settings, std::string_view text) {
    const unsigned vlan = takeNumber(text);
    if (!text.starts_with(':'))
        refuse("vlan", EINVAL);
    text.remove_prefix(1);
    const unsigned qos = takeNumber(text);
    std::uint16_t protocol = 0x8100;
    constexpr std::string_view family = ":802.";
    if (text.starts_with(family) && text.size() > family.size()) {
        const std::string_view rest = text.substr(family.size());
        const std::string_view name = rest.substr(0, rest.find_first_of(" \t\n"));
        if (name == "1ad" || name == "1AD")
            protocol = 0x88a8;
        else if (name != "1q" && name != "1Q")
            refuse("vlan", EINVAL);
    }
    if (vlan > mostVlan || qos > mostQos)
        refuse("vlan", EINVAL);
    settings.vlan = vlan;
    settings.qos = qos;
    settings.vlanProtocol = protocol;
}

void change(VfSettings& settings, const std::string& file, std::string_view text, std::uint64_t seed) {
    if (file == "mac")
        setMac(settings, text, seed);
    else if (file == "vlan")
        setVlan(settings, text);
    else if (file == "trust")
        settings.trust = onOff(text);
    else if (file == "spoofcheck")
        settings.spoofCheck = onOff(text);
    else if (file == "link_state" || file == "policy")
        settings.linkState = policy(text);
    else if (file == "max_tx_rate")
        settings.maxTxRate = takeNumber(text);
    else if (file == "min_tx_rate")
        settings.minTxRate = takeNumber(text);
    else if (file == "node" || file == "port") {
        const auto guid = octets(text, 8);
        if (!guid)
            refuse("GUID", EINVAL);
        (file == "node" ? settings.nodeGuid : settings.portGuid) = *guid;
    } else
        refuse(file.c_str(), notSupported); // config, stats
}

} // namespace

Directory::Write PciWrites::vfAttribute(unsigned vf, const std::string& file) const {
    if (!machine_)
        return nullptr;
    return textStore([machine = machine_, address = address_, instance = instance_, vf, file](std::string_view text) {
        const Nic* pf = machine->findByPci(address);
        if (!pf || pf->pci.instance != instance || vf >= pf->pci.numVfs || vf >= pf->vfSettings.size())
            refuse("VF attribute", ENODEV);
        VfSettings settings = pf->vfSettings[vf];
        change(settings, file, text, machine->generation() * 256 + vf);
        machine->setVfSettings(address, vf, settings);
    });
}

} // namespace rdmalab::fakesysfs
