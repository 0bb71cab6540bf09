#include "plugins/cni/sriov/vf_manager.h"

#include "plugins/cni/protocol/go_json.h"
#include "plugins/cni/protocol/plugin.h"
#include "plugins/cni/sriov/sriov_log.h"
#include "plugins/kernel/kernel.h"
#include "plugins/kernel/vf_kernel.h"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <stdexcept>

namespace rdmalab::plugin::sriov {

namespace {

constexpr int kRetries = 20;
constexpr std::chrono::milliseconds kRetryPause{100};

template <typename... Arguments>
[[noreturn]] void fail(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
    throw std::runtime_error(fmt::format(text, std::forward<Arguments>(arguments)...));
}

// Go's net.ParseMAC: pairs of digits with colons or dashes, or groups of four with dots. The address in its usual form.
std::string parseMac(const std::string& text) {
    const bool dots = text.size() > 4 && text[4] == '.';
    const char separator = dots ? '.' : text.size() > 2 ? text[2] : ':';
    const std::size_t group = dots ? 4 : 2;
    std::string digits;
    bool wellFormed = separator == '.' || separator == ':' || separator == '-';
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (i % (group + 1) == group)
            wellFormed = wellFormed && text[i] == separator && i + 1 < text.size();
        else if (std::isxdigit(static_cast<unsigned char>(text[i])))
            digits += static_cast<char>(std::tolower(static_cast<unsigned char>(text[i])));
        else
            wellFormed = false;
    }
    if (!wellFormed || (digits.size() != 12 && digits.size() != 16 && digits.size() != 40))
        fail("failed to parse MAC address {}: address {}: invalid MAC address", text, text);
    std::string mac;
    for (std::size_t i = 0; i < digits.size(); i += 2)
        mac += (i > 0 ? ":" : "") + digits.substr(i, 2);
    return mac;
}

Link linkNamed(Kernel& netns, const std::string& name) {
    const auto link = netns.linkByName(name);
    if (!link)
        throw KernelError("Link not found", ENODEV);
    return *link;
}

Link pfLink(Kernel& kernel, const std::string& master) {
    const auto link = kernel.linkByName(master);
    if (!link)
        fail("failed to lookup master {}: Link not found", goQuote(master));
    return *link;
}

int protocolNumber(const std::string& name) {
    return name == "802.1ad" ? 0x88a8 : 0x8100;
}

VfLinkState linkStateOf(const std::string& name) {
    return name == "auto" ? VfLinkState::automatic : name == "enable" ? VfLinkState::enable : VfLinkState::disable;
}

// Runs one request; a refusal gets words in front.
template <typename Action, typename Text>
void attempt(Action&& action, Text&& text) {
    try {
        action();
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(text(std::string(error.what())));
    }
}

void setSysctlIfThere(Kernel& netns, const std::string& key) {
    try {
        netns.setSysctl(key, "1");
    } catch (const KernelError&) { // these only make things faster
    }
}

void renameAndMove(Kernel& from, Kernel& to, const std::vector<std::string>& possibleNames, const std::string& name) {
    std::optional<Link> link;
    for (const auto& candidate : possibleNames)
        if (!link)
            link = from.linkByName(candidate);
    if (!link)
        fail("failed to find interface with any of the possible names: {}", goList(possibleNames));
    if (link->name != name)
        attempt([&] { from.renameLink(link->index, name); },
                [&](const std::string& why) {
                    return fmt::format("failed to rename interface from {} to {}: {}", goQuote(link->name), goQuote(name), why);
                });
    attempt([&] { from.moveLink(link->index, to); },
            [&](const std::string& why) {
                return fmt::format("failed to move interface {} to target namespace: {}", goQuote(name), why);
            });
}

} // namespace

VfManager::VfManager(CniServices& services, const Log& log) : services_(services), log_(log) {}

VfManager::~VfManager() = default;

VfKernel& VfManager::vfs() {
    if (!vfs_)
        vfs_ = vfKernelOf(services_, services_.kernel);
    return *vfs_;
}

