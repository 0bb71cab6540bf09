#include "harness/netns/netdev_sync.h"

#include "harness/netns/port_wires.h"
#include "sim/hardware/live_machine.h"
#include "util/syscall.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

namespace rdmalab::harness {

using hardware::HardwareChange;
using hardware::NetnsId;
using hardware::Nic;
using hardware::PciAddress;

namespace {

class Ours {
public:
    explicit Ours(bool& flag) : flag_(flag), before_(std::exchange(flag, true)) {}
    Ours(const Ours&) = delete;
    Ours& operator=(const Ours&) = delete;
    ~Ours() { flag_ = before_; }

private:
    bool& flag_;
    bool before_;
};

// Of a namespace that nobody has told about (made by `ip netns add` on the node): no real one has such an inode number.
NetnsId foreignNetns(int wire) {
    return NetnsId{1} << 62 | static_cast<NetnsId>(wire);
}

bool isUpper(const plugin::Link& link) {
    return link.parentIndex > 0 &&
           (link.kind == "macvlan" || link.kind == "macvtap" || link.kind == "vlan" || link.kind == "ipvlan");
}

bool same(const std::vector<hardware::GidInterface>& a, const std::vector<hardware::GidInterface>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
        return x.netdev == y.netdev && x.mac == y.mac && x.netns == y.netns && x.addresses == y.addresses;
    });
}

bool ethernet(const Nic& nic) {
    return nic.port.linkLayer == hardware::LinkLayer::ethernet;
}

} // namespace

NetnsId netnsIdOf(const UniqueFd& netns) {
    struct stat status {};
    checked("stat network namespace", ::fstat(netns.get(), &status));
    return status.st_ino;
}

NetdevSync::NetdevSync(hardware::LiveMachine& machine, PortWires& wires, const UniqueFd& nodeNetns, BridgeOf bridgeOf)
    : live_(machine), machine_(*machine.lock()), wires_(wires), bridgeOf_(std::move(bridgeOf)), nodeId_(netnsIdOf(nodeNetns)),
      nodeNetns_(checked("dup", ::fcntl(nodeNetns.get(), F_DUPFD_CLOEXEC, 0))),
      epoll_(checked("epoll_create1", ::epoll_create1(EPOLL_CLOEXEC))) {
    const auto access = live_.lock();
    node_ = watch(nodeNetns);
}

NetdevSync::~NetdevSync() {
    const auto access = live_.lock();
    subscription_ = {};
}

void NetdevSync::start() {
    // PFs first: a VF hangs on its PF's switch.
    for (const bool vfs : {false, true})
        for (const auto& nic : machine_.nics())
            if (nic->pci.isVf() == vfs && !nic->port.netdev.empty())
                create(*nic, "eth");
    subscription_ = machine_.observe([this](const hardware::HardwareEvent& event) { machineChanged(event); });
}

std::shared_ptr<NamespaceLinks> NetdevSync::watch(const UniqueFd& netns) {
    const NetnsId id = netnsIdOf(netns);
    auto& links = watched_[id];
    if (!links) {
        links = std::make_shared<NamespaceLinks>(netns);
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = id;
        checked("watch namespace", ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, links->events(), &event));
        dirty_ = true; // a port may be in there already
    }
    return links;
}

const Nic* NetdevSync::nicOf(const plugin::Link& link) const {
    if (link.kind != "veth" || !link.parentElsewhere)
        return nullptr;
    const auto owner = owners_.find(link.parentIndex);
    return owner == owners_.end() ? nullptr : machine_.findByPci(owner->second);
}

std::string NetdevSync::freeName(const std::string& stem) const {
    std::set<std::string> taken;
    for (const auto& [index, link] : node_->links())
        taken.insert(link.name);
    for (int number = 0;; ++number)
        if (const std::string name = stem + std::to_string(number);
            !taken.contains(name) && !machine_.findByNetdev(name, nodeId_))
            return name;
}

// ---- from the machine to the kernel -------------------------------------------------------------------------------------------

