// bus/*, class/*, dev/char, kernel/iommu_groups and VFIO: the ways to a device that start elsewhere.
#include "fakesysfs/paths.h"
#include "fakesysfs/pci_writes.h"
#include "fakesysfs/renderer.h"
#include "fakesysfs/store.h"
#include "fakesysfs/vfio.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <memory>

namespace rdmalab::fakesysfs {

using hardware::Bridge;
using hardware::Nic;

void Renderer::buses(Directory& sys) {
    Directory& pci = sys.path("bus/pci");
    hardware::Machine* const machine = scene_.writable;
    pci.writable("drivers_autoprobe", scene_.machine.driversAutoprobe() ? "1" : "0", busStore(machine, "drivers_autoprobe"));
    for (const char* name : {"drivers_probe", "rescan", "uevent"})
        pci.writeOnly(name, busStore(machine, name));
    const std::string alignment = keptText(scene_.machine, 0, "resource_alignment", "");
    pci.raw("resource_alignment", alignment.empty() ? "" : alignment + "\n", 0644);
    pci.node("resource_alignment").behaviour =
        std::make_shared<Behaviour>(Behaviour{nullptr, busStore(machine, "resource_alignment")});
    pci.directory("slots");
    pci.lazy("devices", [this](Directory& links) {
        for (const Placed& placed : functions_)
            addLink(links, "bus/pci/devices", placed.pci->address.str(), placed.path, placed.pci->instance);
        for (const Bridge& bridge : scene_.machine.bridges())
            addLink(links, "bus/pci/devices", bridge.address.str(), bridgePath(bridge));
    });
    Directory& drivers = pci.directory("drivers");
    bool hasPort = false;
    for (const hardware::Machine::Driver& one : scene_.machine.drivers()) {
        drivers.lazy(one.name, [this, &one](Directory& directory) { driver(directory, one.name, one.module); });
        hasPort = hasPort || one.name == "pcieport";
    }
    if (!hasPort && !scene_.machine.bridges().empty())
        drivers.lazy("pcieport", [this](Directory& directory) { driver(directory, "pcieport", ""); });
    for (const auto& nic : scene_.machine.nics()) {
        if (nic->model->childBus.empty() || nic->pci.isVf())
            continue;
        const std::string child = netdevParentPath(scene_.machine, *nic), bus = "bus/" + nic->model->childBus;
        const std::string name = child.substr(child.rfind('/') + 1), driverPath = bus + "/drivers/virtio_net";
        Directory& devices = sys.path(bus + "/devices");
        Directory& driverDirectory = sys.path(driverPath);
        if (!hasNetdev(*nic))
            continue;
        addLink(devices, bus + "/devices", name, child);
        addLink(driverDirectory, driverPath, name, child);
    }
}

void Renderer::driver(Directory& directory, const std::string& name, const std::string& module) {
    const std::string path = "bus/pci/drivers/" + name;
    for (const char* file : {"bind", "new_id", "remove_id", "uevent", "unbind"})
        directory.writeOnly(file, driverStore(scene_.writable, name, file));
    if (!module.empty())
        addLink(directory, path, "module", "module/" + module);
    for (const Placed& placed : functions_)
        if (placed.pci->driver == name)
            addLink(directory, path, placed.pci->address.str(), placed.path, placed.pci->instance);
    for (const Bridge& bridge : scene_.machine.bridges())
        if (bridge.driver == name)
            addLink(directory, path, bridge.address.str(), bridgePath(bridge));
}

void Renderer::classes(Directory& sys) {
    Directory& all = sys.directory("class");
    all.lazy("net", [this](Directory& net) {
        for (const auto& [name, one] : interfaces())
            addLink(net, "class/net", name, one.path, one.identity);
    });
    all.node("net").live = scene_.view.live != nullptr;
    all.lazy("pci_bus", [this](Directory& buses) {
        for (const auto& [name, path] : pciBusPaths())
            addLink(buses, "class/pci_bus", name, path);
    });
    sys.path("dev/block");
    sys.path("dev").lazy("char", [this](Directory& directory) { characterDevices(directory); });
    Directory& misc = all.directory("misc");
    if (const auto& cm = scene_.machine.rdmaCm())
        addLink(misc, "class/misc", cm->name, "devices/virtual/misc/" + cm->name);
    if (!hasRdma())
        return;
    all.lazy("infiniband", [this](Directory& rdma) {
        for (const Placed& placed : functions_)
            if (const Nic* nic = placed.nic; nic && rdmaVisible(*nic))
                addLink(rdma, "class/infiniband", nic->rdma->name, placed.path + "/infiniband/" + nic->rdma->name,
                        nic->rdma->instance);
    });
    const auto nodes = [&](const std::string& group, const char* abi) {
        all.lazy(group, [this, group, abi](Directory& directory) {
            directory.text("abi_version", abi);
            for (const Placed& placed : functions_) {
                const Nic* nic = placed.nic;
                if (!nic || !nic->rdma)
                    continue;
                for (const hardware::CharDevice& device : nic->rdma->charDevices)
                    if (charDeviceClass(device.kind) == group)
                        addLink(directory, "class/" + group, device.name, placed.path + "/" + group + "/" + device.name,
                                nic->rdma->instance);
            }
        });
    };
    nodes("infiniband_verbs", "6");
    nodes("infiniband_mad", "5");
}

void Renderer::characterDevices(Directory& directory) {
    const auto add = [&](unsigned major, unsigned minor, const std::string& path, std::uint64_t identity) {
        addLink(directory, "dev/char", fmt::format("{}:{}", major, minor), path, identity);
    };
    if (const auto& cm = scene_.machine.rdmaCm())
        add(cm->major, cm->minor, "devices/virtual/misc/" + cm->name, 0);
    for (const Placed& placed : functions_)
        if (placed.nic && placed.nic->rdma)
            for (const hardware::CharDevice& device : placed.nic->rdma->charDevices)
                add(device.major, device.minor, placed.path + "/" + charDeviceClass(device.kind) + "/" + device.name,
                    placed.nic->rdma->instance);
    for (const VfioNode& node : vfioNodes(scene_.machine))
        add(node.major, node.minor, "devices/virtual/" + node.className + "/" + node.name, 0);
}

namespace {

// drivers/iommu/iommu.c: no change while a driver owns a device of the group.
Directory::Write groupTypeStore(hardware::Machine* machine, unsigned group) {
    if (!machine)
        return nullptr;
    return textStore([machine, group](std::string_view text) {
        const std::string_view type = withoutNewline(text);
        if (type != "identity" && type != "DMA" && type != "DMA-FQ" && type != "auto")
            refuse("type", EINVAL);
        const auto owned = [&](const hardware::PciFunction& pci) { return pci.iommuGroup == group && !pci.driver.empty(); };
        for (const auto& nic : machine->nics())
            if (owned(nic->pci))
                refuse("type", EPERM);
        for (const auto& plain : machine->plainFunctions())
            if (owned(plain->pci))
                refuse("type", EPERM);
        machine->keep(0, fmt::format("iommu_groups/{}/type", group), type == "auto" ? "DMA-FQ" : std::string(type));
    });
}

} // namespace

void Renderer::iommuGroups(Directory& sys) {
    if (std::none_of(functions_.begin(), functions_.end(), [](const Placed& one) { return one.pci->iommuGroup.has_value(); }))
        return;
    sys.path("kernel").lazy("iommu_groups", [this](Directory& all) {
        std::map<unsigned, std::vector<const Placed*>> groups;
        for (const Placed& placed : functions_)
            if (placed.pci->iommuGroup)
                groups[*placed.pci->iommuGroup].push_back(&placed);
        for (const auto& [number, members] : groups)
            all.lazy(std::to_string(number),
                     [this, number = number, members = members](Directory& group) { iommuGroup(group, number, members); });
    });
}

void Renderer::iommuGroup(Directory& group, unsigned number, const std::vector<const Placed*>& members) {
    const std::string path = fmt::format("kernel/iommu_groups/{}", number), kept = fmt::format("iommu_groups/{}/type", number);
    group.writable("type", keptText(scene_.machine, 0, kept, "DMA-FQ"), groupTypeStore(scene_.writable, number));
    group.text("reserved_regions", "0x00000000fee00000 0x00000000feefffff msi");
    Directory& devices = group.directory("devices");
    for (const Placed* placed : members)
        addLink(devices, path + "/devices", placed->pci->address.str(), placed->path, placed->pci->instance);
}

void Renderer::vfio(Directory& sys) {
    for (const VfioNode& node : vfioNodes(scene_.machine)) {
        const std::string path = "devices/virtual/" + node.className + "/" + node.name;
        sys.path("devices/virtual/" + node.className).lazy(node.name, [this, node, path](Directory& directory) {
            directory.text("dev", fmt::format("{}:{}", node.major, node.minor));
            addUevent(directory, scene_,
                      fmt::format("MAJOR={}\nMINOR={}\nDEVNAME=vfio/{}\n{}", node.major, node.minor, node.name,
                                  node.mode == 0666 ? "DEVMODE=0666\n" : ""));
            addLink(directory, path, "subsystem", "class/" + node.className);
            addPower(directory, scene_, {0, path + "/"});
        });
        addLink(sys.path("class/" + node.className), "class/" + node.className, node.name, path);
    }
}

} // namespace rdmalab::fakesysfs
