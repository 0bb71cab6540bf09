#include "sim/hardware/machine.h"

#include "sim/hardware/hardware_error.h"
#include "sim/hardware/naming.h"
#include "util/syscall.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace rdmalab::hardware {

const Nic* Machine::findByPci(const PciAddress& address) const noexcept {
    for (const auto& nic : nics_)
        if (nic->pci.address == address)
            return nic.get();
    return nullptr;
}

const Nic* Machine::findByNetdev(const std::string& name, NetnsId netns) const noexcept {
    for (const auto& nic : nics_)
        if (!name.empty() && nic->port.netdev == name && nic->port.netns == netns)
            return nic.get();
    return nullptr;
}

const Nic* Machine::findByRdma(const std::string& name) const noexcept {
    for (const auto& nic : nics_)
        if (nic->rdma && nic->rdma->name == name)
            return nic.get();
    return nullptr;
}

std::vector<const Nic*> Machine::rdmaDevicesVisibleFrom(NetnsId viewer) const {
    std::vector<const Nic*> visible;
    for (const auto& nic : nics_)
        if (nic->rdma && (mode_ == RdmaNetnsMode::shared || nic->rdma->netns == viewer))
            visible.push_back(nic.get());
    std::sort(visible.begin(), visible.end(), [](const Nic* a, const Nic* b) { return a->rdma->index < b->rdma->index; });
    return visible;
}

void Machine::setLink(const Nic& nic, bool up) {
    Nic& mine = own(nic);
    if (mine.port.up == up)
        return;
    const bool before = mine.port.carrier();
    mine.port.up = up;
    carrierChanged(mine, before);
    notify(HardwareChange::link, &mine, mine.port.netdev);
}

void Machine::plugCable(const Nic& nic) {
    Nic& mine = own(nic);
    if (std::exchange(mine.port.cabled, true))
        return;
    carrierChanged(mine, false);
    notify(HardwareChange::link, &mine, mine.port.netdev);
}

void Machine::unplugCable(const Nic& nic) {
    Nic& mine = own(nic);
    const bool before = mine.port.carrier();
    if (!std::exchange(mine.port.cabled, false))
        return;
    carrierChanged(mine, before);
    notify(HardwareChange::link, &mine, mine.port.netdev);
}

void Machine::setMtu(const Nic& nic, int mtu) {
    Nic& mine = own(nic);
    if (std::exchange(mine.port.mtu, mtu) != mtu)
        notify(HardwareChange::link, &mine, mine.port.netdev);
}

void Machine::setMac(const Nic& nic, const std::string& mac) {
    Nic& mine = own(nic);
    const auto normal = normalMac(mac, mine.port.linkLayer == LinkLayer::infiniband ? 20 : 6);
    if (!normal)
        throw HardwareError("mac", "'" + mac + "' is no hardware address of this port");
    if (std::exchange(mine.port.mac, *normal) == *normal)
        return;
    refreshGids(mine);
    notify(HardwareChange::address, &mine, mine.port.netdev);
}

void Machine::setAddresses(const Nic& nic, std::vector<Cidr> addresses) {
    Nic& mine = own(nic);
    if (mine.port.addresses == addresses)
        return;
    mine.port.addresses = std::move(addresses);
    refreshGids(mine);
    notify(HardwareChange::address, &mine, mine.port.netdev);
}

void Machine::setUpperInterfaces(const Nic& nic, std::vector<GidInterface> uppers) {
    Nic& mine = own(nic);
    uppers_[&mine] = std::move(uppers);
    const auto before = mine.rdma ? mine.rdma->gids.slots() : std::vector<std::optional<Gid>>();
    refreshGids(mine);
    if (mine.rdma && mine.rdma->gids.slots() != before)
        notify(HardwareChange::address, &mine, mine.port.netdev);
}

void Machine::renameNetdev(const Nic& nic, const std::string& name) {
    Nic& mine = own(nic);
    if (mine.port.netdev == name)
        return;
    if (netdevNameProblem(name))
        throw SystemError("rename " + mine.port.netdev + " to " + name, EINVAL);
    if (findByNetdev(name, mine.port.netns))
        throw SystemError("rename " + mine.port.netdev + " to " + name, EEXIST);
    mine.port.netdev = name;
    refreshGids(mine);
    notify(HardwareChange::netdev, &mine, name);
}

void Machine::moveNetdev(const Nic& nic, NetnsId netns) {
    Nic& mine = own(nic);
    if (mine.port.netns == netns)
        return;
    if (findByNetdev(mine.port.netdev, netns))
        throw SystemError("move " + mine.port.netdev, EEXIST);
    const bool before = mine.port.carrier();
    mine.port.netns = netns;
    mine.port.up = false;
    mine.port.addresses.clear();
    carrierChanged(mine, before);
    refreshGids(mine);
    notify(HardwareChange::netdev, &mine, mine.port.netdev);
}