void NetdevSync::create(const Nic& nic, const std::string& otherName) {
    removeDoomed(); // one of them may have the name still
    const Nic* pf = machine_.physfn(nic);
    PortWires::Wire wire;
    wire.netdev = nic.port.netdev;
    // A veth has no room for the 20 octets of InfiniBand; its own six are never shown.
    wire.mac = ethernet(nic) ? nic.port.mac : "";
    wire.mtu = nic.port.mtu;
    wire.bridge = bridgeOf_(pf ? *pf : nic);
    wire.live = nic.port.cabled;
    Port port;
    for (;;) {
        try {
            port.wire = wires_.add(wire, nodeNetns_.get());
            break;
        } catch (const plugin::KernelError& error) {
            if (error.code() != EEXIST)
                throw;
            // Another interface has the name: a driver's is eth0, eth1, ... until udev renames it, which then fails.
            node_->drain();
            wire.netdev = freeName(otherName);
        }
    }
    owners_[port.wire] = nic.pci.address;
    const Ours ours(ours_);
    if (nic.port.netdev != wire.netdev)
        machine_.renameNetdev(nic, wire.netdev);
    port.name = wire.netdev;
    port.mac = nic.port.mac;
    port.netns = nodeId_;
    port.mtu = nic.port.mtu;
    port.up = nic.port.up;
    port.live = nic.port.cabled;
    ports_[nic.pci.address] = port;
    dirty_ = true;
    const int index = wires_.nodeEnd(port.wire);
    if (!node_->look(index))
        return; // somebody was quick to delete it: the wire is lost then, and comes back
    if (port.up)
        node_->kernel().setLinkUp(index, true);
    for (const auto& address : nic.port.addresses)
        node_->kernel().addAddress(index, address);
}

void NetdevSync::remove(const Nic& nic) {
    const auto port = ports_.find(nic.pci.address);
    if (port == ports_.end())
        return;
    owners_.erase(port->second.wire);
    doomed_.push_back(port->second.wire);
    ports_.erase(port);
}

void NetdevSync::removeDoomed() {
    if (!doomed_.empty())
        wires_.remove(std::exchange(doomed_, {}));
}

void NetdevSync::machineChanged(const hardware::HardwareEvent& event) {
    if (!event.nic)
        return;
    if (event.change == HardwareChange::link)
        pushCarrier(*event.nic); // also what follows from a change of this class: a PF that goes down takes its VFs along
    if (ours_)
        return;
    switch (event.change) {
    case HardwareChange::netdevAdded:
        if (!ports_.contains(event.nic->pci.address))
            create(*event.nic, "eth");
        break;
    case HardwareChange::netdevRemoved:
    case HardwareChange::functionRemoved:
        return remove(*event.nic);
    case HardwareChange::link:
    case HardwareChange::address:
    case HardwareChange::netdev:
    case HardwareChange::vfSettings:
        return push(*event.nic);
    default:
        break;
    }
}

void NetdevSync::pushCarrier(const Nic& nic) {
    const auto port = ports_.find(nic.pci.address);
    if (port != ports_.end() && std::exchange(port->second.live, nic.port.cabled) != nic.port.cabled)
        wires_.setLive(port->second.wire, port->second.live);
}

