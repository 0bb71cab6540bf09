#include "fakesysfs/live_net.h"
#include "fakesysfs/network_view.h"
#include "fakesysfs/paths.h"
#include "fakesysfs/renderer.h"

#include <algorithm>

namespace rdmalab::fakesysfs {
namespace {

using hardware::Nic;

// Reports the speed of what is below it.
bool reportsLowerSpeed(const std::string& kind) {
    return kind == "macvlan" || kind == "ipvlan" || kind == "vlan";
}

constexpr std::uint64_t virtualInterface = std::uint64_t(1) << 63; // apart from instance numbers

const std::string virtualParent = "devices/virtual";

} // namespace

const Netdev* Renderer::viewed(const std::string& name) const {
    for (const Netdev& netdev : scene_.view.netdevs)
        if (netdev.name == name)
            return &netdev;
    return nullptr;
}

NetdevFacts Renderer::factsOf(const Placed& placed) const {
    const Nic& nic = *placed.nic;
    const hardware::Port& port = nic.port;
    const Netdev* known = viewed(port.netdev);
    NetdevFacts facts;
    facts.name = port.netdev;
    facts.nic = &nic;
    facts.mac = port.mac;
    facts.device = nic.model->childBus.empty() ? placed.path : netdevParentPath(scene_.machine, nic);
    facts.ifindex = facts.iflink = known && known->ifindex ? known->ifindex : port.ifindex;
    facts.mtu = port.mtu;
    facts.speed = port.speedMbps ? static_cast<long>(port.speedMbps) : -1;
    facts.up = port.up;
    facts.carrier = port.carrier();
    facts.infiniband = port.linkLayer == hardware::LinkLayer::infiniband;
    facts.carrierUp = port.carrierUpCount;
    facts.carrierDown = port.carrierDownCount;
    facts.portName = port.portName;
    facts.macOrigin = port.randomMac ? 1 : 0;
    return facts;
}

NetdevFacts Renderer::factsOf(const Netdev& netdev) const {
    NetdevFacts facts;
    facts.name = netdev.name;
    facts.kind = netdev.kind;
    facts.mac = netdev.mac;
    facts.ifindex = netdev.ifindex;
    facts.iflink = netdev.parentIndex ? netdev.parentIndex : netdev.ifindex;
    facts.mtu = netdev.mtu;
    facts.up = netdev.up;
    facts.carrier = netdev.carrier;
    facts.carrierUp = facts.carrierDown = netdev.carrier ? 1 : 0;
    facts.macOrigin = 3;
    return facts;
}

const std::map<std::string, Renderer::Interface>& Renderer::interfaces() {
    if (!interfaces_) {
        interfaces_.emplace();
        if (scene_.view.live)
            collectLive();
        else
            collectModelled();
    }
    return *interfaces_;
}

void Renderer::collectModelled() {
    const auto add = [&](NetdevFacts facts) {
        Interface one;
        one.nic = facts.nic;
        one.path = (facts.nic ? facts.device : virtualParent) + "/net/" + facts.name;
        one.ifindex = facts.ifindex;
        one.identity = facts.nic ? facts.nic->port.instance : virtualInterface | static_cast<std::uint64_t>(facts.ifindex);
        const std::string name = facts.name;
        one.facts = std::move(facts);
        interfaces_->emplace(name, std::move(one));
    };
    NetdevFacts lo;
    lo.name = "lo";
    lo.mac = "00:00:00:00:00:00";
    lo.ifindex = lo.iflink = 1;
    lo.mtu = 65536;
    lo.up = lo.carrier = lo.loopback = true;
    if (const Netdev* known = viewed("lo"))
        lo.up = known->up;
    add(lo);
    for (const Placed& placed : functions_)
        if (placed.nic && hasNetdev(*placed.nic) && placed.nic->port.netns == scene_.view.netns)
            add(factsOf(placed));
    for (const Netdev& netdev : scene_.view.netdevs) {
        NetdevFacts facts = factsOf(netdev);
        if (reportsLowerSpeed(netdev.kind))
            for (const auto& [name, one] : *interfaces_)
                if (one.nic && one.ifindex == netdev.parentIndex && one.nic->port.speedMbps)
                    facts.speed = static_cast<long>(one.nic->port.speedMbps);
        add(std::move(facts)); // ports that are there already stay
    }
}

void Renderer::collectLive() {
    for (const NetworkView::Link& link : scene_.view.live->links()) {
        Interface one;
        one.ifindex = link.ifindex;
        const auto placed = !link.nic
                                ? functions_.end()
                                : std::lower_bound(functions_.begin(), functions_.end(), *link.nic,
                                                   [](const Placed& a, const auto& address) { return a.pci->address < address; });
        if (placed != functions_.end() && placed->pci->address == *link.nic && placed->nic && hasNetdev(*placed->nic)) {
            one.nic = placed->nic;
            one.placed = &*placed;
        }
        // Another index is another interface; and the port may have been made anew around the same one.
        one.identity = virtualInterface | (one.nic ? one.nic->port.instance << 24 : 0) | static_cast<std::uint64_t>(link.ifindex);
        one.path = (one.placed ? factsOf(*one.placed).device : virtualParent) + "/net/" + link.name;
        interfaces_->insert_or_assign(link.name, std::move(one));
    }
}

void Renderer::netDirectory(Directory& parent, const Nic* nic) {
    // Of a port it stays, empty, while its interface is in another namespace.
    parent.lazy("net", [this, nic](Directory& directory) {
        for (const auto& [name, one] : interfaces()) {
            if (one.nic != nic)
                continue;
            directory.lazy(name, [this, &name = name, &one = one](Directory& below) { interface(below, name, one); });
            directory.node(name).identity = one.identity;
            directory.node(name).live = scene_.view.live != nullptr;
        }
    });
    parent.node("net").live = scene_.view.live != nullptr;
}

void Renderer::interface(Directory& directory, const std::string& name, const Interface& one) {
    if (!scene_.view.live) {
        renderNetdev(directory, one.path, scene_, *one.facts);
        stacking(directory, name, one);
        return;
    }
    std::optional<NetdevFacts> facts;
    if (one.nic)
        facts = factsOf(*one.placed);
    renderLiveNetdev(directory, one.path, scene_, name, facts ? &*facts : nullptr, [this](const std::string& other) {
        const auto found = interfaces().find(other);
        return found == interfaces().end() ? std::string() : found->second.path;
    });
}

// What sits on what: known by index, which means something only in the machine's own namespace.
void Renderer::stacking(Directory& directory, const std::string& name, const Interface& one) {
    if (scene_.view.netns != scene_.machine.netns())
        return;
    const auto sitsOn = [](const Interface& upper, const Interface& lower) {
        return upper.facts && reportsLowerSpeed(upper.facts->kind) && upper.facts->iflink == lower.ifindex &&
               upper.ifindex != lower.ifindex;
    };
    for (const auto& [other, that] : interfaces()) {
        if (other == name)
            continue;
        if (sitsOn(one, that))
            addLink(directory, one.path, "lower_" + other, that.path);
        if (sitsOn(that, one))
            addLink(directory, one.path, "upper_" + other, that.path);
    }
}

} // namespace rdmalab::fakesysfs
