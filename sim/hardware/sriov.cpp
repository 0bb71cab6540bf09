// SR-IOV, drivers and hot plug of a machine.
#include "sim/hardware/machine.h"

#include <stdexcept>

namespace rdmalab::hardware {
const PciFunction* Machine::findFunction(const PciAddress& a) const noexcept { const Nic* n = findByPci(a); return n ? &n->pci : nullptr; }
const Nic* Machine::physfn(const Nic& vf) const noexcept { return vf.pci.physfn ? findByPci(*vf.pci.physfn) : nullptr; }
std::vector<const Nic*> Machine::vfs(const Nic& pf) const { std::vector<const Nic*> r; for (auto& n : nics_) if (n->pci.physfn == pf.pci.address) r.push_back(n.get()); return r; }
void Machine::loadDrivers() {}
#define TODO { throw std::logic_error("being written"); }
void Machine::setNumVfs(const PciAddress&, unsigned) TODO
void Machine::setVfAutoprobe(const PciAddress&, bool) TODO
void Machine::setVfSettings(const PciAddress&, unsigned, const VfSettings&) TODO
void Machine::setFirmwareVfLimit(const PciAddress&, unsigned) TODO
const Machine::Driver* Machine::findDriver(const std::string&) const noexcept { return nullptr; }
void Machine::bindDriver(const std::string&, const PciAddress&) TODO
void Machine::unbindDriver(const std::string&, const PciAddress&) TODO
void Machine::setDriverOverride(const PciAddress&, std::optional<std::string>) TODO
void Machine::probeDriver(const PciAddress&) TODO
void Machine::setDriversAutoprobe(bool) TODO
void Machine::addDriverId(const std::string&, const DriverId&) TODO
void Machine::removeDriverId(const std::string&, const DriverId&) TODO
void Machine::reloadDriver(const std::string&) TODO
void Machine::removeFunction(const PciAddress&) TODO
void Machine::rescanBus() TODO
void Machine::unplugCard(const PciAddress&) TODO
void Machine::replugCard(const PciAddress&) TODO
} // namespace rdmalab::hardware