void NetdevSync::push(const Nic& nic) {
    const auto found = ports_.find(nic.pci.address);
    if (found == ports_.end())
        return;
    pushCarrier(nic);
    Port& port = found->second;
    const auto& wanted = nic.port;
    const auto agreed = [&] { return std::tie(port.name, port.mac, port.netns, port.mtu, port.up); };
    if (agreed() == std::tie(wanted.netdev, wanted.mac, wanted.netns, wanted.mtu, wanted.up))
        return;
    drain();
    try {
        auto place = watched_.find(port.netns);
        const auto* link = place == watched_.end() ? nullptr : place->second->findPeerOf(port.wire);
        if (const auto target = watched_.find(wanted.netns); link && wanted.netns != port.netns && target != watched_.end()) {
            place->second->kernel().moveLink(link->index, target->second->kernel());
            port.up = false;
            place = target;
            place->second->drain();
            link = place->second->findPeerOf(port.wire);
        }
        if (link) {
            const int index = link->index;
            auto& kernel = place->second->kernel();
            if (wanted.netdev != port.name)
                kernel.renameLink(index, wanted.netdev);
            if (wanted.mac != port.mac && ethernet(nic))
                kernel.setLinkMac(index, wanted.mac);
            if (wanted.mtu != port.mtu)
                kernel.setLinkMtu(index, wanted.mtu);
            if (wanted.up != port.up)
                kernel.setLinkUp(index, wanted.up);
        }
    } catch (const plugin::KernelError&) {
        // Another link has the name, or the port has just been moved away: what the kernel has counts.
    }
    agreed() = std::tie(wanted.netdev, wanted.mac, wanted.netns, wanted.mtu, wanted.up);
    dirty_ = true;
}

// ---- from the kernel to the machine -------------------------------------------------------------------------------------------

bool NetdevSync::drain() {
    bool changed = false;
    for (;;) {
        epoll_event ready[32];
        const int count = ::epoll_wait(epoll_.get(), ready, 32, 0);
        if (count < 0 && errno == EINTR)
            continue;
        if (checked("epoll_wait", count) == 0)
            return changed;
        for (int i = 0; i < count; ++i)
            if (const auto links = watched_.find(ready[i].data.u64); links != watched_.end())
                changed = links->second->drain() || changed;
    }
}

std::map<PciAddress, NetdevSync::Place> NetdevSync::places() {
    std::map<PciAddress, Place> found;
    // A port that moves while the namespaces are read one after the other is seen in none of them, or in two.
    for (int round = 0; round < 3; ++round) {
        found.clear();
        bool twice = false;
        for (const auto& [id, links] : watched_)
            for (const auto& [index, link] : links->links())
                if (const Nic* nic = nicOf(link))
                    twice = !found.insert_or_assign(nic->pci.address, Place{id, links.get(), link}).second || twice;
        if (found.size() == ports_.size() && !twice)
            return found;
        if (!drain())
            break;
    }
    for (const auto& [address, port] : ports_)
        if (!found.contains(address) && wires_.exists(port.wire))
            found[address] = Place{foreignNetns(port.wire), nullptr, {}};
    return found;
}

bool NetdevSync::refresh() {
    removeDoomed();
    if (!drain() && !dirty_)
        return false;
    dirty_ = true; // until all of it has succeeded
    const auto now = places();
    std::vector<int> lost;
    {
        const Ours ours(ours_);
        // First those that have left: their names may be taken by now.
        for (const bool left : {true, false})
            for (const auto& [address, place] : now)
                if (const Nic* nic = machine_.findByPci(address); nic && (place.links == nullptr) == left)
                    follow(*nic, ports_.at(address), place);
        followUppers(now);
    }
    for (const auto& [address, port] : ports_)
        if (!now.contains(address))
            lost.push_back(port.wire);
    dirty_ = false;
    for (const int wire : lost)
        wireLost(wire); // there is something to do again then
    return true;
}

void NetdevSync::followName(const Nic& nic, const Place& place) {
    const auto temporary = [this](const Nic& one) { return fmt::format("_p{}", ports_.at(one.pci.address).wire); };
    if (nic.port.netns != place.netns) {
        if (machine_.findByNetdev(nic.port.netdev, place.netns))
            machine_.renameNetdev(nic, temporary(nic));
        machine_.moveNetdev(nic, place.netns);
    }
    if (place.links == nullptr || nic.port.netdev == place.link.name)
        return;
    // Whoever has that name in the machine has lost it in the kernel; its turn comes.
    if (const Nic* other = machine_.findByNetdev(place.link.name, place.netns); other && ports_.contains(other->pci.address))
        machine_.renameNetdev(*other, temporary(*other));
    machine_.renameNetdev(nic, place.link.name);
}

