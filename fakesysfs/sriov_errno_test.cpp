// Every recorded write to a real SR-IOV function, its driver and its bus, replayed on a machine like the recorded one.
#include "fakesysfs/tree.h"
#include "sim/hardware/catalogue.h"
#include "util/syscall.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstring>
#include <filesystem>
#include <fstream>

namespace rdmalab::fakesysfs {
namespace {

// The recorded VFs were controllers that are offline: the driver matched them and failed in its probe. Here they stay unbound
// because autoprobe stays off.
const char* const nvme = R"(name: nvme
pci:
  vendor: 1b36
  device: "0010"
  subsystemVendor: 1af4
  subsystemDevice: "1100"
  class: "020000"
  revision: "02"
  functions: 1
  link: {speed: 2.5 GT/s PCIe, width: 1}
  bars: [{index: 0, size: 16K, wide: true}]
driver: nvme
macPrefix: "02:00:00"
sriov:
  totalVfs: 8
  vfDevice: "0010"
  offset: 1
  stride: 1
  driver: nvme
  bar: {index: 0, size: 16K, wide: true}
)";

const hardware::PciAddress pf = *hardware::PciAddress::parse("0000:01:00.0");
const hardware::PciAddress firstVf = *hardware::PciAddress::parse("0000:01:00.1");

hardware::MachineSpec recordedMachine() {
    hardware::MachineSpec spec;
    spec.name = "node1";
    spec.iommu = false; // the emulated PC had none: vfio-pci cannot take anything
    hardware::NicSpec nic;
    nic.model = "nvme";
    nic.pci = pf.str();
    nic.netdev = "p0";
    spec.nics = {nic};
    return spec;
}

hardware::Catalogue recordedCatalogue() {
    hardware::Catalogue catalogue;
    catalogue.loadText(nvme, "nvme.yaml");
    return catalogue;
}

struct Recorded {
    hardware::Machine machine{recordedMachine(), recordedCatalogue()};
    Tree tree{machine, {}};

    // As the recording has it: the bytes taken, an errno's name, or "open " and a name.
    nlohmann::json write(const std::string& file, const std::string& bytes) {
        const Tree::Found found = tree.find(file);
        if (!found.node)
            return std::string("open ") + strerrorname_np(found.error);
        if (!(found.node->mode & 0222))
            return "open EACCES";
        if (!found.node->behaviour || !found.node->behaviour->write)
            return "open EROFS";
        const auto behaviour = found.node->behaviour;
        try {
            return behaviour->write(bytes);
        } catch (const SystemError& error) {
            return strerrorname_np(error.code());
        }
    }
    std::string numVfs() {
        std::string text = tree.find("/sys/bus/pci/devices/" + pf.str() + "/sriov_numvfs").node->text;
        text.pop_back();
        return text;
    }
    void bindPf(bool wanted) {
        const bool bound = !machine.findFunction(pf)->driver.empty();
        if (wanted && !bound)
            machine.bindDriver("nvme", pf);
        if (!wanted && bound)
            machine.unbindDriver("nvme", pf);
    }
    // Some steps are kept elsewhere: brings about what they left behind.
    void prepare(const nlohmann::json& step) {
        const std::string when = step["when"];
        const auto says = [&](const char* words) { return when.find(words) != std::string::npos; };
        if (says("autoprobe 0"))
            machine.setVfAutoprobe(pf, false);
        const unsigned before = static_cast<unsigned>(std::stoul(step["numvfs_before"].get<std::string>()));
        if (machine.findFunction(pf)->numVfs != before) {
            bindPf(true);
            machine.setNumVfs(pf, 0);
            machine.setNumVfs(pf, before);
        }
        if (says("PF unbound"))
            bindPf(false);
        if (says("PF bound") || says("driver nvme bound"))
            bindPf(true);
        if (step["step"] == 68)
            write("/sys/bus/pci/drivers/nvme/new_id", "dead beef\n");
        if (step["step"] == 79)
            write("/sys/bus/pci/devices/" + firstVf.str() + "/enable", "1\n");
    }
};

TEST(SriovErrno, EveryRecordedWriteIsAnsweredAsRecorded) {
    const auto file = std::filesystem::path(RDMALAB_SOURCE_DIR) / "../shared/golden/sysfs/sriov/7.3.4/errno.jsonl";
    std::ifstream stream(file);
    if (!stream)
        GTEST_SKIP() << "no recording at " << file << ": writes are not compared with a real kernel";
    Recorded recorded;
    unsigned steps = 0;
    for (std::string line; std::getline(stream, line); ++steps) {
        const auto step = nlohmann::json::parse(line);
        recorded.prepare(step);
        ASSERT_EQ(recorded.numVfs(), step["numvfs_before"]) << line;
        nlohmann::json result = recorded.write(step["file"], step["write"]);
        EXPECT_EQ(result, step["result"]) << line;
        EXPECT_EQ(recorded.numVfs(), step["numvfs_after"]) << line;
    }
    EXPECT_GT(steps, 80U);
}

} // namespace
} // namespace rdmalab::fakesysfs