int VfManager::pfIndex(const SriovConfig& config) {
    return pfLink(services_.kernel, config.master).index;
}

// Some drivers pass a MAC on to the VF in the background, and some are busy for a moment.
void VfManager::retry(const std::function<void()>& action) {
    for (int left = kRetries;;) {
        std::string why;
        try {
            return action();
        } catch (const std::runtime_error& error) {
            why = error.what();
        }
        sleepFor(services_, kRetryPause);
        if (--left == 0)
            throw std::runtime_error(why);
    }
}

void VfManager::setHardwareMac(const SriovConfig& config, const std::string& mac) {
    const std::string wanted = parseMac(mac);
    const int pf = linkNamed(services_.kernel, config.master).index;
    retry([&] {
        vfs().setVfMac(pf, config.vf, wanted);
        const auto all = vfs().vfs(pf);
        const auto found = std::find_if(all.begin(), all.end(), [&](const VfInfo& info) { return info.vf == config.vf; });
        if (found == all.end() || found->mac != mac)
            throw std::runtime_error("hardware mac address is different from requested one");
    });
}

void VfManager::setEffectiveMac(Kernel& netns, const std::string& ifName, const std::string& mac) {
    const std::string wanted = parseMac(mac);
    const int index = linkNamed(netns, ifName).index;
    retry([&] {
        netns.setLinkMac(index, wanted);
        const auto link = netns.linkByName(ifName);
        if (!link)
            fail("failed to get netlink device with name {}: \"Link not found\"", ifName);
        if (link->mac != mac)
            throw std::runtime_error("effective mac address is different from requested one");
    });
}

void VfManager::rememberOriginal(SriovConfig& config) {
    const int pf = pfIndex(config);
    std::vector<VfInfo> all;
    attempt([&] { all = vfs().vfs(pf); },
            [&](const std::string& why) { return fmt::format("failed to lookup master {}: {}", goQuote(config.master), why); });
    const auto found = std::find_if(all.begin(), all.end(), [&](const VfInfo& info) { return info.vf == config.vf; });
    if (found == all.end())
        fail("failed to find vf {}", config.vf);
    VfState& state = config.original;
    state.adminMac = found->mac;
    state.linkState = static_cast<std::uint32_t>(found->linkState);
    state.maxTxRate = static_cast<int>(found->maxTxRate);
    state.minTxRate = static_cast<int>(found->minTxRate);
    state.vlan = found->vlan;
    state.vlanQos = found->qos;
    state.vlanProto = found->vlanProtocol;
    state.spoofCheck = found->spoofCheck;
    state.trust = found->trust;
    if (state.hostIfName.empty())
        return;
    const auto link = services_.kernel.linkByName(state.hostIfName);
    if (!link)
        fail("failed to lookup vf {}: Link not found", goQuote(state.hostIfName));
    state.mtu = link->mtu;
}

void VfManager::applySettings(SriovConfig& config) {
    const Link pf = pfLink(services_.kernel, config.master);
    const int vf = config.vf;
    if (config.vlan)
        attempt([&] { vfs().setVfVlan(pf.index, vf, *config.vlan, *config.vlanQos, protocolNumber(*config.vlanProto)); },
                [&](const std::string& why) {
                    return fmt::format("failed to set vf {} vlan configuration - id {}, qos {} and proto {}: {}", vf,
                                       *config.vlan, *config.vlanQos, *config.vlanProto, why);
                });
    if (!config.mac.empty())
        attempt([&] { setHardwareMac(config, config.mac); },
                [&](const std::string& why) { return fmt::format("failed to set MAC address to {}: {}", config.mac, why); });
    if (config.minTxRate || config.maxTxRate) { // the kernel takes both in one message
        const int minimum = config.minTxRate.value_or(0), maximum = config.maxTxRate.value_or(0);
        attempt([&] { vfs().setVfRate(pf.index, vf, static_cast<std::uint32_t>(minimum), static_cast<std::uint32_t>(maximum)); },
                [&](const std::string& why) {
                    return fmt::format("failed to set vf {} min_tx_rate to {} Mbps: max_tx_rate to {} Mbps: {}", vf, minimum,
                                       maximum, why);
                });
    }
    if (!config.spoofCheck.empty())
        attempt([&] { vfs().setVfSpoofCheck(pf.index, vf, config.spoofCheck == "on"); },
                [&](const std::string& why) {
                    return fmt::format("failed to set vf {} spoofchk flag to {}: {}", vf, config.spoofCheck, why);
                });
    if (!config.trust.empty())
        attempt([&] { vfs().setVfTrust(pf.index, vf, config.trust == "on"); },
                [&](const std::string& why) {
                    return fmt::format("failed to set vf {} trust flag to {}: {}", vf, config.trust, why);
                });
    if (!config.linkState.empty()) {
        const auto state = linkStateOf(config.linkState);
        attempt([&] { vfs().setVfLinkState(pf.index, vf, state); },
                [&](const std::string& why) {
                    return fmt::format("failed to set vf {} link state to {}: {}", vf, static_cast<std::uint32_t>(state), why);
                });
    }
    config.mtu = pf.mtu;
}

