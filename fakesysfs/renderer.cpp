#include "fakesysfs/renderer.h"

#include "fakesysfs/network_view.h"
#include "fakesysfs/paths.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace rdmalab::fakesysfs {

using hardware::Bridge;
using hardware::Nic;

Renderer::Renderer(Scene scene) : scene_(std::move(scene)) {
    std::size_t number = 0;
    std::map<hardware::PciAddress, Placed> physical;
    for (const auto& nic : scene_.machine.nics()) {
        Placed placed;
        placed.pci = &nic->pci;
        placed.nic = nic.get();
        if (nic->pci.isVf()) {
            functions_.push_back(placed);
            vfs_[*nic->pci.physfn].push_back(nic.get());
            continue;
        }
        placed.number = number++;
        physical[nic->pci.address] = placed;
        functions_.push_back(placed);
    }
    for (const auto& plain : scene_.machine.plainFunctions()) {
        Placed placed;
        placed.pci = &plain->pci;
        placed.plain = plain.get();
        placed.number = number++;
        functions_.push_back(placed);
    }
    for (Placed& placed : functions_)
        if (placed.pci->isVf())
            if (const auto pf = physical.find(*placed.pci->physfn); pf != physical.end()) {
                placed.pf = pf->second.nic;
                placed.number = pf->second.number;
            }
    std::sort(functions_.begin(), functions_.end(),
              [](const Placed& a, const Placed& b) { return a.pci->address < b.pci->address; });
    std::map<Place, std::string> parents; // few, and shared by many
    for (Placed& placed : functions_) {
        std::string& parent = parents[placeOf(*placed.pci)];
        if (parent.empty())
            parent = parentPath(*placed.pci);
        placed.path = parent + "/" + placed.pci->address.str();
    }
    for (std::size_t i = 0; i < functions_.size(); ++i)
        places_[placeOf(*functions_[i].pci)].push_back(i);
    for (auto& [address, list] : vfs_)
        std::sort(list.begin(), list.end(), [](const Nic* a, const Nic* b) { return a->pci.vfNumber < b->pci.vfNumber; });
}

Renderer::Place Renderer::placeOf(const hardware::PciFunction& pci) {
    return {pci.address.domain, pci.rootBus, pci.bridges.empty() ? std::nullopt : std::optional(pci.bridges.back())};
}

void Renderer::sys(Directory& sys) {
    devices(sys);
    buses(sys);
    classes(sys);
    iommuGroups(sys);
    vfio(sys);
    modules(sys);
    systemDevices(sys);
    // Ordinary tools look for these, and a sandbox mounts the real ones over them.
    for (const char* place : {"block", "firmware", "fs/cgroup", "hypervisor", "kernel", "power"})
        sys.path(place);
}

void Renderer::dev(Directory& dev) {
    dev.directory("infiniband"); // there also without a node, as an emptied devtmpfs directory is
    for (const DeviceNode& node : deviceNodes(scene_.machine)) {
        const std::size_t slash = node.path.rfind('/');
        constexpr std::size_t top = sizeof("/dev/") - 1;
        dev.path(node.path.substr(top, slash - top)).device(node.path.substr(slash + 1), node.major, node.minor, node.mode);
    }
}

bool Renderer::rdmaVisible(const Nic& nic) const {
    return nic.rdma && (scene_.machine.rdmaNetnsMode() == hardware::RdmaNetnsMode::shared || !compat(nic));
}

void Renderer::devices(Directory& sys) {
    std::set<std::pair<unsigned, std::uint8_t>> roots;
    for (const Placed& placed : functions_)
        roots.insert({placed.pci->address.domain, placed.pci->rootBus});
    for (const Bridge& one : scene_.machine.bridges())
        roots.insert({one.address.domain, one.rootBus});
    for (const auto& [domain, rootBus] : roots) {
        hardware::PciAddress address;
        address.domain = static_cast<decltype(address.domain)>(domain);
        const std::string path = hostBridgePath(address, rootBus);
        const std::size_t slash = path.rfind('/');
        sys.path(path.substr(0, slash))
            .lazy(path.substr(slash + 1), [this, path, domain = domain, rootBus = rootBus](Directory& directory) {
                hostBridge(directory, path, domain, rootBus);
            });
    }
    Directory& misc = sys.path("devices/virtual/misc");
    if (const auto& cm = scene_.machine.rdmaCm())
        misc.lazy(cm->name, [this, device = *cm](Directory& directory) {
            renderCharDevice(directory, "devices/virtual/misc/" + device.name, scene_, device, nullptr);
        });
    netDirectory(sys.path("devices/virtual"), nullptr);
}

void Renderer::hostBridge(Directory& directory, const std::string& path, unsigned domain, std::uint8_t rootBus) {
    addUevent(directory, scene_, "");
    addPower(directory, scene_, {0, path + "/"});
    const Place place{domain, rootBus, std::nullopt};
    pciBuses(directory, path, place, rootBus);
    for (const Bridge& one : scene_.machine.bridges())
        if (one.bridges.empty() && one.address.domain == domain && one.rootBus == rootBus)
            directory.lazy(one.address.str(), [this, &one](Directory& below) { bridge(below, one); });
    functionsAt(directory, place);
}

