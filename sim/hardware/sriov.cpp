// Virtual functions (drivers/pci/iov.c; spec sysfs-and-rdma-abi 2).
#include "sim/hardware/driver_traits.h"
#include "sim/hardware/machine.h"
#include "sim/hardware/naming.h"
#include "util/syscall.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>

namespace rdmalab::hardware {
namespace {

constexpr unsigned largestVlan = 4095, largestPriority = 7;

PciAddress vfAddress(const PciFunction& pf, unsigned vf) noexcept {
    return PciAddress::fromRoutingId(pf.address.domain, pf.address.routingId() + pf.vfOffset + pf.vfStride * vf);
}

} // namespace

const VfSettings& VfSettingsTable::operator[](unsigned vf) const noexcept {
    static const VfSettings untouched;
    const auto found = std::find_if(set_.begin(), set_.end(), [vf](const auto& entry) { return entry.first == vf; });
    return found == set_.end() ? untouched : found->second;
}

void VfSettingsTable::set(unsigned vf, const VfSettings& settings) {
    std::erase_if(set_, [vf](const auto& entry) { return entry.first == vf; });
    if (vf < size_ && settings != VfSettings())
        set_.emplace_back(vf, settings);
}

const Nic* Machine::physfn(const Nic& vf) const noexcept {
    return vf.pci.physfn ? findByPci(*vf.pci.physfn) : nullptr;
}

std::vector<const Nic*> Machine::vfs(const Nic& pf) const {
    std::vector<const Nic*> found;
    for (unsigned vf = 0; vf < pf.pci.totalVfs && found.size() < pf.pci.numVfs; ++vf)
        if (const Nic* one = findByPci(vfAddress(pf.pci, vf)); one && one->pci.physfn == pf.pci.address)
            found.push_back(one);
    return found;
}

Nic& Machine::requirePf(const PciAddress& address, const char* what) {
    const Found function = require(address, what);
    if (!function.nic || function.pci->totalVfs == 0)
        throw SystemError(std::string(what) + " of " + address.str(), ENOENT); // there is no such file
    return *function.nic;
}

void Machine::setNumVfs(const PciAddress& address, unsigned count) {
    const Nic& pf = requirePf(address, "sriov_numvfs");
    const std::string what = "sriov_numvfs of " + address.str();
    if (count > pf.pci.vfLimit)
        throw SystemError(what, ERANGE);
    if (count == pf.pci.numVfs)
        return;
    if (pf.pci.driver != pf.model->driver)
        throw SystemError(what, ENOENT); // unbound, or vfio-pci, whose enable_sriov is off
    if (count == 0)
        return removeVfs(identity(pf.pci));
    if (pf.pci.numVfs)
        throw SystemError(what, EBUSY);
    checkVfPlaces(pf, count);
    addVfs(identity(pf.pci), count);
}

void Machine::checkVfPlaces(const Nic& pf, unsigned count) const {
    const std::string what = "sriov_numvfs of " + pf.pci.address.str();
    // Bus numbers end with those that firmware gave the port above.
    unsigned lastBus = 0xff;
    if (!pf.pci.bridges.empty())
        for (const Bridge& bridge : bridges_)
            if (bridge.address == pf.pci.bridges.back())
                lastBus = bridge.subordinateBus;
    const unsigned last = pf.pci.address.routingId() + pf.pci.vfOffset + pf.pci.vfStride * (count - 1);
    if (last >> 8 > lastBus)
        throw SystemError(what, ENOMEM);
    const auto taken = [&](const PciAddress& address) {
        return findFunction(address) ||
               std::any_of(bridges_.begin(), bridges_.end(), [&](const Bridge& one) { return one.address == address; }) ||
               std::any_of(absent_.begin(), absent_.end(), [&](const Absent& one) { return one.pci().address == address; });
    };
    for (unsigned vf = 0; vf < count; ++vf)
        if (taken(vfAddress(pf.pci, vf)))
            throw SystemError(what, ENOMEM);
}

void Machine::addVfs(const Identity& pf, unsigned count) {
    for (unsigned vf = 0; vf < count; ++vf) {
        const Nic* parent = find(pf).nic;
        if (!parent || parent->pci.numVfs != vf)
            return; // somebody who was told decided otherwise
        auto nic = std::make_unique<Nic>();
        nic->model = parent->model;
        PciFunction& pci = nic->pci;
        pci.address = vfAddress(parent->pci, vf);
        pci.physfn = parent->pci.address;
        pci.vfNumber = vf;
        pci.bridges = parent->pci.bridges;
        pci.rootBus = parent->pci.rootBus;
        pci.vendor = parent->pci.vendor;
        pci.device = parent->model->sriov->vfDevice;
        pci.subsystemVendor = parent->pci.subsystemVendor;
        pci.subsystemDevice = parent->pci.subsystemDevice;
        pci.classCode = parent->pci.classCode;
        pci.revision = parent->pci.revision;
        pci.numaNode = parent->pci.numaNode;
        pci.cardFunctions = parent->pci.cardFunctions;
        nic->port.linkLayer = parent->port.linkLayer;
        nic->port.speedMbps = parent->model->speedMbps;
        nic->port.netns = netns_;
        nic->port.cabled = vfCabled(*parent, vf);
        Absent made;
        made.nic = std::move(nic);
        ++nicAt(pf.first)->pci.numVfs;
        const Found born = insert(std::move(made));
        const Identity mine = identity(*born.pci);
        notify(HardwareChange::functionAdded, born.nic, mine.first.str());
        if (driversAutoprobe_)
            attach(mine);
    }
}

void Machine::removeVfs(const Identity& pf) {
    const Nic* parent = find(pf).nic;
    if (!parent)
        return;
    std::vector<Identity> mine;
    for (const Nic* vf : vfs(*parent))
        mine.push_back(identity(vf->pci));
    for (const Identity& vf : mine)
        takeOff(vf, false, false);
    if (Nic* still = find(pf).nic) {
        still->vfSettings.clear();
        ++generation_;
    }
}

void Machine::setVfAutoprobe(const PciAddress& pf, bool on) {
    Nic& nic = requirePf(pf, "sriov_drivers_autoprobe");
    if (std::exchange(nic.pci.vfAutoprobe, on) != on)
        notify(HardwareChange::driver, &nic, pf.str());
}

void Machine::setFirmwareVfLimit(const PciAddress& pf, unsigned limit) {
    Nic& nic = requirePf(pf, "firmware's VF limit");
    if (limit > nic.pci.totalVfs)
        throw SystemError("firmware's VF limit of " + pf.str(), EINVAL);
    birthOf(nic).firmwareVfLimit = limit;
}

void Machine::setVfSettings(const PciAddress& address, unsigned vf, const VfSettings& given) {
    Nic& pf = requirePf(address, "settings of a VF");
    const std::string what = "settings of VF " + std::to_string(vf) + " of " + address.str();
    if (pf.pci.driver != pf.model->driver)
        throw SystemError(what, EOPNOTSUPP);
    VfSettings settings = given;
    const auto mac = normalMac(given.mac, 6);
    const bool there = vf < (driverTraits(pf.pci.driver).presetVfs ? pf.pci.totalVfs : pf.pci.numVfs);
    if (!there || !mac || (std::strtoul(mac->c_str(), nullptr, 16) & 1) != 0 || settings.vlan > largestVlan ||
        settings.qos > largestPriority)
        throw SystemError(what, EINVAL);
    settings.mac = *mac;
    const VfSettings before = pf.vfSettings[vf];
    if (before == settings)
        return;
    pf.vfSettings.set(vf, settings);
    const PciAddress place = vfAddress(pf.pci, vf);
    const auto current = [&]() -> Nic* {
        Nic* nic = nicAt(place);
        return nic && nic->pci.physfn == address ? nic : nullptr;
    };
    notify(HardwareChange::vfSettings, current(), place.str());
    if (const Nic* nic = current(); nic && settings.mac != before.mac && settings.mac != VfSettings().mac &&
                                    driverTraits(nic->pci.driver).takesMacAtOnce && !nic->port.netdev.empty()) {
        current()->port.randomMac = false;
        setMac(*nic, settings.mac);
    }
    if (const Nic* still = findByPci(address))
        followPf(identity(still->pci));
}

bool Machine::vfCabled(const Nic& pf, unsigned vf) const {
    switch (pf.vfSettings[vf].linkState) {
    case VfLinkState::enabled:
        return true;
    case VfLinkState::disabled:
        return false;
    case VfLinkState::automatic:
        break;
    }
    const bool closed =
        pf.port.linkLayer == LinkLayer::ethernet && !pf.port.up && driverTraits(pf.model->driver).portFollowsInterface;
    return pf.port.cabled && !closed;
}

void Machine::followPf(const Identity& pf) {
    const Nic* parent = find(pf).nic;
    if (!parent || parent->pci.numVfs == 0)
        return;
    std::vector<Identity> mine;
    for (const Nic* vf : vfs(*parent))
        mine.push_back(identity(vf->pci));
    for (const Identity& one : mine) {
        parent = find(pf).nic;
        Nic* vf = find(one).nic;
        if (!parent || !vf)
            continue;
        const bool cabled = vfCabled(*parent, vf->pci.vfNumber), before = vf->port.carrier();
        if (std::exchange(vf->port.cabled, cabled) == cabled)
            continue;
        ++generation_;
        carrierChanged(*vf, before);
        if (!vf->port.netdev.empty())
            notify(HardwareChange::link, vf, vf->port.netdev);
    }
}

} // namespace rdmalab::hardware
