// What a real kernel answered to writes to the files of an SR-IOV function and its driver.
#include "sim/hardware/catalogue.h"
#include "sim/hardware/machine.h"
#include "util/syscall.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <cctype>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>

namespace rdmalab::hardware {
namespace {

template <typename Do>
int errnoOf(Do operation) {
    try {
        operation();
        return 0;
    } catch (const SystemError& error) {
        return error.code();
    }
}

// The recorded writes, as far as they are about the machine and not about the text written.
class Recorded : public ::testing::Test {
protected:
    static std::filesystem::path file() {
        return std::filesystem::path(RDMALAB_SOURCE_DIR) / "../shared/golden/sysfs/sriov/7.3.4/errno.jsonl";
    }
    void SetUp() override {
        if (!std::filesystem::exists(file()))
            GTEST_SKIP() << "no recordings of real kernels at " << file() << ": errno values are not compared with them";
        Catalogue catalogue;
        catalogue.loadText(R"(
name: nvme
aliases: [recorded]
description: "QEMU NVM Express Controller"
pci:
  vendor: 1b36
  device: "0010"
  subsystemVendor: 1af4
  subsystemDevice: "1100"
  class: "010802"
  revision: "02"
  functions: 1
  link: {speed: 2.5 GT/s PCIe, width: 1}
  bars: [{index: 0, size: 16K, wide: true}]
driver: nvme
linkLayers: [ethernet]
speed: 1000
macPrefix: "52:54:00"
sriov:
  totalVfs: 8
  vfDevice: "0010"
  offset: 1
  stride: 1
  driver: nvme
  bar: {index: 0, size: 16K, wide: true, prefetchable: true}
)",
                           "nvme.yaml");
        MachineSpec spec;
        spec.name = "recorded";
        spec.iommu = false;
        NicSpec nic;
        nic.model = "nvme";
        nic.pci = pf.str();
        spec.nics = {nic};
        machine.emplace(spec, catalogue);
    }

    // Brings the machine to where the recording was; a quarter of its steps is not in the file.
    void prepare(const nlohmann::json& step) {
        const std::string when = step["when"];
        const unsigned before = static_cast<unsigned>(std::stoul(step["numvfs_before"].get<std::string>()));
        const auto says = [&](const char* text) { return when.find(text) != std::string::npos; };
        const PciFunction& pci = machine->findByPci(pf)->pci;
        if (says("autoprobe 0"))
            machine->setVfAutoprobe(pf, false);
        if (pci.numVfs != before) {
            if (pci.driver.empty())
                machine->bindDriver("nvme", pf);
            machine->setNumVfs(pf, 0);
            machine->setNumVfs(pf, before);
        }
        const bool unbound = says("PF unbound") || says("PF override") || says("rebind");
        if (unbound && !pci.driver.empty())
            machine->unbindDriver("nvme", pf);
        if (!unbound && pci.driver.empty()) {
            machine->setDriverOverride(pf, std::nullopt);
            machine->bindDriver("nvme", pf);
        }
        if (says("after that"))
            errnoOf([&] { machine->addDriverId("nvme", {0xdead, 0xbeef, {}, {}}); });
    }

    std::optional<Machine> machine;
    const PciAddress pf = *PciAddress::parse("0000:01:00.0");
};

TEST_F(Recorded, SameErrnos) {
    const std::map<std::string, int> codes = {{"EINVAL", EINVAL}, {"EBUSY", EBUSY},   {"ERANGE", ERANGE},
                                              {"ENOENT", ENOENT}, {"ENODEV", ENODEV}, {"EEXIST", EEXIST}};
    std::ifstream stream(file());
    int compared = 0;
    for (std::string line; std::getline(stream, line);) {
        const auto step = nlohmann::json::parse(line);
        const std::string path = step["file"], attribute = path.substr(path.rfind('/') + 1);
        std::string text = step["write"];
        const std::string when = step["when"];
        // QEMU's VFs are refused by nvme itself when it probes them: not a rule of the kernel's.
        if (text.empty() || text.back() != '\n' || when == "VF maybe bound by autoprobe" ||
            (step["result"].is_string() && !codes.count(step["result"])))
            continue;
        text.pop_back();
        std::function<void()> write;
        if (attribute == "sriov_numvfs") {
            std::size_t used = 0;
            unsigned long value = 0;
            try {
                value = std::stoul(text, &used, 0);
            } catch (const std::exception&) {
                continue;
            }
            if (text.empty() || used != text.size() || !std::isdigit(static_cast<unsigned char>(text[0])) || value > 0xffff)
                continue;
            write = [&, value] { machine->setNumVfs(pf, static_cast<unsigned>(value)); };
        } else if (attribute == "bind" || attribute == "unbind" || attribute == "drivers_probe") {
            const auto address = PciAddress::parse(text);
            if (!address)
                continue;
            const auto driver = std::filesystem::path(path).parent_path().filename().string();
            write = [=, this] {
                attribute == "bind"     ? machine->bindDriver(driver, *address)
                : attribute == "unbind" ? machine->unbindDriver(driver, *address)
                                        : machine->probeDriver(*address);
            };
        } else if (attribute == "driver_override") {
            const auto address = *PciAddress::parse(std::filesystem::path(path).parent_path().filename().string());
            write = [=, this] { machine->setDriverOverride(address, text); };
        } else if (attribute == "new_id" || attribute == "remove_id") {
            unsigned vendor = 0, device = 0;
            if (std::sscanf(text.c_str(), "%x %x", &vendor, &device) != 2)
                continue;
            const DriverId id{static_cast<std::uint16_t>(vendor), static_cast<std::uint16_t>(device), {}, {}};
            write = [=, this] { attribute == "new_id" ? machine->addDriverId("nvme", id) : machine->removeDriverId("nvme", id); };
        } else {
            continue;
        }
        SCOPED_TRACE(line);
        prepare(step);
        const int expected = step["result"].is_string() ? codes.at(step["result"]) : 0;
        EXPECT_EQ(errnoOf(write), expected);
        EXPECT_EQ(std::to_string(machine->findByPci(pf)->pci.numVfs), step["numvfs_after"]);
        ++compared;
    }
    EXPECT_GE(compared, 30); // of those that are about the machine
}

} // namespace
} // namespace rdmalab::hardware
