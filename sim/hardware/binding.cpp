// What a NIC's driver makes when it is bound, and takes away when it leaves: the network interface and the RDMA device.
#include "sim/hardware/char_device_numbers.h"
#include "sim/hardware/driver_traits.h"
#include "sim/hardware/machine.h"
#include "sim/hardware/naming.h"

#include <algorithm>

namespace rdmalab::hardware {
namespace {

constexpr int ethernetMtu = 1500, infinibandMtu = 2044;
constexpr unsigned infinibandGids = 8;

} // namespace

std::string Machine::freeNetdevName(const std::vector<std::string>& wanted) const {
    const auto taken = [this](const std::string& name) { return name == "lo" || findByNetdev(name, netns_); };
    for (const std::string& name : wanted)
        if (!netdevNameProblem(name) && !taken(name))
            return name;
    // The kernel's own name, which udev leaves alone when it has no better one.
    for (unsigned number = 0;; ++number)
        if (std::string name = "eth" + std::to_string(number); !taken(name))
            return name;
}

// Of all devices of the machine, wherever they are: one that comes back from a namespace finds its name free.
std::string Machine::freeRdmaName(const Nic& nic, const std::string& wanted) const {
    const std::string& prefix = nic.model->rdma->namePrefix;
    std::vector<bool> used(nics_.size() + 1); // more than that many cannot be taken in a row
    bool free = !wanted.empty();
    for (const auto& other : nics_) {
        if (!other->rdma)
            continue;
        const std::string& name = other->rdma->name;
        free = free && name != wanted;
        if (const auto number = numberBehind(name, prefix); number && *number < used.size())
            used[*number] = true;
    }
    if (free)
        return wanted;
    return prefix + std::to_string(std::find(used.begin(), used.end(), false) - used.begin());
}

void Machine::makePort(Nic& nic) {
    const Nic* pf = physfn(nic);
    const Birth& birth = birthOf(pf ? *pf : nic);
    Port port;
    port.linkLayer = pf ? pf->port.linkLayer : nic.port.linkLayer;
    port.speedMbps = nic.model->speedMbps;
    port.netns = netns_;
    port.instance = nextInstance_++;
    port.ifindex = nextIfindex_++;
    const bool infiniband = port.linkLayer == LinkLayer::infiniband;
    if (!pf) {
        port.cabled = nic.port.cabled;
        port.mac = birth.mac;
        port.mtu = birth.mtu;
        port.up = birth.up;
        port.addresses = birth.addresses;
        port.portName = nic.port.portName;
        port.netdev = freeNetdevName({birth.netdev});
    } else {
        const unsigned vf = nic.pci.vfNumber;
        const VfSettings& settings = pf->vfSettings[vf];
        port.cabled = vfCabled(*pf, vf);
        port.mtu = infiniband ? infinibandMtu : ethernetMtu;
        if (infiniband) {
            port.mac = infinibandMac(settings.portGuid ? settings.portGuid : settings.nodeGuid);
        } else {
            port.randomMac = settings.mac == VfSettings().mac;
            port.mac = port.randomMac ? randomMac(name_, nic.pci.address) : settings.mac;
        }
        // udev names a VF by its PF's place, so the PF's own name tells the stem when udev chose that one.
        std::vector<std::string> wanted;
        const std::string suffix = "v" + std::to_string(vf);
        if (const auto stem = predictableStem(birth.netdev))
            wanted.push_back(*stem + suffix);
        wanted.push_back(predictableNetdevName(pf->pci.address, pf->pci.multifunction, port.linkLayer, std::nullopt, "") +
                         suffix);
        port.netdev = freeNetdevName(wanted);
    }
    if (port.carrier())
        port.carrierUpCount = port.carrierDownCount = 1; // registered without carrier, then the link came
    nic.port = std::move(port);
}

void Machine::makeRdma(Nic& nic) {
    const Nic* pf = physfn(nic);
    const Birth& birth = birthOf(pf ? *pf : nic);
    // A VF of another driver (iavf) leaves RDMA to a driver of its own, which is not here.
    if (!birth.hasRdma || (pf && nic.pci.driver != nic.model->driver))
        return;
    const bool infiniband = nic.port.linkLayer == LinkLayer::infiniband;
    RdmaDevice rdma;
    rdma.index = nextRdmaIndex_++;
    rdma.instance = nextInstance_++;
    rdma.netns = netns_;
    rdma.systemImageGuid = birth.systemImageGuid;
    // What a fault took from a device that still lives keeps its number; the rest is forgotten.
    std::vector<CharDevice> hidden;
    std::erase_if(removedCharDevices_, [&](const auto& removed) {
        const auto& [instance, device] = removed;
        const auto owns = [number = instance](const auto& other) { return other->rdma && other->rdma->instance == number; };
        if (instance == 0)
            return false; // the machine's own
        if (std::none_of(nics_.begin(), nics_.end(), owns))
            return true;
        hidden.push_back(device);
        return false;
    });
    rdma.charDevices = numberCharDevices(birth.charDevices, nics_, hidden);
    rdma.gids = GidTable(infiniband ? infinibandGids : nic.model->rdma->gidTableLength);
    if (!pf) {
        rdma.nodeGuid = birth.nodeGuid;
        rdma.name = freeRdmaName(nic, birth.rdma);
    } else {
        const VfSettings& settings = pf->vfSettings[nic.pci.vfNumber];
        rdma.nodeGuid = settings.nodeGuid || infiniband ? settings.nodeGuid : guidFromMac(nic.port.mac);
        rdma.name = freeRdmaName(nic, rdmaNaming_ == RdmaNaming::kernel
                                          ? ""
                                          : predictableRdmaName(pf->pci.address, pf->pci.multifunction, nic.port.linkLayer) +
                                                "v" + std::to_string(nic.pci.vfNumber));
    }
    nic.rdma = std::move(rdma);
    refreshGids(nic);
}

void Machine::detach(const Identity& identity) {
    Found function = find(identity);
    if (!function || function.pci->driver.empty())
        return;
    if (function.pci->numVfs && !driverTraits(function.pci->driver).leavesVfs) {
        removeVfs(identity);
        function = find(identity);
    }
    if (function && function.nic && function.nic->rdma) {
        notify(HardwareChange::rdmaRemoved, function.nic, function.nic->rdma->name);
        if ((function = find(identity)))
            function.nic->rdma.reset();
    }
    if (function && function.nic && !function.nic->port.netdev.empty()) {
        notify(HardwareChange::netdevRemoved, function.nic, function.nic->port.netdev);
        if ((function = find(identity))) {
            Nic& nic = *function.nic;
            uppers_.erase(&nic);
            nic.port.netdev.clear();
            nic.port.up = false;
            nic.port.addresses.clear();
            nic.port.netns = netns_;
        }
    }
    if (!function || function.pci->driver.empty())
        return;
    function.pci->driver.clear();
    function.pci->vfLimit = function.pci->totalVfs; // pci_iov_remove
    if (function.nic)
        function.nic->vfSettings.clear();
    notify(HardwareChange::driver, function.nic, identity.first.str());
    followPf(identity);
}

} // namespace rdmalab::hardware