void VfManager::moveIntoContainer(const std::string& linkName, const std::string& ifName, Kernel& container) {
    std::unique_ptr<Kernel> passage;
    attempt([&] { passage = services_.kernel.temporaryNetns(); },
            [](const std::string& why) { return "failed to create tempNS: " + why; });
    const auto onHost = services_.kernel.linkByName(linkName);
    if (!onHost)
        fail("error: Link not found. Failed to get VF netdevice with name {}", linkName);
    attempt([&] { services_.kernel.moveLink(onHost->index, *passage); },
            [&](const std::string& why) { return fmt::format("failed to move {} to tempNS: {}", goQuote(linkName), why); });
    try {
        const auto link = passage->linkByName(linkName); // its index may be another one
        if (!link)
            fail("failed to find {} in tempNS: Link not found", goQuote(linkName));
        attempt([&] { passage->renameLink(link->index, ifName); },
                [&](const std::string& why) {
                    return fmt::format("failed to rename host device {} to {}: {}", goQuote(linkName), goQuote(ifName), why);
                });
        // udev keeps the name as an alternative one, which would be in the way when the VF is to get it back.
        if (std::find(link->altNames.begin(), link->altNames.end(), linkName) != link->altNames.end())
            attempt([&] { passage->deleteLinkAltName(link->index, linkName); },
                    [&](const std::string& why) { return fmt::format("error removing VF altname {}: {}", linkName, why); });
        attempt([&] { passage->moveLink(link->index, container); },
                [&](const std::string& why) { return fmt::format("failed to move IF {} to netns: {}", ifName, why); });
    } catch (const std::runtime_error& error) {
        log_.error("Move the interface back to initNS because of ", {{"error", error.what()}});
        try {
            renameAndMove(*passage, services_.kernel, {ifName, linkName}, linkName);
        } catch (const std::runtime_error& second) {
            fail("setupVF failed: {}; rollback failed: {}", error.what(), second.what());
        }
        fail("setupVF failed: {}", error.what());
    }
}

void VfManager::configureInContainer(const SriovConfig& config, const std::string& ifName, Kernel& container) {
    const auto link = container.linkByName(ifName);
    if (!link)
        fail("error: Link not found. Failed to get VF netdevice with name {}", ifName);
    setSysctlIfThere(container, "ipv4/conf/" + ifName + "/arp_notify");
    setSysctlIfThere(container, "ipv6/conf/" + ifName + "/ndisc_notify");
    if (!config.mac.empty())
        attempt(
            [&] { setEffectiveMac(container, ifName, config.mac); },
            [&](const std::string& why) { return fmt::format("failed to set netlink MAC address to {}: {}", config.mac, why); });
    setSysctlIfThere(container, "ipv6/conf/" + ifName + "/optimistic_dad");
    attempt([&] { container.setLinkUp(link->index, true); },
            [](const std::string& why) { return "error bringing interface up in container ns: " + goQuote(why); });
}