void NetdevSync::follow(const Nic& nic, Port& port, const Place& place) {
    followName(nic, place);
    port.name = nic.port.netdev;
    port.netns = place.netns;
    if (place.links != nullptr) {
        if (ethernet(nic))
            machine_.setMac(nic, place.link.mac);
        machine_.setMtu(nic, place.link.mtu);
        machine_.setLink(nic, place.link.up);
        machine_.setAddresses(nic, place.links->addresses(place.link.index));
    }
    port.mac = nic.port.mac;
    port.mtu = nic.port.mtu;
    port.up = nic.port.up;
}

void NetdevSync::followUppers(const std::map<PciAddress, Place>& now) {
    std::map<PciAddress, std::vector<hardware::GidInterface>> uppers;
    for (const auto& [id, links] : watched_)
        for (const auto& [index, link] : links->links()) {
            if (!isUpper(link))
                continue;
            const plugin::Link* below = &link;
            NamespaceLinks* where = links.get();
            // A macvlan on a vlan on a port; the kernel has no deeper nesting than eight.
            for (int depth = 0; depth < 8 && below && isUpper(*below); ++depth) {
                if (below->parentElsewhere)
                    where = node_.get(); // made there and moved into the pod
                const auto parent = where->links().find(below->parentIndex);
                below = parent == where->links().end() ? nullptr : &parent->second;
            }
            if (const Nic* nic = below ? nicOf(*below) : nullptr)
                uppers[nic->pci.address].push_back({link.name, link.mac, links->addresses(index), id});
        }
    for (const auto& [address, place] : now) {
        Port& port = ports_.at(address);
        auto& wanted = uppers[address];
        const Nic* nic = machine_.findByPci(address);
        if (!nic || same(port.uppers, wanted))
            continue;
        port.uppers = wanted;
        machine_.setUpperInterfaces(*nic, std::move(wanted));
    }
}

// ---- namespaces that end ------------------------------------------------------------------------------------------------------

void NetdevSync::namespaceGone(NetnsId netns) {
    const auto ending = watched_.find(netns);
    if (ending == watched_.end() || netns == nodeId_)
        return;
    refresh();
    auto& links = *ending->second;
    for (const auto& [address, place] : places()) {
        if (place.netns != netns)
            continue;
        try {
            const bool taken = std::any_of(node_->links().begin(), node_->links().end(),
                                           [&](const auto& link) { return link.second.name == place.link.name; });
            if (taken) {
                links.kernel().setLinkUp(place.link.index, false);
                links.kernel().renameLink(place.link.index, freeName("dev"));
            }
            links.kernel().moveLink(place.link.index, node_->kernel());
            node_->drain();
            dirty_ = true;
        } catch (const plugin::KernelError&) {
            // Gone with the namespace already: then the wire is lost, and refresh() makes it anew.
        }
    }
    refresh();
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, links.events(), nullptr);
    watched_.erase(ending);
    const Ours ours(ours_);
    machine_.namespaceGone(netns); // RDMA devices that were in there
}

bool NetdevSync::wireLost(int wire) {
    const auto owner = owners_.find(wire);
    if (owner == owners_.end())
        return false;
    const PciAddress address = owner->second;
    owners_.erase(owner);
    ports_.erase(address);
    const Nic* nic = machine_.findByPci(address);
    if (!nic || nic->port.netdev.empty())
        return true;
    const Ours ours(ours_);
    if (nic->port.netns != nodeId_) {
        if (machine_.findByNetdev(nic->port.netdev, nodeId_))
            machine_.renameNetdev(*nic, freeName("dev"));
        machine_.moveNetdev(*nic, nodeId_);
    }
    machine_.setLink(*nic, false);
    machine_.setAddresses(*nic, {});
    machine_.setUpperInterfaces(*nic, {});
    create(*nic, "dev");
    return true;
}

} // namespace rdmalab::harness