void Renderer::bridge(Directory& directory, const Bridge& own) {
    const std::string path = bridgePath(own);
    std::vector<Resource> below;
    for (const Placed& placed : functions_)
        if (!placed.pci->isVf() &&
            std::find(placed.pci->bridges.begin(), placed.pci->bridges.end(), own.address) != placed.pci->bridges.end())
            for (const Resource& resource : resources(placed))
                below.push_back(resource);
    renderBridge(directory, path, scene_, own, below);
    const Place place{own.address.domain, own.rootBus, own.address};
    pciBuses(directory, path, place, own.secondaryBus);
    for (const Bridge& one : scene_.machine.bridges())
        if (!one.bridges.empty() && one.bridges.back() == own.address)
            directory.lazy(one.address.str(), [this, &one](Directory& child) { bridge(child, one); });
    functionsAt(directory, place);
}

void Renderer::functionsAt(Directory& directory, const Place& place) {
    const auto here = places_.find(place);
    if (here == places_.end())
        return;
    for (const std::size_t index : here->second) {
        const Placed& placed = functions_[index];
        const std::string name = placed.pci->address.str();
        directory.lazy(name, [this, &placed](Directory& below) { function(below, placed); });
        directory.node(name).identity = placed.pci->instance;
    }
}

void Renderer::function(Directory& directory, const Placed& placed) {
    const std::string& path = placed.path;
    renderFunction(directory, path, scene_, placed);
    if (!placed.nic)
        return;
    const Nic& nic = *placed.nic;
    static const std::vector<const Nic*> none;
    const auto vfs = vfs_.find(nic.pci.address);
    if (placed.pf)
        renderVirtualFunction(directory, path, scene_, nic, *placed.pf);
    else if (!nic.pci.isVf())
        renderPhysicalFunction(directory, path, scene_, nic, vfs == vfs_.end() ? none : vfs->second);
    if (hasNetdev(nic)) {
        const std::string netParent = netdevParentPath(scene_.machine, nic);
        netDirectory(netParent == path ? directory : childDevice(directory, netParent, nic), &nic);
    }
    if (nic.rdma)
        rdmaDevices(directory, path, nic);
}

void Renderer::rdmaDevices(Directory& directory, const std::string& path, const Nic& nic) {
    const std::uint64_t identity = nic.rdma->instance;
    Directory& devices = directory.directory("infiniband"); // stays, empty, when the device is in another namespace
    if (rdmaVisible(nic)) {
        devices.lazy(nic.rdma->name, [this, path = path + "/infiniband/" + nic.rdma->name, &nic](Directory& rdma) {
            renderRdmaDevice(rdma, path, scene_, nic, compat(nic));
        });
        devices.node(nic.rdma->name).identity = identity;
    }
    for (const hardware::CharDevice& device : nic.rdma->charDevices) {
        const std::string group = charDeviceClass(device.kind);
        Directory& nodes = directory.directory(group);
        nodes.lazy(device.name, [this, path = path + "/" + group + "/" + device.name, &device, &nic](Directory& node) {
            renderCharDevice(node, path, scene_, device, &nic);
        });
        nodes.node(device.name).identity = identity;
    }
}

Directory& Renderer::childDevice(Directory& function, const std::string& path, const Nic& nic) {
    const std::string name = path.substr(path.rfind('/') + 1);
    Directory& child = function.directory(name);
    child.text("modalias", "virtio:d00000001v00001AF4");
    child.text("device", "0x0001");
    child.text("vendor", "0x1af4");
    child.text("status", "0x0000000f");
    addUevent(child, scene_, "DRIVER=virtio_net\nMODALIAS=virtio:d00000001v00001AF4\n");
    addLink(child, path, "driver", "bus/" + nic.model->childBus + "/drivers/virtio_net");
    addLink(child, path, "subsystem", "bus/" + nic.model->childBus);
    addPower(child, scene_, {nic.pci.instance, name + "/"});
    return child;
}

// The buses behind a bridge: its own, and those that only VFs are on (drivers/pci/iov.c, virtfn_add_bus).
void Renderer::pciBuses(Directory& directory, const std::string& path, const Place& place, std::optional<std::uint8_t> own) {
    std::set<std::string> names;
    const auto name = [&](std::uint8_t bus) { return fmt::format("{:04x}:{:02x}", std::get<0>(place), bus); };
    if (own)
        names.insert(name(*own));
    if (const auto here = places_.find(place); here != places_.end())
        for (const std::size_t index : here->second)
            names.insert(name(functions_[index].pci->address.bus));
    Directory& buses = directory.directory("pci_bus");
    for (const std::string& one : names)
        buses.lazy(one, [this, path, at = path + "/pci_bus/" + one](Directory& bus) { renderPciBus(bus, at, scene_, path); });
}

std::map<std::string, std::string> Renderer::pciBusPaths() const {
    std::map<std::string, std::string> paths;
    const auto add = [&](const std::string& path, unsigned domain, std::uint8_t bus) {
        const std::string name = fmt::format("{:04x}:{:02x}", domain, bus);
        paths.emplace(name, path + "/pci_bus/" + name);
    };
    const auto addRoot = [&](const hardware::PciAddress& address, std::uint8_t rootBus) {
        add(hostBridgePath(address, rootBus), address.domain, rootBus);
    };
    for (const Bridge& one : scene_.machine.bridges()) {
        addRoot(one.address, one.rootBus);
        add(bridgePath(one), one.address.domain, one.secondaryBus);
    }
    for (const auto& [place, indexes] : places_) {
        const hardware::PciFunction& first = *functions_[indexes.front()].pci;
        addRoot(first.address, first.rootBus);
        const std::string path = parentPath(first);
        std::set<std::uint8_t> buses;
        for (const std::size_t index : indexes)
            buses.insert(functions_[index].pci->address.bus);
        for (const std::uint8_t bus : buses)
            add(path, first.address.domain, bus);
    }
    return paths;
}

} // namespace rdmalab::fakesysfs
