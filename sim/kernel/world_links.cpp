// Namespaces and links: creation, life and death, carrier. Behaviour as measured on Linux 6.18.
#include "sim/kernel/world_state.h"
#include "util/syscall.h"

#include <algorithm>
#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <stdexcept>
#include <sys/socket.h>

namespace rdmalab::kernel {

namespace {

constexpr std::size_t kNameSize = 16; // IFNAMSIZ
constexpr int kMinMtu = 68;           // ETH_MIN_MTU

std::uint64_t mixed(std::uint64_t value) { // splitmix64
    value += 0x9e3779b97f4a7c15;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
    value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
    return value ^ (value >> 31);
}

void checkName(const std::string& name) {
    if (name.size() >= kNameSize)
        refuse(ERANGE);
    if (name.empty() || name == "." || name == ".." || name.find_first_of("/: \t\n") != std::string::npos)
        refuse(EINVAL);
}

std::string checkedMac(const std::string& mac, const std::string& encap) {
    const std::size_t octets = encap == "infiniband" ? 20 : 6;
    std::string lower = mac;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    bool valid = lower.size() == octets * 3 - 1, zero = true;
    for (std::size_t i = 0; valid && i < lower.size(); ++i) {
        valid = i % 3 == 2 ? lower[i] == ':' : std::isxdigit(static_cast<unsigned char>(lower[i])) != 0;
        zero = zero && (lower[i] == '0' || lower[i] == ':');
    }
    if (!valid)
        refuse(EINVAL);
    const bool multicast = octets == 6 && std::string_view("13579bdf").find(lower[1]) != std::string_view::npos;
    if (multicast || zero)
        refuse(EADDRNOTAVAIL);
    return lower;
}

} // namespace

void refuse(int code) {
    throw plugin::KernelError(goErrnoText(code), code);
}

WorldState::WorldState(fabric::Fabric& fabric, std::uint64_t seed)
    : fabric_(fabric), seed_(seed), alive_(std::make_shared<bool>(true)) {
    fabric_.onChange([this, alive = std::weak_ptr<bool>(alive_)] {
        if (!alive.expired())
            fabricChanged();
    });
}

WorldState::~WorldState() = default;

NetnsState* WorldState::find(NetnsId id) const noexcept {
    const auto at = static_cast<std::size_t>(id);
    return at < namespaces_.size() ? namespaces_[at].get() : nullptr;
}

NetnsState& WorldState::get(NetnsId id) const {
    if (NetnsState* const found = find(id))
        return *found;
    throw std::invalid_argument("no network namespace " + std::to_string(static_cast<int>(id)));
}

NetnsState& WorldState::getForPlugin(NetnsId id) const {
    if (NetnsState* const found = find(id))
        return *found;
    throw plugin::KernelError("the network namespace is gone", ENODEV);
}

NetnsState& WorldState::createNetns(NetnsState* node, const std::string& name) {
    const auto id = NetnsId{static_cast<int>(namespaces_.size())};
    NetnsState& created = *namespaces_.emplace_back(std::make_unique<NetnsState>());
    created.id = id;
    created.name = name;
    created.node = node != nullptr ? node : &created;
    if (node != nullptr)
        node->children.push_back(id);
    const auto addDefaultRule = [&](int family, int priority, int table) {
        plugin::Rule rule;
        rule.family = family;
        rule.priority = priority;
        rule.table = table;
        created.rules.push_back(rule);
    };
    for (const int family : {AF_INET, AF_INET6}) {
        addDefaultRule(family, 0, RT_TABLE_LOCAL);
        addDefaultRule(family, 32766, RT_TABLE_MAIN);
        if (family == AF_INET)
            addDefaultRule(family, 32767, RT_TABLE_DEFAULT);
    }
    LinkRecord& lo = createLink(created, "lo");
    lo.encap = "loopback";
    lo.mac = "00:00:00:00:00:00";
    lo.mtu = 65536;
    lo.maxMtu = 0; // no limit
    if (node == nullptr)
        setUp(lo, true);
    return created;
}

void WorldState::destroyNetns(NetnsState& netns) {
    NetnsState* const home = netns.node;
    for (bool again = true; again;) {
        again = false;
        for (const auto& link : netns.links) {
            if (link->physical && home != &netns) {
                const std::string name = findLink(*home, link->name) == nullptr ? link->name : freeName(*home, "dev%d");
                relocate(*link, *home, name);
            } else {
                destroyLink(*link);
            }
            again = true; // the list changed
            break;
        }
    }
    if (home != &netns) {
        std::erase(home->children, netns.id);
        std::erase_if(home->paths, [&](const auto& bound) { return bound.second == netns.id; });
    }
    namespaces_[static_cast<std::size_t>(netns.id)].reset();
}

LinkRecord* WorldState::findLink(const NetnsState& netns, int index) noexcept {
    const auto found = std::lower_bound(netns.links.begin(), netns.links.end(), index,
                                        [](const auto& link, int wanted) { return link->index < wanted; });
    return found != netns.links.end() && (*found)->index == index ? found->get() : nullptr;
}

LinkRecord* WorldState::findLink(const NetnsState& netns, const std::string& name) noexcept {
    for (const auto& link : netns.links)
        if (link->name == name)
            return link.get();
    return nullptr;
}

LinkRecord& WorldState::link(const NetnsState& netns, int index) {
    if (LinkRecord* const found = findLink(netns, index))
        return *found;
    refuse(ENODEV);
}

LinkRecord* WorldState::findLink(NetdevId id) const noexcept {
    const auto at = static_cast<std::size_t>(id);
    return at < links_.size() ? links_[at] : nullptr;
}

std::string WorldState::inventMac() {
    const std::uint64_t bits = mixed(mixed(seed_) + ++madeMacs_);
    return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", ((bits >> 40) & 0xfc) | 2, (bits >> 32) & 255,
                       (bits >> 24) & 255, (bits >> 16) & 255, (bits >> 8) & 255, bits & 255);
}

