#include "fakesysfs/paths.h"
#include "fakesysfs/pci_writes.h"
#include "fakesysfs/render.h"
#include "fakesysfs/store.h"
#include "sim/hardware/rdma_view.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>

namespace rdmalab::fakesysfs {
namespace {

using hardware::Nic;

// Port management counters, the extended class included.
constexpr std::array<const char*, 21> portCounters = {"VL15_dropped",
                                                      "excessive_buffer_overrun_errors",
                                                      "link_downed",
                                                      "link_error_recovery",
                                                      "local_link_integrity_errors",
                                                      "multicast_rcv_packets",
                                                      "multicast_xmit_packets",
                                                      "port_rcv_constraint_errors",
                                                      "port_rcv_data",
                                                      "port_rcv_errors",
                                                      "port_rcv_packets",
                                                      "port_rcv_remote_physical_errors",
                                                      "port_rcv_switch_relay_errors",
                                                      "port_xmit_constraint_errors",
                                                      "port_xmit_data",
                                                      "port_xmit_discards",
                                                      "port_xmit_packets",
                                                      "port_xmit_wait",
                                                      "symbol_error",
                                                      "unicast_rcv_packets",
                                                      "unicast_xmit_packets"};
constexpr std::array<const char*, 4> cmDirectories = {"cm_rx_duplicates", "cm_rx_msgs", "cm_tx_msgs", "cm_tx_retries"};
constexpr std::array<const char*, 11> cmMessages = {"apr", "drep", "dreq", "lap",      "mra",     "rej",
                                                    "rep", "req",  "rtu",  "sidr_rep", "sidr_req"};
constexpr unsigned infinibandPkeys = 128;

std::string stateText(const hardware::Port& port) {
    const hardware::PortState state = hardware::portState(port);
    return fmt::format("{}: {}", static_cast<int>(state), hardware::portStateName(state));
}

// sysfs spells the physical states in its own way.
std::string physicalStateText(const hardware::Port& port) {
    switch (hardware::physicalState(port)) {
    case hardware::PhysicalState::sleep:
        return "1: Sleep";
    case hardware::PhysicalState::polling:
        return "2: Polling";
    case hardware::PhysicalState::disabled:
        return "3: Disabled";
    case hardware::PhysicalState::linkUp:
        return "5: LinkUp";
    }
    return "0: <unknown>";
}

// A write on an RDMA device: looked up again by what cannot be another's.
template <typename Store>
Directory::Write onDevice(const Scene& scene, const Nic& nic, Store store) {
    if (!scene.writable)
        return nullptr;
    return [machine = scene.writable, address = nic.pci.address, instance = nic.rdma->instance,
            store](std::string_view written) -> std::size_t {
        const Nic* now = machine->findByPci(address);
        if (!now || !now->rdma || now->rdma->instance != instance)
            refuse("RDMA device", ENODEV);
        if (!written.empty())
            store(*machine, instance, written);
        return written.size();
    };
}

// The driver keeps up to 64 bytes as they come, a newline included, and shows them as a C string (core/sysfs.c).
constexpr std::size_t longestDescription = 64;

std::string description(const Scene& scene, const Nic& nic) {
    // rdma-ndd has put the host's name there.
    const std::string usual = fmt::format("{} {}", scene.machine.name(), nic.rdma->name).substr(0, longestDescription);
    return keptText(scene.machine, nic.rdma->instance, "node_desc", usual);
}

void storeDescription(hardware::Machine& machine, std::uint64_t instance, std::string_view written) {
    machine.keep(instance, "node_desc", std::string(cText(written.substr(0, longestDescription))));
}

// Kept in ticks of the kernel's clock, which Debian runs at 250 Hz.
std::string keepLifespan(std::string_view text) {
    constexpr std::int64_t longest = 10000, tick = 4;
    const std::int64_t wanted = parseSigned(text, 10);
    if (wanted < 0 || wanted > longest)
        refuse("lifespan", EINVAL);
    return std::to_string((wanted + tick - 1) / tick * tick);
}

void renderGids(Directory& port, const Nic& nic) {
    const auto* slots = &nic.rdma->gids.slots();
    port.lazy("gids", [slots](Directory& gids) {
        for (std::size_t i = 0; i < slots->size(); ++i)
            gids.text(std::to_string(i), hardware::gidText((*slots)[i] ? (*slots)[i]->bytes : hardware::GidBytes{}));
    });
    Directory& attributes = port.directory("gid_attrs");
    attributes.lazy("types", [slots](Directory& types) {
        for (std::size_t i = 0; i < slots->size(); ++i)
            if ((*slots)[i])
                types.text(std::to_string(i), hardware::gidTypeText((*slots)[i]->type));
            else
                types.unreadable(std::to_string(i), EINVAL);
    });
    attributes.lazy("ndevs", [slots](Directory& netdevs) {
        for (std::size_t i = 0; i < slots->size(); ++i)
            if ((*slots)[i] && !(*slots)[i]->netdev.empty())
                netdevs.text(std::to_string(i), (*slots)[i]->netdev);
            else
                netdevs.unreadable(std::to_string(i), EINVAL);
    });
}

void renderPortCounters(Directory& port, const Scene& scene, const Nic& nic) {
    port.lazy("counters", [](Directory& counters) {
        for (const char* name : portCounters)
            counters.text(name, "0");
    });
    port.lazy("hw_counters", [&scene, &nic, model = nic.model](Directory& counters) {
        const auto store = [](hardware::Machine& machine, std::uint64_t instance, std::string_view written) {
            machine.keep(instance, "lifespan", keepLifespan(cText(written)));
        };
        counters.writable("lifespan", keptText(scene.machine, nic.rdma->instance, "lifespan", "12"), onDevice(scene, nic, store));
        for (const std::string& name : model->rdma->counters)
            counters.text(name, "0");
    });
    for (const char* name : cmDirectories)
        port.lazy(name, [](Directory& messages) {
            for (const char* message : cmMessages)
                messages.text(message, "0");
        });
}

void renderRdmaPort(Directory& port, const Scene& scene, const Nic& nic, bool compat) {
    const bool infiniband = nic.port.linkLayer == hardware::LinkLayer::infiniband;
    const hardware::RdmaModel& model = *nic.model->rdma;
    port.text("state", stateText(nic.port));
    port.text("phys_state", physicalStateText(nic.port));
    port.text("rate", infiniband ? model.infinibandRate : model.rate);
    port.text("link_layer", infiniband ? "InfiniBand" : "Ethernet");
    // A subnet manager has given an active InfiniBand port its address; RoCE has none.
    const bool addressed = infiniband && hardware::portState(nic.port) == hardware::PortState::active;
    port.text("lid", addressed ? fmt::format("0x{:x}", nic.rdma->index + 2) : infiniband ? "0xffff" : "0x0");
    port.text("sm_lid", addressed ? "0x1" : "0x0");
    port.text("lid_mask_count", "0");
    port.text("sm_sl", "0");
    port.text("cap_mask", infiniband ? "0xa651e848" : "0x00010000");
    renderGids(port, nic);
    port.lazy("pkeys", [infiniband, length = model.pkeyTableLength](Directory& keys) {
        keys.text("0", "0xffff");
        for (unsigned i = 1; i < (infiniband ? infinibandPkeys : length); ++i)
            keys.text(std::to_string(i), "0x0000");
    });
    if (!compat)
        renderPortCounters(port, scene, nic);
}

} // namespace

std::string charDeviceClass(hardware::CharDeviceKind kind) {
    switch (kind) {
    case hardware::CharDeviceKind::uverbs:
        return "infiniband_verbs";
    case hardware::CharDeviceKind::umad:
    case hardware::CharDeviceKind::issm:
        return "infiniband_mad";
    case hardware::CharDeviceKind::rdmaCm:
        return "misc";
    }
    return "misc";
}

void renderRdmaDevice(Directory& directory, const std::string& path, const Scene& scene, const Nic& nic, bool compat) {
    const hardware::RdmaDevice& device = *nic.rdma;
    const hardware::RdmaModel& model = *nic.model->rdma;
    directory.text("node_type", "1: CA");
    directory.text("node_guid", hardware::guidText(device.nodeGuid));
    directory.text("sys_image_guid", hardware::guidText(device.systemImageGuid));
    directory.text("fw_ver", model.firmware);
    directory.writable("node_desc", description(scene, nic), onDevice(scene, nic, storeDescription));
    addUevent(directory, scene, "NAME=" + device.name + "\n");
    if (!model.hardwareRevision.empty())
        directory.text("hw_rev", model.hardwareRevision);
    if (!model.hcaType.empty()) {
        directory.text("hca_type", model.hcaType);
        directory.text("fw_pages", "0");
        directory.text("reg_pages", "0");
    }
    if (!model.boardId.empty())
        directory.text("board_id", model.boardId);
    directory.lazy("ports",
                   [&scene, &nic, compat](Directory& ports) { renderRdmaPort(ports.directory("1"), scene, nic, compat); });
    addLink(directory, path, "device", functionPath(nic.pci));
    addLink(directory, path, "subsystem", "class/infiniband");
    addPower(directory, scene, {device.instance, "infiniband/"});
}

void renderCharDevice(Directory& directory, const std::string& path, const Scene& scene, const hardware::CharDevice& device,
                      const Nic* nic) {
    directory.text("dev", fmt::format("{}:{}", device.major, device.minor));
    addUevent(directory, scene,
              fmt::format("MAJOR={}\nMINOR={}\nDEVNAME=infiniband/{}{}\n", device.major, device.minor, device.name,
                          device.mode == 0666 ? "\nDEVMODE=0666" : ""));
    if (device.kind == hardware::CharDeviceKind::rdmaCm)
        directory.text("abi_version", "4");
    if (nic) {
        directory.text("ibdev", nic->rdma->name);
        if (device.kind == hardware::CharDeviceKind::uverbs)
            directory.text("abi_version", std::to_string(nic->model->rdma->uverbsAbi));
        else
            directory.text("port", "1");
        addLink(directory, path, "device", functionPath(nic->pci));
    }
    addLink(directory, path, "subsystem", "class/" + charDeviceClass(device.kind));
    addPower(directory, scene, {nic ? nic->rdma->instance : 0, device.name + "/"});
}

} // namespace rdmalab::fakesysfs