void VfManager::setUp(SriovConfig& config, const std::string& ifName, Kernel& container) {
    const std::string linkName = config.original.hostIfName;
    const auto link = services_.kernel.linkByName(linkName);
    if (!link)
        fail("error: Link not found. Failed to get VF netdevice with name {}", linkName);
    config.original.effectiveMac = link->mac;
    log_.debug("Move the interface into the container", {{"func", "SetupVF"}, {"linkName", linkName}, {"podifName", ifName}});
    moveIntoContainer(linkName, ifName, container);
    attempt([&] { configureInContainer(config, ifName, container); },
            [](const std::string& why) { return "error setting up interface in container namespace: " + goQuote(why); });
    config.mtu = link->mtu;
}

void VfManager::resetSettings(const SriovConfig& config) {
    const int pf = pfIndex(config);
    const int vf = config.vf;
    const VfState& old = config.original;
    const int proto = old.vlanProto == 0 ? 0x8100 : old.vlanProto;
    if (config.vlan)
        attempt([&] { vfs().setVfVlan(pf, vf, old.vlan, old.vlanQos, proto); },
                [&](const std::string& why) {
                    return fmt::format("failed to set vf {} vlan configuration - id {}, qos {} and proto {}: {}", vf, old.vlan,
                                       old.vlanQos, proto, why);
                });
    if (!config.spoofCheck.empty())
        attempt([&] { vfs().setVfSpoofCheck(pf, vf, old.spoofCheck); },
                [&](const std::string& why) { return fmt::format("failed to restore spoofchk for vf {}: {}", vf, why); });
    if (!old.adminMac.empty()) // always, even when it is all zero
        attempt([&] { setHardwareMac(config, old.adminMac); },
                [&](const std::string& why) {
                    return fmt::format("failed to restore original administrative MAC address {}: {}", old.adminMac, why);
                });
    if (!config.trust.empty())
        attempt([&] { vfs().setVfTrust(pf, vf, old.trust); },
                [&](const std::string& why) { return fmt::format("failed to set trust for vf {}: {}", vf, why); });
    if (config.minTxRate || config.maxTxRate)
        attempt(
            [&] {
                vfs().setVfRate(pf, vf, static_cast<std::uint32_t>(old.minTxRate), static_cast<std::uint32_t>(old.maxTxRate));
            },
            [&](const std::string& why) { return fmt::format("failed to disable rate limiting for vf {} {}", vf, why); });
    if (!config.linkState.empty())
        attempt([&] { vfs().setVfLinkState(pf, vf, static_cast<VfLinkState>(old.linkState)); },
                [&](const std::string& why) { return fmt::format("failed to set link state to auto for vf {}: {}", vf, why); });
}

void VfManager::release(const SriovConfig& config, const std::string& ifName, Kernel& container) {
    const VfState& old = config.original;
    const auto link = container.linkByName(ifName);
    if (!link)
        fail("failed to get netlink device with name {}: \"Link not found\"", ifName);
    attempt([&] { container.setLinkUp(link->index, false); },
            [&](const std::string& why) { return fmt::format("failed to set link {} down: {}", ifName, goQuote(why)); });
    attempt([&] { container.renameLink(link->index, old.hostIfName); },
            [&](const std::string& why) {
                return fmt::format("failed to rename link {} to host name {}: {}", ifName, old.hostIfName, goQuote(why));
            });
    if (!old.effectiveMac.empty())
        attempt([&] { setEffectiveMac(container, old.hostIfName, old.effectiveMac); },
                [&](const std::string& why) {
                    return fmt::format("failed to restore original effective netlink MAC address {}: {}", old.effectiveMac, why);
                });
    if (old.mtu != 0)
        attempt([&] { container.setLinkMtu(link->index, old.mtu); },
                [&](const std::string& why) {
                    return fmt::format("failed to reset MTU for link link {}: {}", old.hostIfName, goQuote(why));
                });
    attempt([&] { container.moveLink(link->index, services_.kernel); },
            [&](const std::string& why) {
                return fmt::format("failed to move interface {} to init netns: {}", old.hostIfName, why);
            });
}

} // namespace rdmalab::plugin::sriov