std::string WorldState::freeName(const NetnsState& netns, const std::string& pattern) const {
    const auto number = pattern.find("%d");
    if (number == std::string::npos)
        return pattern;
    for (int i = 0;; ++i) {
        const std::string name = pattern.substr(0, number) + std::to_string(i) + pattern.substr(number + 2);
        if (findLink(netns, name) == nullptr)
            return name;
    }
}

void WorldState::insertLink(NetnsState& netns, std::unique_ptr<LinkRecord> link) {
    link->netns = &netns;
    if (link->index == 0 || findLink(netns, link->index) != nullptr)
        link->index = netns.nextIndex;
    // The kernel's counter of a namespace does not know indexes that came in from elsewhere until it meets them.
    netns.nextIndex = std::max(netns.nextIndex, link->index == netns.nextIndex ? link->index + 1 : netns.nextIndex);
    while (findLink(netns, netns.nextIndex) != nullptr)
        ++netns.nextIndex;
    const auto place = std::lower_bound(netns.links.begin(), netns.links.end(), link->index,
                                        [](const auto& other, int index) { return other->index < index; });
    netns.links.insert(place, std::move(link));
}

std::unique_ptr<LinkRecord> WorldState::takeLink(LinkRecord& link) {
    auto& links = link.netns->links;
    const auto place = std::find_if(links.begin(), links.end(), [&](const auto& other) { return other.get() == &link; });
    auto taken = std::move(*place);
    links.erase(place);
    return taken;
}

LinkRecord& WorldState::createLink(NetnsState& netns, const std::string& name) {
    const std::string chosen = freeName(netns, name);
    checkName(chosen);
    if (findLink(netns, chosen) != nullptr)
        refuse(EEXIST);
    auto link = std::make_unique<LinkRecord>();
    LinkRecord& created = *link;
    created.name = chosen;
    created.id = NetdevId{static_cast<int>(links_.size())};
    links_.push_back(&created);
    insertLink(netns, std::move(link));
    // A new link starts with what was written to conf/default.
    for (const auto& [key, value] : netns.sysctls)
        for (const char* const prefix : {"ipv4/conf/", "ipv6/conf/"})
            if (const std::string start = std::string(prefix) + "default/"; key.rfind(start, 0) == 0)
                created.sysctls[prefix + key.substr(start.size())] = value;
    return created;
}

LinkRecord& WorldState::addNic(NetnsState& netns, const NicSpec& spec) {
    const std::string mac = spec.mac.empty() ? "" : checkedMac(spec.mac, spec.encap);
    if (spec.mtu < kMinMtu || spec.mtu > spec.maxMtu)
        refuse(EINVAL);
    LinkRecord& nic = createLink(netns, spec.name);
    nic.physical = true;
    nic.encap = spec.encap;
    nic.mac = mac.empty() ? inventMac() : mac;
    nic.mtu = spec.mtu;
    nic.maxMtu = spec.maxMtu;
    nic.port = spec.port;
    notify(nic, NetdevChange::added);
    if (spec.up)
        setUp(nic, true);
    return nic;
}

