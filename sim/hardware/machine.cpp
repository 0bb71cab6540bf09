#include "sim/hardware/machine.h"

#include "sim/hardware/hardware_error.h"
#include "sim/hardware/naming.h"
#include "util/syscall.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace rdmalab::hardware {

namespace {
constexpr std::size_t rdmaNameSize = 64; // IB_DEVICE_NAME_MAX, with its NUL
}

const Nic* Machine::findByNetdev(const std::string& name, NetnsId netns) const noexcept {
    for (const auto& nic : nics_)
        if (!name.empty() && nic->port.netdev == name && nic->port.netns == netns)
            return nic.get();
    return nullptr;
}

const Nic* Machine::findByRdma(const std::string& name) const noexcept {
    const Nic* elsewhere = nullptr;
    for (const auto& nic : nics_) {
        if (!nic->rdma || nic->rdma->name != name)
            continue;
        if (nic->rdma->netns == netns_)
            return nic.get();
        elsewhere = elsewhere ? elsewhere : nic.get();
    }
    return elsewhere;
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
    linkChanged(mine, before);
}

void Machine::plugCable(const Nic& nic) {
    Nic& mine = own(nic);
    if (std::exchange(mine.port.cabled, true))
        return;
    linkChanged(mine, false);
}

void Machine::unplugCable(const Nic& nic) {
    Nic& mine = own(nic);
    const bool before = mine.port.carrier();
    if (!std::exchange(mine.port.cabled, false))
        return;
    linkChanged(mine, before);
}

void Machine::linkChanged(Nic& nic, bool before) {
    carrierChanged(nic, before);
    const Identity mine = identity(nic.pci);
    notify(HardwareChange::link, &nic, nic.port.netdev);
    followPf(mine);
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
    if (uppers.empty())
        uppers_.erase(&mine);
    else
        uppers_[&mine] = std::move(uppers);
    if (refreshGids(mine))
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
    const Identity moved = identity(mine.pci);
    notify(HardwareChange::netdev, &mine, mine.port.netdev);
    followPf(moved);
}

void Machine::renameRdma(const Nic& nic, const std::string& name) {
    Nic& mine = own(nic);
    if (!mine.rdma)
        throw HardwareError("rdma", mine.pci.address.str() + " has no RDMA device");
    if (name.empty() || name.size() > rdmaNameSize)
        throw SystemError("rename " + mine.rdma->name, EINVAL);
    const std::string kept = name.substr(0, rdmaNameSize - 1);
    if (mine.rdma->name == kept)
        return;
    if (rdmaNameTaken(kept, mine.rdma->netns))
        throw SystemError("rename " + mine.rdma->name + " to " + kept, EEXIST);
    mine.rdma->name = kept;
    notify(HardwareChange::rdmaDevice, &mine, kept);
}

void Machine::moveRdma(const Nic& nic, NetnsId netns) {
    Nic& mine = own(nic);
    if (!mine.rdma)
        throw HardwareError("rdma", mine.pci.address.str() + " has no RDMA device");
    if (mode_ == RdmaNetnsMode::shared)
        throw SystemError("move " + mine.rdma->name, EOPNOTSUPP);
    if (mine.rdma->netns == netns)
        return;
    if (rdmaNameTaken(mine.rdma->name, netns))
        throw SystemError("move " + mine.rdma->name, EEXIST);
    mine.rdma->netns = netns;
    notify(HardwareChange::rdmaDevice, &mine, mine.rdma->name);
}

bool Machine::rdmaNameTaken(const std::string& name, NetnsId netns) const {
    return std::any_of(nics_.begin(), nics_.end(), [&](const auto& nic) {
        return nic->rdma && nic->rdma->name == name && (mode_ == RdmaNetnsMode::shared || nic->rdma->netns == netns);
    });
}

