// The tree against recordings of real kernels: same files, same modes and sizes, same refusals, same texts.
#include "fakesysfs/tree.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

namespace rdmalab::fakesysfs {
namespace {

using ::testing::IsSubsetOf;

// What a node looks like from outside, in one line.
struct Look {
    std::string kind, mode, text; // text: content, link target or errno name
    long size = 0;
};
using Looks = std::map<std::string, Look>; // by path below the directory looked at

const char* errnoName(int code) {
    const char* name = strerrorname_np(code);
    return name ? name : "?";
}

std::filesystem::path goldenDirectory() {
    return std::filesystem::path(RDMALAB_SOURCE_DIR) / "../shared/golden/sysfs";
}

// Everything below `top` in a recording.
Looks recorded(const std::string& file, const std::string& top) {
    std::ifstream stream(goldenDirectory() / file);
    Looks looks;
    for (std::string line; std::getline(stream, line);) {
        const auto entry = nlohmann::json::parse(line);
        const std::string path = entry.value("path", "");
        if (!path.starts_with(top + "/") || entry.value("kind", "omitted") == "omitted")
            continue;
        Look look;
        look.kind = entry["kind"];
        look.mode = entry.value("mode", "");
        look.size = entry.value("size", 0L);
        for (const char* key : {"target", "content", "read_errno", "open_errno"})
            if (entry.contains(key))
                look.text = entry[key];
        looks[path.substr(top.size() + 1)] = look;
    }
    EXPECT_FALSE(looks.empty()) << file << " has nothing below " << top;
    return looks;
}

void collect(const Directory& directory, const std::string& prefix, Looks& looks) {
    for (const auto& [name, node] : directory.entries()) {
        const bool link = node.kind == NodeKind::symlink, sub = node.kind == NodeKind::directory;
        Look& look = looks[prefix + name];
        look.kind = sub ? "dir" : link ? "link" : node.kind == NodeKind::characterDevice ? "chr" : "file";
        look.mode = fmt::format("{:04o}", node.mode);
        look.size = static_cast<long>(node.size);
        look.text = node.kind == NodeKind::unreadable ? errnoName(node.error) : node.text;
        if (sub)
            collect(*node.directory, prefix + name + "/", looks);
    }
}

Looks rendered(const Tree& tree, const std::string& top) {
    Looks looks;
    const Tree::Found found = tree.find(top);
    EXPECT_TRUE(found.node) << top;
    if (found.node)
        collect(*found.node->directory, "", looks);
    return looks;
}

std::set<std::string> missingIn(const Looks& looks, const Looks& wanted) {
    std::set<std::string> names;
    for (const auto& [name, look] : wanted)
        if (!looks.count(name))
            names.insert(name);
    return names;
}

// Kind, mode and size of what both have; the text too unless its path is one of `varying` or below it.
void expectAlike(const Looks& ours, const Looks& theirs, const std::set<std::string>& varying) {
    for (const auto& [name, their] : theirs) {
        const auto found = ours.find(name);
        if (found == ours.end())
            continue;
        EXPECT_EQ(found->second.kind, their.kind) << name;
        EXPECT_EQ(found->second.mode, their.mode) << name;
        EXPECT_EQ(found->second.size, their.size) << name;
        if (!varying.count(name) && !varying.count(name.substr(0, name.find('/')))) {
            EXPECT_EQ(found->second.text, their.text) << name;
        }
    }
}

class Golden : public ::testing::Test {
protected:
    void SetUp() override {
        if (!std::filesystem::exists(goldenDirectory()))
            GTEST_SKIP() << "no recordings of real kernels at " << goldenDirectory() << ": the tree is not compared with them";
        hardware::MachineSpec spec;
        spec.name = "node1";
        spec.numa = {{0, "0-1"}};
        hardware::NicSpec nic;
        nic.model = "ConnectX-5";
        nic.pci = "0000:01:00.0";
        nic.netdev = "p0";
        nic.rdma = "rxe0";
        nic.mac = "02:00:00:00:00:01";
        nic.addresses = {*Cidr::parse("10.1.0.1/24")};
        nic.charDevices = {"uverbs", "umad", "rdma_cm"}; // a RoCE port has no issm on these kernels
        spec.nics = {nic};
        machine_ = std::make_unique<hardware::Machine>(spec);
        Netdev v0;
        v0.name = "v0";
        v0.kind = "veth";
        v0.mac = "02:00:00:00:00:01";
        v0.ifindex = 3;
        v0.parentIndex = 2;
        view_.netdevs = {v0};
    }
    Looks ours(const std::string& top) { return rendered(Tree(*machine_, view_), top); }

