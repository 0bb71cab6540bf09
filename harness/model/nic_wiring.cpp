#include "harness/model/nic_wiring.h"

#include "plugins/kernel/kernel.h"

#include <cerrno>
#include <stdexcept>
#include <utility>
#include <vector>

namespace rdmalab::harness {

using hardware::HardwareChange;
using hardware::Nic;

namespace {

// Says that changes are this class's own while it lives: the other side's observer has nothing to pass on.
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

} // namespace

NicWiring::NicWiring(hardware::Machine& machine, kernel::ModelWorld& world, fabric::Fabric& fabric, kernel::NetnsId node,
                     SwitchOf switchOf)
    : machine_(machine), world_(world), fabric_(fabric), node_(node), switchOf_(std::move(switchOf)) {
    // PFs first: a VF's port is behind its PF's.
    for (const bool vfs : {false, true})
        for (const auto& nic : machine_.nics())
            if (nic->pci.isVf() == vfs && !nic->port.netdev.empty())
                addLink(*nic);
    subscription_ = machine_.observe([this](const hardware::HardwareEvent& event) { machineChanged(event); });
}

fabric::PortId NicWiring::portFor(const Nic& nic) {
    if (const Nic* pf = machine_.physfn(nic)) {
        const auto uplink = portFor(*pf);
        return fabric_.addPortBehind(uplink);
    }
    const auto known = ports_.find(nic.pci.address);
    if (known != ports_.end())
        return known->second;
    return ports_[nic.pci.address] = fabric_.addPort(switchOf_(nic));
}

void NicWiring::addLink(const Nic& nic) {
    const Ours ours(ours_);
    kernel::NicSpec spec;
    spec.name = nic.port.netdev;
    spec.mac = nic.port.mac;
    spec.mtu = nic.port.mtu;
    spec.up = nic.port.up;
    if (nic.port.linkLayer == hardware::LinkLayer::infiniband)
        spec.encap = "infiniband";
    spec.port = portFor(nic);
    // The name may be taken by then: the driver's interface is eth0, eth1, ... until udev renames it, which then fails.
    for (int number = 0; world_.netdevByName(node_, spec.name); ++number)
        spec.name = "eth" + std::to_string(number);
    const auto link = world_.addNic(node_, spec);
    wires_[nic.pci.address] = {link, spec.port};
    addresses_[link] = nic.pci.address;
    if (spec.name != nic.port.netdev)
        machine_.renameNetdev(nic, spec.name);
    if (!nic.port.addresses.empty()) {
        const auto kernel = world_.kernel(node_);
        const int index = kernel->linkByName(spec.name)->index;
        for (const auto& address : nic.port.addresses)
            kernel->addAddress(index, address);
    }
    if (nic.pci.isVf())
        applyVfSettings(nic);
}

void NicWiring::removeLink(const Nic& nic) {
    const auto wire = wires_.find(nic.pci.address);
    if (wire == wires_.end())
        return;
    const Ours ours(ours_);
    const Wire gone = wire->second;
    wires_.erase(wire);
    addresses_.erase(gone.link);
    world_.removeNic(gone.link);
    if (nic.pci.isVf())
        fabric_.removePort(gone.port);
}

void NicWiring::applyVfSettings(const Nic& vf) {
    const auto wire = wires_.find(vf.pci.address);
    const Nic* pf = machine_.physfn(vf);
    if (wire == wires_.end() || !pf)
        return;
    const auto& settings = machine_.vfSettings(*pf, vf.pci.vfNumber);
    fabric_.setVlan(wire->second.port, static_cast<int>(settings.vlan));
    fabric_.setLink(wire->second.port, settings.linkState != hardware::VfLinkState::disabled);
}

void NicWiring::machineChanged(const hardware::HardwareEvent& event) {
    if (!event.nic || ours_)
        return;
    switch (event.change) {
    case HardwareChange::netdevAdded:
        return addLink(*event.nic);
    case HardwareChange::netdevRemoved:
        return removeLink(*event.nic);
    case HardwareChange::vfSettings:
        return applyVfSettings(*event.nic);
    default:
        return; // everything else starts in the world
    }
}

const Nic* NicWiring::nicOf(kernel::NetdevId id) const {
    const auto found = addresses_.find(id);
    return found == addresses_.end() ? nullptr : machine_.findByPci(found->second);
}

void NicWiring::linkChanged(kernel::NetdevId id, kernel::NetdevChange change, const kernel::NetdevInfo& info) {
    const Nic* nic = ours_ ? nullptr : nicOf(id);
    if (!nic)
        return;
    const Ours ours(ours_);
    switch (change) {
    case kernel::NetdevChange::added:
    case kernel::NetdevChange::removed:
        break;
    case kernel::NetdevChange::renamed:
        machine_.renameNetdev(*nic, info.name);
        break;
    case kernel::NetdevChange::moved:
        machine_.moveNetdev(*nic, idOf(info.netns));
        if (nic->port.netdev != info.name)
            machine_.renameNetdev(*nic, info.name);
        break;
    case kernel::NetdevChange::state:
        machine_.setLink(*nic, info.up);
        machine_.setMtu(*nic, info.mtu);
        machine_.setMac(*nic, info.mac);
        break;
    }
}

void NicWiring::namespaceGone(kernel::NetnsId netns) {
    const Ours ours(ours_);
    machine_.namespaceGone(idOf(netns));
}

void NicWiring::readAddresses() {
    const Ours ours(ours_);
    struct Upper {
        kernel::NetnsId below{}; // namespace of the interface that it is on top of
        int parent = 0;
        hardware::GidInterface interface;
    };
    const auto cidrsOf = [](plugin::Kernel& kernel, int index) {
        std::vector<Cidr> list;
        for (const auto& one : kernel.addresses(index))
            list.push_back(one.cidr);
        return list;
    };
    std::vector<Upper> uppers;
    for (const auto netns : world_.namespaces(node_)) {
        const auto kernel = world_.kernel(netns);
        for (const auto& link : kernel->links())
            if (link.kind == "macvlan" || link.kind == "vlan" || link.kind == "ipvlan")
                uppers.push_back({link.parentElsewhere ? node_ : netns,
                                  link.parentIndex,
                                  {link.name, link.mac, cidrsOf(*kernel, link.index), idOf(netns)}});
    }
    for (const auto& [address, wire] : wires_) {
        const Nic* nic = machine_.findByPci(address);
        const auto info = world_.netdev(wire.link);
        if (!nic || !info)
            continue;
        machine_.setAddresses(*nic, cidrsOf(*world_.kernel(info->netns), info->index));
        std::vector<hardware::GidInterface> mine;
        for (const Upper& upper : uppers)
            if (upper.below == info->netns && upper.parent == info->index)
                mine.push_back(upper.interface);
        machine_.setUpperInterfaces(*nic, std::move(mine));
    }
}

void NicWiring::setCable(const std::string& netdev, bool plugged) {
    const Nic* nic = machine_.findByNetdev(netdev, machine_.netns());
    const auto wire = nic ? wires_.find(nic->pci.address) : wires_.end();
    if (wire == wires_.end())
        throw std::runtime_error("node " + machine_.name() + " has no NIC port " + netdev);
    const Ours ours(ours_);
    fabric_.setLink(wire->second.port, plugged);
    plugged ? machine_.plugCable(*nic) : machine_.unplugCable(*nic);
}

} // namespace rdmalab::harness