void Machine::namespaceGone(NetnsId netns) {
    if (netns == netns_)
        return;
    const std::vector<Identity> all = functions();
    for (const Identity& one : all) {
        const Nic* nic = find(one).nic;
        if (!nic || nic->port.netdev.empty() || nic->port.netns != netns)
            continue;
        if (findByNetdev(nic->port.netdev, netns_)) {
            std::string name = "dev" + std::to_string(nic->port.ifindex);
            for (unsigned number = 0; findByNetdev(name, netns_) || findByNetdev(name, netns); ++number)
                name = "dev" + std::to_string(number);
            find(one).nic->port.netdev = name; // with the move, not before it
        }
        moveNetdev(*nic, netns_);
    }
    for (const Identity& one : all) {
        Nic* nic = find(one).nic;
        if (!nic || !nic->rdma || nic->rdma->netns != netns)
            continue;
        if (rdmaNameTaken(nic->rdma->name, netns_) && mode_ == RdmaNetnsMode::exclusive)
            nic->rdma->name = freeRdmaName(*nic, "");
        nic->rdma->netns = netns_;
        notify(HardwareChange::rdmaDevice, nic, nic->rdma->name);
    }
}

void Machine::setRdmaNetnsMode(RdmaNetnsMode mode) {
    if (std::exchange(mode_, mode) != mode)
        notify(HardwareChange::netnsMode, nullptr, "");
}

bool Machine::removeCharDevice(const std::string& name) {
    if (rdmaCm_ && rdmaCm_->name == name) {
        removedCharDevices_.emplace_back(0, *rdmaCm_);
        rdmaCm_.reset();
        notify(HardwareChange::charDevice, nullptr, name);
        return true;
    }
    for (const auto& nic : nics_) {
        if (!nic->rdma)
            continue;
        auto& devices = nic->rdma->charDevices;
        const auto found =
            std::find_if(devices.begin(), devices.end(), [&](const CharDevice& device) { return device.name == name; });
        if (found != devices.end()) {
            removedCharDevices_.emplace_back(nic->rdma->instance, *found);
            devices.erase(found);
            notify(HardwareChange::charDevice, nic.get(), name);
            return true;
        }
    }
    return false;
}

bool Machine::restoreCharDevice(const std::string& name) {
    const auto removed = std::find_if(removedCharDevices_.rbegin(), removedCharDevices_.rend(),
                                      [&](const auto& one) { return one.second.name == name; });
    if (removed == removedCharDevices_.rend())
        return false;
    const auto [instance, device] = *removed;
    Nic* owner = nullptr;
    for (const auto& nic : nics_) {
        if (!nic->rdma)
            continue;
        const auto& devices = nic->rdma->charDevices; // numbers are given out again: a VF made meanwhile may have this one
        if (std::any_of(devices.begin(), devices.end(), [&](const CharDevice& other) { return other.name == name; }))
            return false;
        if (nic->rdma->instance == instance)
            owner = nic.get();
    }
    if (instance == 0 ? rdmaCm_.has_value() : owner == nullptr)
        return false;
    removedCharDevices_.erase(std::next(removed).base());
    if (instance == 0) {
        rdmaCm_ = device;
    } else {
        auto& devices = owner->rdma->charDevices;
        const auto place = std::find_if(devices.begin(), devices.end(),
                                        [kind = device.kind](const CharDevice& other) { return other.kind > kind; });
        devices.insert(place, device);
    }
    notify(HardwareChange::charDevice, owner, name);
    return true;
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
    if (Nic* mine = nicAt(nic.pci.address); mine == &nic)
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

bool Machine::refreshGids(Nic& nic) {
    if (!nic.rdma)
        return false;
    if (nic.port.linkLayer == LinkLayer::infiniband)
        return nic.rdma->gids.update(GidTable::infinibandEntries(portGuidOf(nic.port.mac)));
    const RdmaModel& model = *nic.model->rdma;
    std::vector<Gid> wanted =
        GidTable::roceEntries({nic.port.netdev, nic.port.mac, nic.port.addresses, nic.port.netns}, model.roceV1, model.roceV2);
    if (const auto uppers = uppers_.find(&nic); uppers != uppers_.end())
        for (const GidInterface& upper : uppers->second) {
            const auto more = GidTable::roceEntries(upper, model.roceV1, model.roceV2);
            wanted.insert(wanted.end(), more.begin(), more.end());
        }
    return nic.rdma->gids.update(wanted);
}

} // namespace rdmalab::hardware
