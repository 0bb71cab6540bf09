#include "fakesysfs/paths.h"
#include "fakesysfs/pci_config.h"
#include "fakesysfs/render.h"
#include "sim/hardware/cpu_list.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>

namespace rdmalab::fakesysfs {
namespace {

using hardware::Nic;

struct Ids {
    unsigned vendor = 0, device = 0, subsystemVendor = 0, subsystemDevice = 0, classCode = 0, revision = 0;
};

std::vector<unsigned> cpusOf(const hardware::Machine& machine, int node) {
    for (const hardware::NumaSpec& numa : machine.numaNodes())
        if (numa.id == node)
            return hardware::parseCpuList(numa.cpus).value_or(std::vector<unsigned>());
    return allCpus(machine);
}

void addIds(Directory& directory, const Ids& ids, const hardware::PciAddress& address, const std::string& driver) {
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
    directory.text(
        "uevent",
        fmt::format("{}PCI_CLASS={:04X}\nPCI_ID={:04X}:{:04X}\nPCI_SUBSYS_ID={:04X}:{:04X}\nPCI_SLOT_NAME={}\nMODALIAS={}",
                    driver.empty() ? "" : "DRIVER=" + driver + "\n", ids.classCode, ids.vendor, ids.device, ids.subsystemVendor,
                    ids.subsystemDevice, address.str(), alias),
        0644);
}

// What every PCI device has.
void addCommon(Directory& directory, const std::string& path, const hardware::Machine& machine, int numaNode,
               const std::string& driver, unsigned irq) {
    const auto cpus = cpusOf(machine, numaNode);
    directory.text("irq", std::to_string(irq));
    directory.text("numa_node", std::to_string(numaNode), 0644);
    directory.text("local_cpulist", hardware::cpuListText(cpus));
    directory.text("local_cpus", hardware::cpuMaskText(cpus));
    directory.text("enable", driver.empty() ? "0" : "1", 0644);
    directory.text("driver_override", "(null)", 0644);
    directory.text("broken_parity_status", "0", 0644);
    directory.text("msi_bus", "1", 0644);
    directory.text("dma_mask_bits", driver.empty() ? "32" : "64");
    directory.text("consistent_dma_mask_bits", driver.empty() ? "32" : "64");
    directory.text("power_state", "D0");
    directory.text("d3cold_allowed", "1", 0644);
    directory.text("ari_enabled", "0");
    directory.writeOnly("remove", 0220);
    directory.writeOnly("rescan");
    directory.writeOnly("reset");
    directory.text("reset_method", "flr bus", 0644);
    if (!driver.empty())
        addLink(directory, path, "driver", "bus/pci/drivers/" + driver);
    addLink(directory, path, "subsystem", "bus/pci");
    addPower(directory);
}

void addPcieLink(Directory& directory, const hardware::PcieLink& link) {
    for (const char* prefix : {"current", "max"}) {
        directory.text(fmt::format("{}_link_speed", prefix), link.speed);
        directory.text(fmt::format("{}_link_width", prefix), std::to_string(link.width));
    }
    directory.directory("link");
}

void addResources(Directory& directory, const std::vector<Resource>& list, std::size_t lines) {
    std::vector<Resource> all(lines);
    for (const Resource& resource : list)
        all[static_cast<std::size_t>(resource.line)] = resource;
    std::string text;
    for (const Resource& resource : all)
        text += fmt::format("{}0x{:016x} 0x{:016x} 0x{:016x}", text.empty() ? "" : "\n", resource.start,
                            resource.size ? resource.start + resource.size - 1 : 0, resource.flags);
    directory.text("resource", text);
    for (const Resource& resource : list) {
        if (resource.line > 5)
            continue;
        directory.unreadable(fmt::format("resource{}", resource.line), EIO, 0600, resource.size); // mmap only
        if (resource.prefetchable)
            directory.unreadable(fmt::format("resource{}_wc", resource.line), EIO, 0600, resource.size);
    }
}

void addSriov(Directory& directory, const Nic& nic) {
    directory.text("sriov_totalvfs", std::to_string(nic.pci.totalVfs));
    directory.text("sriov_numvfs", "0", 0644);
    directory.text("sriov_offset", std::to_string(nic.pci.vfOffset));
    directory.text("sriov_stride", std::to_string(nic.pci.vfStride));
    directory.text("sriov_vf_device", fmt::format("{:x}", nic.model->sriov->vfDevice));
    directory.text("sriov_vf_total_msix", "0");
    directory.text("sriov_drivers_autoprobe", "1", 0644);
}

} // namespace

void renderFunction(Directory& directory, const std::string& path, const Scene& scene, const Nic& nic, std::size_t number) {
    const hardware::NicModel& model = *nic.model;
    addIds(directory,
           {model.vendor, model.device, nic.pci.subsystemVendor, nic.pci.subsystemDevice, nic.pci.classCode, model.revision},
           nic.pci.address, nic.pci.driver);
    addCommon(directory, path, scene.machine, nic.pci.numaNode, nic.pci.driver, interruptLine(number));
    addResources(directory, resources(nic, number), 13);
    const std::string config = nicConfig(nic, number);
    directory.raw("config", config, 0644, config.size());
    if (model.pcie) {
        addPcieLink(directory, *model.pcie);
        directory.directory("aer");
        const std::string product = vitalProductData(nic);
        directory.raw("vpd", product, 0600, 0);
    }
    if (!nic.pci.driver.empty())
        directory.lazy("msi_irqs", [number](Directory& irqs) {
            constexpr std::size_t firstVector = 64, vectors = 4;
            for (std::size_t i = 0; i < vectors; ++i)
                irqs.text(std::to_string(firstVector + number * vectors + i), "msix");
        });
    if (model.sriov && !nic.pci.bridges.empty())
        directory.text("ari_enabled", "1");
    if (model.sriov && nic.pci.totalVfs)
        addSriov(directory, nic);
}

void renderRootPort(Directory& directory, const std::string& path, const Scene& scene, const Nic& below) {
    addIds(directory, {0x8086, 0x2030, 0, 0, 0x060400, 0x04}, below.pci.bridges.front(), "pcieport");
    addCommon(directory, path, scene.machine, below.pci.numaNode, "pcieport", 11);
    addResources(directory, {}, 17);
    const std::string config = rootPortConfig(below.pci, *below.model);
    directory.raw("config", config, 0644, config.size());
    addPcieLink(directory, below.model->pcie.value_or(hardware::PcieLink{"8.0 GT/s PCIe", 16}));
    directory.text("secondary_bus_number", std::to_string(below.pci.address.bus));
    directory.text("subordinate_bus_number", std::to_string(below.pci.address.bus));
}

void renderPciBus(Directory& directory, const std::string& path, const Scene& scene, const std::string& bridge) {
    const auto cpus = allCpus(scene.machine);
    directory.text("cpuaffinity", hardware::cpuMaskText(cpus));
    directory.text("cpulistaffinity", hardware::cpuListText(cpus));
    directory.writeOnly("rescan");
    directory.raw("uevent", "", 0644);
    addLink(directory, path, "device", bridge);
    addLink(directory, path, "subsystem", "class/pci_bus");
    addPower(directory);
}

} // namespace rdmalab::fakesysfs
