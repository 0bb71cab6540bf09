#include "fakesysfs/paths.h"
#include "fakesysfs/pci_writes.h"
#include "fakesysfs/render.h"
#include "fakesysfs/store.h"
#include "sim/hardware/cpu_list.h"

#include <fmt/format.h>

#include <cerrno>

namespace rdmalab::fakesysfs {
namespace {

struct Ids {
    unsigned vendor = 0, device = 0, subsystemVendor = 0, subsystemDevice = 0, classCode = 0, revision = 0;
};

std::vector<unsigned> cpusOf(const hardware::Machine& machine, int node) {
    for (const hardware::NumaSpec& numa : machine.numaNodes())
        if (numa.id == node)
            return hardware::parseCpuList(numa.cpus).value_or(std::vector<unsigned>());
    return allCpus(machine);
}

void addIds(Directory& directory, const Scene& scene, const Ids& ids, const hardware::PciAddress& address,
            const std::string& driver) {
    const std::string alias =
        fmt::format("pci:v{:08X}d{:08X}sv{:08X}sd{:08X}bc{:02X}sc{:02X}i{:02X}", ids.vendor, ids.device, ids.subsystemVendor,
                    ids.subsystemDevice, ids.classCode >> 16, ids.classCode >> 8 & 0xff, ids.classCode & 0xff);
    directory.text("vendor", fmt::format("0x{:04x}", ids.vendor));
    directory.text("device", fmt::format("0x{:04x}", ids.device));
    directory.text("subsystem_vendor", fmt::format("0x{:04x}", ids.subsystemVendor));
    directory.text("subsystem_device", fmt::format("0x{:04x}", ids.subsystemDevice));
    directory.text("class", fmt::format("0x{:06x}", ids.classCode));
    directory.text("revision", fmt::format("0x{:02x}", ids.revision));
    directory.text("modalias", alias);
    addUevent(
        directory, scene,
        fmt::format("{}PCI_CLASS={:04X}\nPCI_ID={:04X}:{:04X}\nPCI_SUBSYS_ID={:04X}:{:04X}\nPCI_SLOT_NAME={}\nMODALIAS={}\n",
                    driver.empty() ? "" : "DRIVER=" + driver + "\n", ids.classCode, ids.vendor, ids.device, ids.subsystemVendor,
                    ids.subsystemDevice, address.str(), alias));
}

// What every PCI device has, functions and bridges. The writes differ.
struct Common {
    Owner owner;
    int numaNode = -1;
    unsigned irq = 0, dmaBits = 32, enabled = 0;
    std::string driver, driverOverride = "(null)";
    Directory::Write writeNuma, writeEnable, writeOverride;
};

void addCommon(Directory& directory, const std::string& path, const Scene& scene, const Common& common) {
    const auto kept = [&](const char* name, const char* otherwise) {
        const std::string key = common.owner.prefix + name;
        directory.writable(name, keptText(scene.machine, common.owner.instance, key, otherwise),
                           keepStore(scene.writable, common.owner.instance, key, keepFlag));
    };
    const int node = std::stoi(
        keptText(scene.machine, common.owner.instance, common.owner.prefix + "numa_node", std::to_string(common.numaNode)));
    const unsigned long enabled =
        common.enabled + std::stoul(keptText(scene.machine, common.owner.instance, common.owner.prefix + "enable", "0"));
    const auto cpus = cpusOf(scene.machine, node);
    directory.text("irq", std::to_string(common.irq));
    directory.writable("numa_node", std::to_string(node), common.writeNuma);
    directory.text("local_cpulist", hardware::cpuListText(cpus));
    directory.text("local_cpus", hardware::cpuMaskText(cpus));
    directory.writable("enable", std::to_string(enabled), common.writeEnable);
    directory.writable("driver_override", common.driverOverride, common.writeOverride);
    kept("broken_parity_status", "0");
    kept("msi_bus", "1");
    kept("d3cold_allowed", "1");
    directory.text("dma_mask_bits", std::to_string(common.dmaBits));
    directory.text("consistent_dma_mask_bits", std::to_string(common.dmaBits));
    directory.text("power_state", "D0");
    if (!common.driver.empty())
        addLink(directory, path, "driver", "bus/pci/drivers/" + common.driver);
    addLink(directory, path, "subsystem", "bus/pci");
    addPower(directory, scene, common.owner, true);
}

void addPcieLink(Directory& directory, const hardware::PcieLink& link) {
    for (const char* prefix : {"current", "max"}) {
        directory.text(fmt::format("{}_link_speed", prefix), link.speed);
        directory.text(fmt::format("{}_link_width", prefix), std::to_string(link.width));
    }
    directory.directory("link"); // no power states of the link to choose from
}

void addResources(Directory& directory, const Scene& scene, const std::vector<Resource>& list, std::size_t lines) {
    std::vector<Resource> all(lines);
    for (const Resource& resource : list)
        all[static_cast<std::size_t>(resource.line)] = resource;
    std::string text;
    for (const Resource& resource : all)
        text += fmt::format("{}0x{:016x} 0x{:016x} 0x{:016x}", text.empty() ? "" : "\n", resource.start,
                            resource.size ? resource.start + resource.size - 1 : 0, resource.flags);
    directory.text("resource", text);
    // Windows of memory can be mapped, neither read nor written.
    static const auto behaviour =
        std::make_shared<Behaviour>(Behaviour{nullptr, textStore([](std::string_view) { refuse("resource", EIO); })});
    const auto add = [&](const std::string& name, std::uint64_t size) {
        directory.unreadable(name, EIO, 0600, size);
        if (scene.writable)
            directory.node(name).behaviour = behaviour;
    };
    for (const Resource& resource : list) {
        if (resource.line > 5)
            continue;
        add(fmt::format("resource{}", resource.line), resource.size);
        if (resource.prefetchable)
            add(fmt::format("resource{}_wc", resource.line), resource.size);
    }
}

void addBinary(Directory& directory, const std::string& name, std::string content, unsigned mode, std::uint64_t size,
               Directory::Write write) {
    directory.raw(name, std::move(content), mode, size);
    directory.node(name).behaviour = std::make_shared<Behaviour>(Behaviour{nullptr, std::move(write)});
}

// Vital product data is written in words (drivers/pci/vpd.c); the card keeps its read-only part.
std::size_t writeVpd(std::string_view written) {
    if (written.size() % 4)
        refuse("vpd", EINVAL);
    return written.size();
}

void addReset(Directory& directory, const Scene& scene, const hardware::PciFunction& pci, const PciWrites& writes) {
    const std::string methods = keptText(scene.machine, pci.instance, "reset_method", pci.isVf() ? "flr" : "flr bus");
    directory.writeOnly("reset", writes.reset());
    directory.writable("reset_method", methods, writes.resetMethod());
    if (methods.empty())
        directory.raw("reset_method", "", 0644);
    directory.node("reset_method").behaviour = std::make_shared<Behaviour>(Behaviour{nullptr, writes.resetMethod()});
}

} // namespace

void renderFunction(Directory& directory, const std::string& path, const Scene& scene, const Placed& function) {
    const hardware::PciFunction& pci = *function.pci;
    const PciWrites writes(scene.writable, pci);
    const auto& pcie = function.nic ? function.nic->model->pcie : function.plain->pcie;
    addIds(directory, scene, {pci.vendor, pci.device, pci.subsystemVendor, pci.subsystemDevice, pci.classCode, pci.revision},
           pci.address, pci.driver);
    Common common;
    common.owner.instance = pci.instance;
    common.numaNode = pci.numaNode;
    common.irq = pci.isVf() ? 0 : interruptLine(pci.address);
    // A driver's mask outlives its binding, and physical functions have had theirs.
    common.dmaBits = pci.driver.empty() && (pci.isVf() || function.plain) ? 32 : 64;
    common.enabled = pci.driver.empty() ? 0 : 1;
    common.driver = pci.driver;
    common.driverOverride = pci.driverOverride.value_or("(null)");
    common.writeNuma = writes.numaNode();
    common.writeEnable = writes.enable();
    common.writeOverride = writes.driverOverride();
    addCommon(directory, path, scene, common);
    addReset(directory, scene, pci, writes);
    addResources(directory, scene, resources(function), 13);
    const std::string config =
        function.nic ? configSpace(*function.nic, function.pf, function.number) : configSpace(*function.plain, function.number);
    addBinary(directory, "config", config, 0644, config.size(), writes.config());
    if (!pci.isVf()) {
        directory.writeOnly("remove", writes.remove(), 0220);
        directory.writeOnly("rescan", writes.rescan());
    }
    directory.text("ari_enabled", function.nic && function.nic->model->sriov && !pci.bridges.empty() ? "1" : "0");
    if (pcie) {
        addPcieLink(directory, *pcie);
        directory.directory("aer");
        if (function.nic && !pci.isVf())
            addBinary(directory, "vpd", vitalProductData(*function.nic), 0600, 0, unlessReadOnly(scene, writeVpd));
    }
    if (!pci.driver.empty())
        directory.lazy("msi_irqs", [&pci](Directory& irqs) {
            constexpr unsigned firstVector = 64, vectors = 4;
            const unsigned id = unsigned(pci.address.bus) << 8 | unsigned(pci.address.device) << 3 | pci.address.function;
            for (unsigned i = 0; i < vectors; ++i)
                irqs.text(std::to_string(firstVector + id * vectors + i), "msix");
        });
    if (pci.iommuGroup)
        addLink(directory, path, "iommu_group", "kernel/iommu_groups/" + std::to_string(*pci.iommuGroup));
}

void renderBridge(Directory& directory, const std::string& path, const Scene& scene, const hardware::Bridge& bridge,
                  const std::vector<Resource>& below) {
    const BridgeWrites writes(scene.writable, bridge.address);
    const std::vector<Resource> windows = bridgeWindows(below);
    addIds(directory, scene, {bridge.vendor, bridge.device, 0, 0, 0x060400, 0x04}, bridge.address, bridge.driver);
    Common common;
    common.owner.prefix = bridge.address.str() + "/";
    common.numaNode = bridge.numaNode;
    common.irq = interruptLine(bridge.address);
    common.enabled = 1;
    common.driver = bridge.driver;
    common.writeNuma = writes.numaNode();
    common.writeEnable = writes.enable();
    common.driverOverride = keptText(scene.machine, 0, common.owner.prefix + "driver_override", "(null)");
    common.writeOverride = keepStore(scene.writable, 0, common.owner.prefix + "driver_override", [](std::string_view text) {
        const std::string name(text.substr(0, text.find('\n')));
        return name.empty() ? std::string("(null)") : name;
    });
    addCommon(directory, path, scene, common);
    addResources(directory, scene, windows, 17);
    const std::string config = configSpace(bridge, windows);
    addBinary(directory, "config", config, 0644, config.size(),
              unlessReadOnly(scene, [](std::string_view written) { return written.size(); }));
    directory.writeOnly("remove", writes.remove(), 0220);
    directory.writeOnly("rescan", writes.rescan());
    directory.text("ari_enabled", "0");
    addPcieLink(directory, bridge.pcie.value_or(hardware::PcieLink{"8.0 GT/s PCIe", 16}));
    directory.text("secondary_bus_number", std::to_string(bridge.secondaryBus));
    directory.text("subordinate_bus_number", std::to_string(bridge.subordinateBus));
}

void renderPciBus(Directory& directory, const std::string& path, const Scene& scene, const std::string& bridge) {
    const auto cpus = allCpus(scene.machine);
    directory.text("cpuaffinity", hardware::cpuMaskText(cpus));
    directory.text("cpulistaffinity", hardware::cpuListText(cpus));
    directory.writeOnly("rescan", busStore(scene.writable, "rescan"));
    addUevent(directory, scene, "");
    addLink(directory, path, "device", bridge);
    addLink(directory, path, "subsystem", "class/pci_bus");
    addPower(directory, scene, {0, path + "/"});
}

} // namespace rdmalab::fakesysfs