    static inline const std::string net = "/sys/devices/virtual/net/v0";
    static inline const std::string rxe = "/sys/devices/virtual/infiniband/rxe0";
    static inline const std::string function = "/sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0";
    std::unique_ptr<hardware::Machine> machine_;
    View view_;
};

const std::set<std::string> netVarying = {"statistics", "carrier_changes", "carrier_up_count", "carrier_down_count"};

TEST_F(Golden, NetworkInterface) {
    const Looks theirs = recorded("6.12.95/s2up-init.jsonl", net);
    const Looks mine = ours(net);
    expectAlike(mine, theirs, netVarying);
    EXPECT_THAT(missingIn(mine, theirs), IsSubsetOf(std::set<std::string>()));
    // power/ is listed in full in the newer recording only.
    for (const std::string& extra : missingIn(theirs, mine))
        EXPECT_TRUE(extra.starts_with("power/")) << extra;
    expectAlike(mine, recorded("7.3.4/s2up-init.jsonl", net), netVarying);
}

TEST_F(Golden, NetworkInterfaceThatIsDown) {
    view_.netdevs[0].up = false;
    expectAlike(ours(net), recorded("7.3.4/s2down-init.jsonl", net), netVarying);
}

TEST_F(Golden, CardsInterfaceHasTheSameFiles) {
    const Looks theirs = recorded("6.12.95/s2up-init.jsonl", net);
    Looks mine = ours(function + "/net/p0");
    EXPECT_EQ(mine.erase("device"), 1U);
    EXPECT_THAT(missingIn(mine, theirs), IsSubsetOf(std::set<std::string>()));
    for (const std::string& extra : missingIn(theirs, mine))
        EXPECT_TRUE(extra.starts_with("power/")) << extra;
}

// Soft-RoCE is another driver: its own counters, v2 GIDs only, `parent` instead of the hardware's attributes.
bool driversOwn(const std::string& name) {
    static const std::set<std::string> own = {"parent", "hw_rev", "hca_type", "board_id", "fw_pages", "reg_pages", "device"};
    return own.count(name) || name.starts_with("ports/1/hw_counters/") || name.starts_with("ports/1/gids/") ||
           name.starts_with("ports/1/gid_attrs/types/") || name.starts_with("ports/1/gid_attrs/ndevs/");
}

TEST_F(Golden, RdmaDevice) {
    const Looks theirs = recorded("7.3.4/s2up-init.jsonl", rxe);
    Looks mine = ours(function + "/infiniband/rxe0");
    expectAlike(mine, theirs, {"fw_ver", "node_desc", "node_guid", "sys_image_guid", "subsystem", "ports"});
    for (const std::string& name : missingIn(mine, theirs))
        EXPECT_TRUE(driversOwn(name)) << "the real one has " << name;
    for (const std::string& name : missingIn(theirs, mine))
        EXPECT_TRUE(driversOwn(name)) << "the real one lacks " << name;
    for (const char* name :
         {"state", "phys_state", "lid", "sm_lid", "lid_mask_count", "sm_sl", "cap_mask", "link_layer", "pkeys/0", "gids/0"}) {
        const std::string path = std::string("ports/1/") + name;
        EXPECT_EQ(mine[path].text, theirs.at(path).text) << path;
    }
    // The IPv4 entry: second there, behind the pair of default ones here.
    EXPECT_EQ(mine["ports/1/gids/2"].text, theirs.at("ports/1/gids/1").text);
    EXPECT_EQ(mine["ports/1/gid_attrs/types/3"].text, theirs.at("ports/1/gid_attrs/types/1").text);
    EXPECT_EQ(mine["ports/1/gid_attrs/types/4"].text, theirs.at("ports/1/gid_attrs/types/2").text);
    EXPECT_EQ(mine["ports/1/gid_attrs/ndevs/4"].mode, theirs.at("ports/1/gid_attrs/ndevs/2").mode);
}

TEST_F(Golden, RdmaDeviceSeenFromAnotherNamespace) {
    view_.netns = 99;
    view_.netdevs.clear();
    const Looks theirs = recorded("7.3.4/s3ns.jsonl", rxe);
    const Looks mine = ours(function + "/infiniband/rxe0");
    for (const std::string& name : missingIn(mine, theirs))
        EXPECT_TRUE(driversOwn(name)) << "the real one has " << name;
    for (const std::string& name : missingIn(theirs, mine))
        EXPECT_TRUE(driversOwn(name) || name.starts_with("power/")) << "the real one lacks " << name;
}

TEST_F(Golden, CharacterDevices) {
    const std::string file = "7.3.4/s2up-init.jsonl", devices = "/sys/devices/virtual/";
    for (const std::string name : {"infiniband_verbs/uverbs0", "infiniband_mad/umad0"}) {
        const Looks theirs = recorded(file, devices + name);
        Looks mine = ours(function + "/" + name);
        EXPECT_EQ(mine.erase("device"), 1U);
        // The driver's own ABI; and the links start from another depth.
        expectAlike(mine, theirs, {"abi_version", "subsystem"});
        EXPECT_THAT(missingIn(mine, theirs), IsSubsetOf(std::set<std::string>())) << name;
        EXPECT_THAT(missingIn(theirs, mine), IsSubsetOf(std::set<std::string>())) << name;
    }
    const Looks theirs = recorded(file, devices + "misc/rdma_cm");
    const Looks mine = ours(devices + "misc/rdma_cm");
    expectAlike(mine, theirs, {});
    EXPECT_EQ(mine.size(), theirs.size());
    for (const char* classDirectory : {"/sys/class/infiniband_verbs", "/sys/class/infiniband_mad"})
        EXPECT_EQ(ours(classDirectory)["abi_version"].text, recorded(file, classDirectory)["abi_version"].text);
}

TEST_F(Golden, CoreParameters) {
    const Looks theirs = recorded("6.12.95/s0-init.jsonl", "/sys/module/ib_core/parameters");
    const Looks mine = ours("/sys/module/ib_core/parameters");
    expectAlike(mine, theirs, {});
    EXPECT_EQ(mine.size(), theirs.size());
}

// What is another device's or comes from firmware tables.
bool othersOwn(const std::string& name) {
    return name.starts_with("nvme") || name.starts_with("wakeup") || name.starts_with("firmware_node") || name == "pools" ||
           name.starts_with("msi_irqs/") || name.starts_with("power/wakeup") || name == "link/l0s_aspm";
}

TEST_F(Golden, PhysicalFunction) {
    Looks theirs = recorded("sriov/7.3.4/0-numvfs0.jsonl", "/sys/devices/pci0000:00/0000:00:04.0/0000:01:00.0");
    Looks mine = ours(function);
    EXPECT_EQ(mine["resource0"].text, theirs["resource0"].text);
    EXPECT_EQ(mine["resource0"].mode, theirs["resource0"].mode);
    theirs.erase("resource0"); // its size is that of the BAR
    // Another device, on a machine with firmware tables; everything else must be there and look alike.
    for (const std::string& name : missingIn(mine, theirs))
        EXPECT_TRUE(othersOwn(name)) << "the real one has " << name;
    expectAlike(mine, theirs,
                {"class",    "config",         "current_link_speed", "current_link_width", "device",           "driver",
                 "irq",      "max_link_speed", "max_link_width",     "modalias",           "numa_node",        "power",
                 "resource", "revision",       "sriov_totalvfs",     "sriov_vf_device",    "subsystem_device", "subsystem_vendor",
                 "uevent",   "vendor"});
}

// The device that was recorded, as far as files tell: four VFs without a driver.
TEST_F(Golden, VirtualFunction) {
    const hardware::PciAddress pf = *hardware::PciAddress::parse("0000:01:00.0");
    const hardware::PciAddress vf = *hardware::PciAddress::parse("0000:01:00.1");
    machine_->setVfAutoprobe(pf, false);
    machine_->setNumVfs(pf, 4);
    const std::string file = "sriov/7.3.4/1-numvfs4-noautoprobe.jsonl", parent = "/sys/devices/pci0000:00/0000:00:04.0/";
    Looks theirs = recorded(file, parent + vf.str());
    const std::string bridge = function.substr(0, function.rfind('/') + 1);
    Looks mine = ours(bridge + vf.str());
    EXPECT_EQ(mine["resource0"].mode, theirs["resource0"].mode);
    EXPECT_EQ(mine["resource0"].text, theirs["resource0"].text);
    theirs.erase("resource0"); // its size is that of the BAR
    mine.erase("resource0");
    for (const std::string& name : missingIn(mine, theirs))
        EXPECT_TRUE(othersOwn(name)) << "the real one has " << name;
    const std::set<std::string> more = {"iommu_group", "resource0_wc"}; // an IOMMU, a prefetchable BAR
    for (const std::string& name : missingIn(theirs, mine))
        EXPECT_TRUE(more.count(name) || name.starts_with("power/")) << "the real one lacks " << name;
    expectAlike(mine, theirs,
                {"class", "config", "current_link_speed", "current_link_width", "device", "numa_node", "revision",
                 "max_link_speed", "max_link_width", "modalias", "subsystem_device", "subsystem_vendor", "uevent", "resource",
                 "vendor"});
    theirs = recorded(file, parent + pf.str());
    mine = ours(function);
    for (const char* name : {"virtfn0", "virtfn1", "virtfn2", "virtfn3", "sriov_numvfs", "sriov_drivers_autoprobe",
                             "sriov_offset", "sriov_stride"}) {
        EXPECT_EQ(mine[name].kind, theirs[name].kind) << name;
        EXPECT_EQ(mine[name].mode, theirs[name].mode) << name;
        EXPECT_EQ(mine[name].size, theirs[name].size) << name;
        EXPECT_EQ(mine[name].text, theirs[name].text) << name;
    }
    EXPECT_FALSE(mine.count("virtfn4"));
}

// A PF that lost its driver: what goes, what stays.
TEST_F(Golden, UnboundPhysicalFunction) {
    const Looks before = recorded("sriov/7.3.4/2-numvfs0-again.jsonl", "/sys/devices/pci0000:00/0000:00:04.0/0000:01:00.0");
    const Looks after = recorded("sriov/7.3.4/4-pf-unbound.jsonl", "/sys/devices/pci0000:00/0000:00:04.0/0000:01:00.0");
    const Looks bound = ours(function);
    machine_->unbindDriver("mlx5_core", *hardware::PciAddress::parse("0000:01:00.0"));
    const Looks unbound = ours(function);
    for (const auto& [name, look] : before) {
        if (othersOwn(name) || name.starts_with("power/") || !bound.count(name))
            continue;
        EXPECT_EQ(unbound.count(name), after.count(name)) << name;
        if (after.count(name) && unbound.count(name) && (name == "enable" || name == "dma_mask_bits")) {
            EXPECT_EQ(unbound.at(name).text, after.at(name).text) << name;
        }
    }
    for (const auto& [name, look] : unbound)
        EXPECT_FALSE(name.starts_with("net") || name.starts_with("infiniband") || name == "sriov") << name;
}

TEST_F(Golden, BusAndDriver) {
    const std::string file = "sriov/7.3.4/0-numvfs0.jsonl";
    Looks bus = ours("/sys/bus/pci"), theirs = recorded(file, "/sys/bus/pci");
    for (const char* name :
         {"devices", "drivers", "drivers_autoprobe", "drivers_probe", "rescan", "resource_alignment", "slots", "uevent"}) {
        EXPECT_EQ(bus[name].kind, theirs[name].kind) << name;
        EXPECT_EQ(bus[name].mode, theirs[name].mode) << name;
        EXPECT_EQ(bus[name].text, theirs[name].text) << name;
    }
    for (const char* name : {"bind", "unbind", "new_id", "remove_id", "uevent"}) {
        const Look& mine = bus[std::string("drivers/mlx5_core/") + name];
        const Look& their = theirs[std::string("drivers/nvme/") + name];
        EXPECT_EQ(mine.mode, their.mode) << name;
        EXPECT_EQ(mine.text, their.text) << name;
        EXPECT_EQ(mine.size, their.size) << name;
    }
}

TEST_F(Golden, DeviceNodes) {
    const Looks theirs = recorded("7.3.4/s2up-init.jsonl", "/dev/infiniband");
    const Looks mine = ours("/dev/infiniband");
    expectAlike(mine, theirs, {});
    EXPECT_EQ(mine.size(), theirs.size());
}

} // namespace
} // namespace rdmalab::fakesysfs