void WorldState::addMacvlan(NetnsState& netns, const plugin::MacvlanSpec& spec, NetnsState& target) {
    LinkRecord* lower = findLink(netns, spec.masterIndex);
    if (lower == nullptr)
        refuse(ENODEV);
    if (lower->master != nullptr)
        lower = lower->master; // a macvlan on a macvlan hangs on the same master
    if (spec.mode != "bridge" && spec.mode != "private" && spec.mode != "vepa" && spec.mode != "passthru")
        throw plugin::KernelError(fmt::format("unknown macvlan mode: \"{}\"", spec.mode), EINVAL);
    const bool passthru = spec.mode == "passthru";
    const bool taken = std::any_of(lower->macvlans.begin(), lower->macvlans.end(),
                                   [&](const LinkRecord* other) { return passthru || other->mode == "passthru"; });
    if (lower->encap != "ether" || spec.mtu > lower->mtu || (spec.mtu != 0 && spec.mtu < kMinMtu))
        refuse(EINVAL);
    const std::string mac = spec.mac.empty() ? "" : checkedMac(spec.mac, "ether");
    if (findLink(target, spec.name) != nullptr)
        refuse(EEXIST);
    if (taken)
        refuse(EINVAL);
    LinkRecord& created = createLink(target, spec.name);
    created.kind = "macvlan";
    created.mode = spec.mode;
    created.master = lower;
    created.maxMtu = lower->maxMtu;
    created.mtu = spec.mtu != 0 ? spec.mtu : lower->mtu;
    created.mac = passthru ? lower->mac : mac.empty() ? inventMac() : mac;
    lower->macvlans.push_back(&created);
    notify(created, NetdevChange::added);
}

void WorldState::addVeth(NetnsState& netns, const plugin::VethSpec& spec, NetnsState& peerNetns) {
    const std::string mac = spec.mac.empty() ? "" : checkedMac(spec.mac, "ether");
    const std::string peerMac = spec.peerMac.empty() ? "" : checkedMac(spec.peerMac, "ether");
    if (spec.mtu != 0 && (spec.mtu < kMinMtu || spec.mtu > 65535))
        refuse(EINVAL);
    // The kernel registers the peer first.
    LinkRecord& peer = createLink(peerNetns, spec.peerName.empty() ? "veth%d" : spec.peerName);
    LinkRecord* self = nullptr;
    try {
        self = &createLink(netns, spec.name.empty() ? "veth%d" : spec.name);
    } catch (...) {
        links_[static_cast<std::size_t>(peer.id)] = nullptr;
        takeLink(peer);
        throw;
    }
    self->kind = peer.kind = "veth";
    self->mtu = peer.mtu = spec.mtu != 0 ? spec.mtu : 1500;
    self->mac = mac.empty() ? inventMac() : mac;
    peer.mac = peerMac.empty() ? inventMac() : peerMac;
    self->peer = &peer;
    peer.peer = self;
    notify(peer, NetdevChange::added);
    notify(*self, NetdevChange::added);
}

void WorldState::deleteLink(LinkRecord& link) {
    if (link.kind.empty())
        refuse(EOPNOTSUPP); // loopback and hardware have no rtnl_link_ops
    destroyLink(link);
}

void WorldState::destroyLink(LinkRecord& link) {
    while (!link.macvlans.empty())
        destroyLink(*link.macvlans.back());
    if (link.master != nullptr)
        std::erase(link.master->macvlans, &link);
    leaveNetns(link);
    const NetdevInfo last = info(link);
    links_[static_cast<std::size_t>(link.id)] = nullptr;
    LinkRecord* const peer = link.peer;
    if (peer != nullptr)
        peer->peer = nullptr;
    const auto gone = takeLink(link);
    for (std::size_t i = 0; i < observers.size(); ++i)
        observers[i](gone->id, NetdevChange::removed, last);
    if (peer != nullptr)
        destroyLink(*peer);
}

void WorldState::renameLink(LinkRecord& link, const std::string& name) {
    if (link.name == name)
        return;
    const std::string chosen = freeName(*link.netns, name);
    checkName(chosen);
    if (findLink(*link.netns, chosen) != nullptr)
        refuse(EEXIST);
    link.name = chosen;
    notify(link, NetdevChange::renamed);
}

void WorldState::setUp(LinkRecord& link, bool up) {
    if (link.up == up)
        return;
    if (up && link.master != nullptr && link.mode != "passthru") {
        // macvlan_open() refuses a MAC that is in use on the master.
        const bool busy = link.mac == link.master->mac ||
                          std::any_of(link.master->macvlans.begin(), link.master->macvlans.end(), [&](const LinkRecord* other) {
                              return other != &link && other->up && other->mac == link.mac;
                          });
        if (busy)
            refuse(EADDRINUSE);
    }
    link.up = up;
    if (up)
        linkCameUp(link);
    else
        linkWentDown(link);
    carrierMayHaveChanged(link);
    notify(link, NetdevChange::state);
}

