// Drivers of the PCI bus: which there are, which function they take, and what writing to their files does
// (drivers/pci/pci-driver.c, drivers/base/{bus,dd}.c).
#include "sim/hardware/catalogue.h"
#include "sim/hardware/machine.h"
#include "util/syscall.h"

#include <algorithm>
#include <cerrno>

namespace rdmalab::hardware {
namespace {

constexpr const char* bridgeDriver = "pcieport";
constexpr const char* anyFunctionsDriver = "vfio-pci"; // no ids: takes what driver_override or new_id gives it

bool idMatches(const DriverId& id, const PciFunction& pci) {
    return id.vendor == pci.vendor && id.device == pci.device &&
           (!id.subsystemVendor || *id.subsystemVendor == pci.subsystemVendor) &&
           (!id.subsystemDevice || *id.subsystemDevice == pci.subsystemDevice);
}

// Whether `known` takes everything that a new id would.
bool covers(const DriverId& known, const DriverId& id) {
    return known.vendor == id.vendor && known.device == id.device &&
           (!known.subsystemVendor || known.subsystemVendor == id.subsystemVendor) &&
           (!known.subsystemDevice || known.subsystemDevice == id.subsystemDevice);
}

} // namespace

void Machine::registerDriver(const std::string& name, std::optional<DriverId> id) {
    if (name.empty())
        return;
    auto place = std::lower_bound(drivers_.begin(), drivers_.end(), name,
                                  [](const Driver& driver, const std::string& wanted) { return driver.name < wanted; });
    if (place == drivers_.end() || place->name != name) {
        place = drivers_.insert(place, Driver());
        place->name = name;
        if (name != bridgeDriver) {
            place->module = name;
            std::replace(place->module.begin(), place->module.end(), '-', '_');
        }
    }
    if (id && std::find(place->ids.begin(), place->ids.end(), *id) == place->ids.end())
        place->ids.push_back(*id);
}

void Machine::loadDrivers(const MachineSpec& spec, const Catalogue& catalogue) {
    iommu_ = spec.iommu;
    rdmaNaming_ = spec.rdmaNaming;
    const auto registerModel = [this](const NicModel& model, bool known) {
        const auto add = [&](const std::string& driver, std::uint16_t device) {
            if (!known || findDriver(driver))
                registerDriver(driver, DriverId{model.vendor, device, {}, {}});
        };
        add(model.driver, model.device);
        if (model.sriov)
            add(model.sriov->driver, model.sriov->vfDevice);
    };
    if (!bridges_.empty())
        registerDriver(bridgeDriver, std::nullopt);
    registerDriver(anyFunctionsDriver, std::nullopt);
    for (const auto& nic : nics_)
        registerModel(*nic->model, false);
    // A driver knows all cards of its maker, not only those that are here: new_id refuses what it knows.
    for (const std::string& name : catalogue.names())
        registerModel(*catalogue.model(name), true);
    for (const auto& plain : plain_)
        registerDriver(plain->pci.driver, DriverId{plain->pci.vendor, plain->pci.device, {}, {}});
    drivers_.shrink_to_fit();

    births_.reserve(nics_.size());
    for (const auto& nic : nics_) {
        nic->pci.instance = nextInstance_++;
        nic->port.instance = nextInstance_++;
        nic->pci.vfLimit = nic->pci.totalVfs;
        nic->vfSettings = VfSettingsTable(nic->pci.totalVfs);
        nextIfindex_ = std::max(nextIfindex_, nic->port.ifindex + 1);
        Birth& birth = births_.emplace_back();
        birth.address = nic->pci.address;
        birth.netdev = nic->port.netdev;
        birth.mac = nic->port.mac;
        birth.driver = nic->pci.driver;
        birth.mtu = nic->port.mtu;
        birth.up = nic->port.up;
        birth.addresses = nic->port.addresses;
        birth.firmwareVfLimit = nic->pci.totalVfs;
        if (nic->rdma) {
            nic->rdma->instance = nextInstance_++;
            nextRdmaIndex_ = std::max(nextRdmaIndex_, nic->rdma->index + 1);
            birth.hasRdma = true;
            birth.rdma = nic->rdma->name;
            birth.nodeGuid = nic->rdma->nodeGuid;
            birth.systemImageGuid = nic->rdma->systemImageGuid;
            for (const CharDevice& device : nic->rdma->charDevices)
                birth.charDevices.push_back(device.kind);
        }
    }
    for (const auto& plain : plain_)
        plain->pci.instance = nextInstance_++;
    // Groups that the description did not number follow in the order of the bus.
    const std::vector<Identity> all = functions();
    for (const Identity& one : all)
        if (const PciFunction* pci = findFunction(one.first); pci->iommuGroup)
            nextIommuGroup_ = std::max(nextIommuGroup_, *pci->iommuGroup + 1);
    for (const Identity& one : all)
        if (const Found function = find(one); iommu_ && !function.pci->iommuGroup)
            function.pci->iommuGroup = takeIommuGroup();
}

const Machine::Driver* Machine::findDriver(const std::string& name) const noexcept {
    const auto place = std::lower_bound(drivers_.begin(), drivers_.end(), name,
                                        [](const Driver& driver, const std::string& wanted) { return driver.name < wanted; });
    return place != drivers_.end() && place->name == name ? &*place : nullptr;
}

Machine::Driver* Machine::driverNamed(const std::string& name) noexcept {
    return const_cast<Driver*>(findDriver(name));
}

std::string Machine::nativeDriver(const Found& function) const {
    if (function.nic)
        return function.nic->pci.isVf() ? function.nic->model->sriov->driver : function.nic->model->driver;
    for (const Driver& driver : drivers_)
        for (const DriverId& id : driver.ids)
            if (idMatches(id, *function.pci))
                return driver.name;
    return "";
}

bool Machine::matches(const Driver& driver, const PciFunction& pci) const {
    if (pci.driverOverride)
        return *pci.driverOverride == driver.name;
    const auto one = [&](const DriverId& id) { return idMatches(id, pci); };
    return std::any_of(driver.dynamicIds.begin(), driver.dynamicIds.end(), one) ||
           std::any_of(driver.ids.begin(), driver.ids.end(), one);
}

int Machine::probe(const Driver& driver, const Identity& identity) {
    const Found function = find(identity);
    if (!function)
        return ENODEV;
    PciFunction& pci = *function.pci;
    if (pci.isVf() && !pci.driverOverride)
        if (const Nic* pf = findByPci(*pci.physfn); pf && !pf->pci.vfAutoprobe)
            return ENODEV;
    const bool native = nativeDriver(function) == driver.name;
    if (!native && driver.name != anyFunctionsDriver)
        return ENODEV; // it does not know what it was given
    if (!native && !pci.iommuGroup)
        return EINVAL; // vfio: no group
    pci.driver = driver.name;
    if (native && function.nic) {
        Nic& nic = *function.nic;
        if (!pci.isVf())
            pci.vfLimit = std::min(pci.totalVfs, birthOf(nic).firmwareVfLimit);
        makePort(nic);
        notify(HardwareChange::netdevAdded, &nic, nic.port.netdev);
        if (const Found still = find(identity); still && still.pci->driver == driver.name) {
            makeRdma(*still.nic);
            if (still.nic->rdma)
                notify(HardwareChange::rdmaAdded, still.nic, still.nic->rdma->name);
        }
    }
    if (const Found still = find(identity))
        notify(HardwareChange::driver, still.nic, still.pci->address.str());
    return 0;
}

void Machine::attach(const Identity& identity) {
    for (const Driver& driver : drivers_) {
        const Found function = find(identity);
        if (!function || !function.pci->driver.empty())
            return;
        if (matches(driver, *function.pci) && probe(driver, identity) == 0)
            return;
    }
}

void Machine::bindDriver(const std::string& driver, const PciAddress& address) {
    const std::string what = "bind " + address.str() + " to " + driver;
    const Driver* found = findDriver(driver);
    if (!found)
        throw SystemError(what, ENODEV);
    for (Bridge& bridge : bridges_)
        if (bridge.address == address) {
            if (driver != bridgeDriver)
                throw SystemError(what, ENODEV);
            if (!bridge.driver.empty())
                throw SystemError(what, EBUSY);
            bridge.driver = driver;
            return notify(HardwareChange::driver, nullptr, address.str());
        }
    const Found function = require(address, what.c_str());
    if (!matches(*found, *function.pci))
        throw SystemError(what, ENODEV);
    if (!function.pci->driver.empty())
        throw SystemError(what, EBUSY);
    if (const int error = probe(*found, identity(*function.pci)))
        throw SystemError(what, error);
}

void Machine::unbindDriver(const std::string& driver, const PciAddress& address) {
    const std::string what = "unbind " + address.str() + " from " + driver;
    for (Bridge& bridge : bridges_)
        if (bridge.address == address) {
            if (bridge.driver.empty() || bridge.driver != driver)
                throw SystemError(what, ENODEV);
            bridge.driver.clear();
            return notify(HardwareChange::driver, nullptr, address.str());
        }
    const Found function = require(address, what.c_str());
    if (driver.empty() || function.pci->driver != driver)
        throw SystemError(what, ENODEV);
    detach(identity(*function.pci));
}

void Machine::unbindDriver(const Nic& nic) {
    const Nic& mine = own(nic);
    if (!mine.pci.driver.empty())
        detach(identity(mine.pci));
}

void Machine::setDriverOverride(const PciAddress& address, std::optional<std::string> driver) {
    const Found function = require(address, "driver_override");
    if (driver && driver->empty())
        driver.reset();
    if (function.pci->driverOverride == driver)
        return;
    function.pci->driverOverride = std::move(driver);
    notify(HardwareChange::driver, function.nic, address.str());
}

void Machine::probeDriver(const PciAddress& address) {
    const auto isIt = [&](const Bridge& bridge) { return bridge.address == address; };
    if (const auto bridge = std::find_if(bridges_.begin(), bridges_.end(), isIt); bridge != bridges_.end()) {
        if (bridge->driver.empty())
            bindDriver(bridgeDriver, address);
        return;
    }
    attach(identity(*require(address, "drivers_probe").pci));
}

void Machine::setDriversAutoprobe(bool on) {
    if (driversAutoprobe_ != on) {
        driversAutoprobe_ = on;
        notify(HardwareChange::driver, nullptr, "");
    }
}

void Machine::addDriverId(const std::string& driver, const DriverId& id) {
    Driver* found = driverNamed(driver);
    if (!found)
        throw SystemError("new_id of " + driver, ENODEV);
    for (const auto* known : {&found->ids, &found->dynamicIds})
        if (std::any_of(known->begin(), known->end(), [&](const DriverId& one) { return covers(one, id); }))
            throw SystemError("new_id of " + driver, EEXIST);
    found->dynamicIds.push_back(id);
    notify(HardwareChange::driver, nullptr, driver);
    // Whatever has no driver and fits is probed, autoprobe or not: pci_add_dynid.
    for (const Identity& one : functions())
        if (const Found function = find(one); function && function.pci->driver.empty() && matches(*found, *function.pci))
            probe(*found, one);
}

void Machine::removeDriverId(const std::string& driver, const DriverId& id) {
    Driver* found = driverNamed(driver);
    if (!found)
        throw SystemError("remove_id of " + driver, ENODEV);
    const auto fits = [&](const DriverId& one) {
        return one.vendor == id.vendor && one.device == id.device &&
               (!id.subsystemVendor || one.subsystemVendor == id.subsystemVendor) &&
               (!id.subsystemDevice || one.subsystemDevice == id.subsystemDevice);
    };
    const auto known = std::find_if(found->dynamicIds.begin(), found->dynamicIds.end(), fits);
    if (known == found->dynamicIds.end())
        throw SystemError("remove_id of " + driver, ENODEV);
    found->dynamicIds.erase(known);
    notify(HardwareChange::driver, nullptr, driver);
}

void Machine::reloadDriver(const std::string& driver) {
    Driver* found = driverNamed(driver);
    if (!found || found->module.empty())
        throw SystemError("reload " + driver, ENODEV);
    // The last bound goes first (driver_detach), so VFs before their PFs.
    std::vector<Identity> all = functions();
    std::reverse(all.begin(), all.end());
    for (const bool vfs : {true, false})
        for (const Identity& one : all)
            if (const Found function = find(one); function && function.pci->driver == driver && function.pci->isVf() == vfs)
                detach(one);
    found->dynamicIds.clear(); // gone with the module
    notify(HardwareChange::driver, nullptr, driver);
    if (!driversAutoprobe_)
        return;
    for (const Identity& one : functions())
        if (const Found function = find(one); function && function.pci->driver.empty() && matches(*found, *function.pci))
            probe(*found, one);
}

} // namespace rdmalab::hardware
