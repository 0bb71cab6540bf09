#include "fakesysfs/net_writes.h"

#include "fakesysfs/pci_writes.h"
#include "fakesysfs/store.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <map>

namespace rdmalab::fakesysfs {
namespace {

using hardware::Machine;
using hardware::Nic;

constexpr std::uint64_t leastMtu = 68, mostMtu = 9978, mostIpoibMtu = 65520, interfaceUp = 1;
constexpr std::size_t longestAlias = 255;

template <std::uint64_t most>
std::string keepNumber(std::string_view text) {
    return std::to_string(parseUnsigned(text, 0, most));
}

std::string keepSwitch(std::string_view text) {
    if (parseUnsigned(text) > 1)
        refuse("switch", EINVAL);
    return std::string(withoutNewline(text));
}

// Comma-separated groups of hexadecimal digits, kept as they are.
std::string keepMask(std::string_view text) {
    const std::string_view mask = withoutNewline(text);
    if (mask.empty() || !std::all_of(mask.begin(), mask.end(), [](unsigned char c) { return c == ',' || std::isxdigit(c) != 0; }))
        refuse("mask", EINVAL);
    return std::string(mask);
}

std::string keepAlias(std::string_view text) {
    text = withoutNewline(text);
    if (text.size() > longestAlias)
        refuse("ifalias", EINVAL);
    return std::string(text);
}

std::string unsupported(std::string_view) {
    refuse("attribute", EOPNOTSUPP);
}

std::string unsupportedNumber(std::string_view text) {
    parseUnsigned(text);
    refuse("attribute", EOPNOTSUPP);
}

const std::map<std::string_view, Check>& checks() {
    static const std::map<std::string_view, Check> all = {
        {"gro_flush_timeout", keepNumber<~std::uint64_t(0)>},
        {"napi_defer_hard_irqs", keepNumber<0x7fffffff>},
        {"netdev_group", keepNumber<0xffffffff>},
        {"tx_queue_len", keepNumber<0xffffffff>},
        {"rps_flow_cnt", keepNumber<0x7fffffff>},
        {"threaded", keepSwitch},
        {"rps_cpus", keepMask},
        {"xps_cpus", keepMask},
        {"xps_rxqs", keepMask},
        {"ifalias", keepAlias},
        {"carrier", unsupported},
        {"tx_maxrate", unsupported},
        {"proto_down", unsupportedNumber},
    };
    return all;
}

// mtu and flags of a port, which is looked up again.
Directory::Write portStore(Machine* machine, const Nic& nic, bool mtu) {
    return textStore([machine, address = nic.pci.address, instance = nic.port.instance, mtu](std::string_view text) {
        const Nic* now = machine->findByPci(address);
        if (!now || now->port.instance != instance)
            refuse("interface", ENODEV);
        const std::uint64_t value = parseUnsigned(text);
        if (!mtu) {
            machine->setLink(*now, (value & interfaceUp) != 0);
            return;
        }
        const bool infiniband = now->port.linkLayer == hardware::LinkLayer::infiniband;
        if (value < leastMtu || value > (infiniband ? mostIpoibMtu : mostMtu))
            refuse("mtu", EINVAL);
        machine->setMtu(*now, static_cast<int>(value));
    });
}

} // namespace

NetWrites::NetWrites(const Scene& scene, const NetdevFacts& facts) : scene_(scene), nic_(facts.nic) {
    owner_.instance = nic_ ? nic_->port.instance : 0;
    owner_.prefix = nic_ ? "net/" : "net/" + std::to_string(scene.view.netns) + "/" + facts.name + "/";
}

Directory::Write NetWrites::of(const std::string& name) const {
    if (!scene_.writable)
        return nullptr;
    if (name == "mtu" || name == "flags")
        return nic_ ? portStore(scene_.writable, *nic_, name == "mtu")
                    : textStore([](std::string_view) { refuse("interface", EROFS); });
    const std::string file = name.substr(name.rfind('/') + 1); // queues/rx-0/rps_cpus
    return keepStore(scene_.writable, owner_.instance, owner_.prefix + name, checks().at(file));
}

std::string NetWrites::kept(const std::string& name, std::string otherwise) const {
    return keptText(scene_.machine, owner_.instance, owner_.prefix + name, std::move(otherwise));
}

Directory::Write ipoibStore(const std::string& name) {
    return textStore([name](std::string_view text) {
        if (name == "umcast")
            return; // any number, and what is none counts as 0
        if (name == "mode") {
            if (!saysWord(text, "datagram")) // enhanced IPoIB has no connected mode
                refuse("mode", EINVAL);
            return;
        }
        constexpr std::int64_t full = 0x8000, most = 0xffff;
        const std::int64_t key = parseSigned(text);
        if (key <= 0 || key > most || key == full)
            refuse("partition key", EINVAL);
        refuse("partition key", name == "create_child" ? EOPNOTSUPP : ENODEV);
    });
}

} // namespace rdmalab::fakesysfs
