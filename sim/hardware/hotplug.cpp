// Functions that leave the bus and come back (drivers/pci/{remove,probe}.c, drivers/pci/hotplug).
#include "sim/hardware/machine.h"
#include "util/syscall.h"

#include <algorithm>
#include <cerrno>

namespace rdmalab::hardware {
namespace {

template <typename List>
auto placeOf(List& list, const PciAddress& address) {
    return std::lower_bound(list.begin(), list.end(), address,
                            [](const auto& one, const PciAddress& wanted) { return one->pci.address < wanted; });
}

} // namespace

Nic* Machine::nicAt(const PciAddress& address) noexcept {
    const auto place = placeOf(nics_, address);
    return place != nics_.end() && (*place)->pci.address == address ? place->get() : nullptr;
}

const Nic* Machine::findByPci(const PciAddress& address) const noexcept {
    return const_cast<Machine*>(this)->nicAt(address);
}

Machine::Found Machine::find(const PciAddress& address) noexcept {
    if (Nic* nic = nicAt(address))
        return {nic, &nic->pci};
    const auto place = placeOf(plain_, address);
    return {nullptr, place != plain_.end() && (*place)->pci.address == address ? &(*place)->pci : nullptr};
}

Machine::Found Machine::find(const Identity& identity) noexcept {
    const Found found = find(identity.first);
    return found && found.pci->instance == identity.second ? found : Found();
}

const PciFunction* Machine::findFunction(const PciAddress& address) const noexcept {
    return const_cast<Machine*>(this)->find(address).pci;
}

Machine::Found Machine::require(const PciAddress& address, const char* what) {
    const Found found = find(address);
    if (!found)
        throw SystemError(what, ENODEV);
    return found;
}

const Machine::Birth& Machine::birthOf(const Nic& pf) const {
    // Every PF has one from boot on.
    return *std::lower_bound(births_.begin(), births_.end(), pf.pci.address,
                             [](const Birth& one, const PciAddress& wanted) { return one.address < wanted; });
}

Machine::Birth& Machine::birthOf(const Nic& pf) {
    return const_cast<Birth&>(std::as_const(*this).birthOf(pf));
}

std::vector<Machine::Identity> Machine::functions() const {
    std::vector<Identity> all;
    all.reserve(nics_.size() + plain_.size());
    for (const auto& nic : nics_)
        all.push_back(identity(nic->pci));
    for (const auto& plain : plain_)
        all.push_back(identity(plain->pci));
    std::sort(all.begin(), all.end());
    return all;
}

unsigned Machine::takeIommuGroup() {
    // The lowest free number (iommu_group_alloc's ida).
    const auto lowest = std::min_element(freeIommuGroups_.begin(), freeIommuGroups_.end());
    if (lowest == freeIommuGroups_.end())
        return nextIommuGroup_++;
    const unsigned group = *lowest;
    freeIommuGroups_.erase(lowest);
    return group;
}

Machine::Found Machine::insert(Absent function) {
    PciFunction& pci = function.nic ? function.nic->pci : function.plain->pci;
    pci.instance = nextInstance_++;
    if (iommu_)
        pci.iommuGroup = takeIommuGroup();
    Nic* nic = function.nic.get();
    if (nic)
        nics_.insert(placeOf(nics_, pci.address), std::move(function.nic));
    else
        plain_.insert(placeOf(plain_, pci.address), std::move(function.plain));
    return {nic, &pci};
}

// `keep`: it may come back.
void Machine::takeOff(const Identity& identity, bool keep, bool plugged) {
    detach(identity);
    if (const Found left = find(identity); left && left.pci->numVfs)
        removeVfs(identity); // whatever its driver thinks of it
    Found function = find(identity);
    if (!function)
        return;
    notify(HardwareChange::functionRemoved, function.nic, identity.first.str());
    if (!(function = find(identity)))
        return;
    if (function.pci->iommuGroup)
        freeIommuGroups_.push_back(*function.pci->iommuGroup);
    if (function.pci->physfn)
        if (Nic* pf = nicAt(*function.pci->physfn))
            --pf->pci.numVfs;
    Absent gone;
    gone.plugged = plugged;
    if (function.nic) {
        uppers_.erase(function.nic);
        const auto place = placeOf(nics_, identity.first);
        gone.nic = std::move(*place);
        nics_.erase(place);
    } else {
        const auto place = placeOf(plain_, identity.first);
        gone.plain = std::move(*place);
        plain_.erase(place);
    }
    ++generation_;
    if (keep)
        absent_.push_back(std::move(gone));
}

void Machine::removeFunction(const PciAddress& address) {
    const auto isIt = [&](const Bridge& bridge) { return bridge.address == address; };
    if (std::any_of(bridges_.begin(), bridges_.end(), isIt)) {
        for (const Identity& one : functions())
            if (const Found function = find(one); function && !function.pci->isVf() &&
                                                  std::count(function.pci->bridges.begin(), function.pci->bridges.end(), address))
                takeOff(one, true, true);
        return;
    }
    const Found function = require(address, "remove");
    if (function.pci->isVf())
        throw SystemError("remove " + address.str(), ENOENT);
    takeOff(identity(*function.pci), true, true);
}

void Machine::unplugCard(const PciAddress& address) {
    PciAddress slot = address;
    if (const Found function = find(address); function && function.pci->physfn)
        slot = *function.pci->physfn;
    bool known = false;
    std::vector<Identity> all = functions();
    std::reverse(all.begin(), all.end()); // pciehp_unconfigure_device
    for (const Identity& one : all)
        if (const Found function = find(one); function && !function.pci->isVf() && one.first.sameSlot(slot)) {
            takeOff(one, true, false);
            known = true;
        }
    for (Absent& one : absent_)
        if (one.pci().address.sameSlot(slot)) {
            one.plugged = false; // what had been removed goes with the card
            known = true;
        }
    if (!known)
        throw SystemError("unplug " + address.str(), ENODEV);
}

void Machine::comeBack(bool (*wanted)(const Absent&, const PciAddress&), const PciAddress& slot) {
    std::sort(absent_.begin(), absent_.end(), [](const Absent& a, const Absent& b) { return a.pci().address < b.pci().address; });
    std::vector<Absent> back;
    for (auto one = absent_.begin(); one != absent_.end();) {
        if (!wanted(*one, slot)) {
            ++one;
            continue;
        }
        back.push_back(std::move(*one));
        one = absent_.erase(one);
    }
    std::vector<Identity> mine;
    // The whole card is found before any driver sees it (pci_scan_slot, then pci_bus_add_devices).
    for (Absent& one : back) {
        PciFunction& pci = one.nic ? one.nic->pci : one.plain->pci;
        pci.driverOverride.reset();
        pci.vfAutoprobe = true;
        mine.push_back(identity(*insert(std::move(one)).pci));
    }
    for (const Identity& one : mine) {
        const Found function = find(one);
        if (!function)
            continue;
        notify(HardwareChange::functionAdded, function.nic, one.first.str());
        if (driversAutoprobe_)
            attach(one);
    }
}

void Machine::rescanBus() {
    comeBack([](const Absent& one, const PciAddress&) { return one.plugged; }, {});
}

void Machine::replugCard(const PciAddress& address) {
    bool known = false;
    for (const auto& one : functions())
        known = known || one.first.sameSlot(address);
    for (const Absent& one : absent_)
        known = known || one.pci().address.sameSlot(address);
    if (!known)
        throw SystemError("plug " + address.str(), ENODEV);
    comeBack([](const Absent& one, const PciAddress& slot) { return !one.plugged && one.pci().address.sameSlot(slot); }, address);
}

} // namespace rdmalab::hardware