void WorldState::setMac(LinkRecord& link, const std::string& mac) {
    const std::string chosen = checkedMac(mac, link.encap);
    if (chosen == link.mac)
        return;
    if (link.loopback())
        refuse(EOPNOTSUPP);
    if (link.master != nullptr && link.up && link.mode != "passthru")
        for (const LinkRecord* other : link.master->macvlans)
            if ((other != &link && other->up && other->mac == chosen) || chosen == link.master->mac)
                refuse(EADDRINUSE);
    link.mac = chosen;
    notify(link, NetdevChange::state);
}

void WorldState::setMtu(LinkRecord& link, int mtu) {
    if (link.mtu == mtu)
        return;
    const int least = link.loopback() ? 0 : kMinMtu;
    if (mtu < least || (link.maxMtu != 0 && mtu > link.maxMtu) || (link.master != nullptr && mtu > link.master->mtu))
        refuse(EINVAL);
    link.mtu = mtu;
    notify(link, NetdevChange::state);
    for (LinkRecord* const upper : link.macvlans)
        if (upper->mtu > mtu)
            setMtu(*upper, mtu);
}

void WorldState::setPort(LinkRecord& link, fabric::PortId port) {
    link.port = port;
    carrierMayHaveChanged(link);
    notify(link, NetdevChange::state);
}

void WorldState::leaveNetns(LinkRecord& link) {
    if (link.up) {
        link.up = false;
        linkWentDown(link);
        carrierMayHaveChanged(link);
    }
    removeAddresses(link, 0, false);
    std::erase_if(link.netns->routes, [&](const RouteEntry& entry) { return entry.route.linkIndex == link.index; });
    std::erase_if(link.netns->neighbours, [&](const auto& neighbour) { return neighbour.linkIndex == link.index; });
    link.sysctls.clear();
}

void WorldState::relocate(LinkRecord& link, NetnsState& target, const std::string& name) {
    leaveNetns(link);
    auto taken = takeLink(link);
    taken->name = name;
    insertLink(target, std::move(taken));
    notify(link, NetdevChange::moved);
}

void WorldState::moveLink(LinkRecord& link, NetnsState& target) {
    if (link.netns == &target)
        return;
    if (link.loopback())
        refuse(EINVAL);
    if (findLink(target, link.name) != nullptr)
        refuse(EEXIST);
    relocate(link, target, link.name);
}

std::string WorldState::carrierProblem(const LinkRecord& link) const {
    if (link.physical)
        return link.port.valid() ? fabric_.noCarrierReason(link.port) : "has no cable";
    if (link.peer != nullptr)
        return link.peer->up ? "" : fmt::format("its peer {} is down", link.peer->name);
    if (link.master != nullptr) {
        if (!link.master->up)
            return fmt::format("its master {} is down", link.master->name);
        const std::string problem = carrierProblem(*link.master);
        return problem.empty() ? "" : fmt::format("its master {} has no carrier ({})", link.master->name, problem);
    }
    return "";
}

bool WorldState::lowerUp(const LinkRecord& link) const {
    return link.up && carrierProblem(link).empty();
}

void WorldState::carrierMayHaveChanged(LinkRecord& link) {
    if (lowerUp(link))
        makeLinkLocal(link);
    if (link.peer != nullptr && lowerUp(*link.peer))
        makeLinkLocal(*link.peer);
    for (LinkRecord* const upper : link.macvlans)
        if (lowerUp(*upper))
            makeLinkLocal(*upper);
    if (link.peer != nullptr)
        for (LinkRecord* const upper : link.peer->macvlans)
            if (lowerUp(*upper))
                makeLinkLocal(*upper);
}

void WorldState::fabricChanged() {
    for (std::size_t i = 0; i < links_.size(); ++i)
        if (links_[i] != nullptr && links_[i]->physical && links_[i]->up)
            carrierMayHaveChanged(*links_[i]);
}

void WorldState::notify(const LinkRecord& link, NetdevChange change) {
    if (observers.empty())
        return;
    const NetdevInfo now = info(link);
    for (std::size_t i = 0; i < observers.size(); ++i)
        observers[i](link.id, change, now);
}

NetdevInfo WorldState::info(const LinkRecord& link) const {
    return {link.netns->id, link.index, link.name, link.kind, link.mac, link.mtu, link.up, lowerUp(link)};
}

plugin::Link WorldState::describe(const LinkRecord& link) const {
    plugin::Link described;
    described.index = link.index;
    described.name = link.name;
    described.kind = link.kind;
    described.mac = link.mac;
    described.encap = link.encap;
    described.mode = link.mode;
    described.mtu = link.mtu;
    if (const LinkRecord* const parent = link.master != nullptr ? link.master : link.peer) {
        described.parentIndex = parent->index;
        described.parentElsewhere = parent->netns != link.netns;
    }
    described.up = link.up;
    described.lowerUp = lowerUp(link);
    described.multicast = described.broadcast = !link.loopback();
    return described;
}

} // namespace rdmalab::kernel