void Machine::renameRdma(const Nic& nic, const std::string& name) {
    Nic& mine = own(nic);
    if (!mine.rdma)
        throw HardwareError("rdma", mine.pci.address.str() + " has no RDMA device");
    if (mine.rdma->name == name)
        return;
    if (name.empty())
        throw SystemError("rename " + mine.rdma->name, EINVAL);
    if (findByRdma(name))
        throw SystemError("rename " + mine.rdma->name + " to " + name, EEXIST);
    mine.rdma->name = name;
    notify(HardwareChange::rdmaDevice, &mine, name);
}

void Machine::moveRdma(const Nic& nic, NetnsId netns) {
    Nic& mine = own(nic);
    if (!mine.rdma)
        throw HardwareError("rdma", mine.pci.address.str() + " has no RDMA device");
    if (mode_ == RdmaNetnsMode::shared)
        throw SystemError("move " + mine.rdma->name, EOPNOTSUPP);
    if (std::exchange(mine.rdma->netns, netns) != netns)
        notify(HardwareChange::rdmaDevice, &mine, mine.rdma->name);
}

void Machine::setRdmaNetnsMode(RdmaNetnsMode mode) {
    if (std::exchange(mode_, mode) != mode)
        notify(HardwareChange::netnsMode, nullptr, "");
}

bool Machine::removeCharDevice(const std::string& name) {
    if (rdmaCm_ && rdmaCm_->name == name) {
        rdmaCm_.reset();
        notify(HardwareChange::charDevice, nullptr, name);
        return true;
    }
    for (const auto& nic : nics_) {
        if (!nic->rdma)
            continue;
        const auto removed = std::erase_if(nic->rdma->charDevices, [&](const CharDevice& device) { return device.name == name; });
        if (removed) {
            notify(HardwareChange::charDevice, nic.get(), name);
            return true;
        }
    }
    return false;
}

void Machine::unbindDriver(const Nic& nic) {
    Nic& mine = own(nic);
    if (mine.pci.driver.empty())
        return;
    mine.pci.driver.clear();
    const std::string rdma = mine.rdma ? mine.rdma->name : "";
    const std::string netdev = mine.port.netdev;
    mine.rdma.reset();
    mine.port.netdev.clear();
    mine.port.up = false;
    mine.port.addresses.clear();
    uppers_.erase(&mine);
    if (!rdma.empty())
        notify(HardwareChange::rdmaDevice, &mine, rdma);
    notify(HardwareChange::netdev, &mine, netdev);
}

Machine::Subscription Machine::observe(std::function<void(const HardwareEvent&)> observer) {
    const std::uint64_t id = nextObserver_++;
    observers_.emplace(id, std::move(observer));
    return Subscription(*this, id);
}

Machine::Subscription::Subscription(Subscription&& other) noexcept
    : machine_(std::exchange(other.machine_, nullptr)), id_(other.id_) {}

Machine::Subscription& Machine::Subscription::operator=(Subscription&& other) noexcept {
    if (this != &other) {
        if (machine_)
            machine_->observers_.erase(id_);
        machine_ = std::exchange(other.machine_, nullptr);
        id_ = other.id_;
    }
    return *this;
}

Machine::Subscription::~Subscription() {
    if (machine_)
        machine_->observers_.erase(id_);
}

Nic& Machine::own(const Nic& nic) {
    for (const auto& mine : nics_)
        if (mine.get() == &nic)
            return *mine;
    throw HardwareError("nic", nic.pci.address.str() + " is not part of machine " + name_);
}

void Machine::notify(HardwareChange change, const Nic* nic, std::string subject) {
    ++generation_;
    const HardwareEvent event{change, nic, std::move(subject)};
    std::vector<std::uint64_t> ids;
    for (const auto& [id, observer] : observers_)
        ids.push_back(id);
    for (const std::uint64_t id : ids)
        if (const auto found = observers_.find(id); found != observers_.end()) {
            const auto observer = found->second; // survives its own unsubscription
            observer(event);
        }
}

void Machine::carrierChanged(Nic& nic, bool before) {
    const bool now = nic.port.carrier();
    if (now && !before)
        ++nic.port.carrierUpCount;
    if (!now && before)
        ++nic.port.carrierDownCount;
}

void Machine::refreshGids(Nic& nic) {
    if (!nic.rdma)
        return;
    if (nic.port.linkLayer == LinkLayer::infiniband) {
        nic.rdma->gids.update(GidTable::infinibandEntries(nic.rdma->nodeGuid));
        return;
    }
    const RdmaModel& model = *nic.model->rdma;
    std::vector<Gid> wanted =
        GidTable::roceEntries({nic.port.netdev, nic.port.mac, nic.port.addresses, nic.port.netns}, model.roceV1, model.roceV2);
    if (const auto uppers = uppers_.find(&nic); uppers != uppers_.end())
        for (const GidInterface& upper : uppers->second) {
            const auto more = GidTable::roceEntries(upper, model.roceV1, model.roceV2);
            wanted.insert(wanted.end(), more.begin(), more.end());
        }
    nic.rdma->gids.update(wanted);
}

} // namespace rdmalab::hardware
