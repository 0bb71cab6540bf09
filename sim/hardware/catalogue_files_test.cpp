// The shipped catalogue against the facts, and catalogue files that are broken.
#include "sim/hardware/builtin_models.h"
#include "sim/hardware/catalogue.h"
#include "sim/hardware/gpu_models.h"
#include "sim/hardware/hardware_error.h"
#include "sim/hardware/machine.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

namespace rdmalab::hardware {
namespace {

using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

constexpr const char* pciIdsFile = "/usr/share/misc/pci.ids";

struct PciDevice {
    std::string name;
    std::map<std::string, std::string> subsystems; // "15b3 0008"
};

// By "vendor device".
std::map<std::string, PciDevice> readPciIds() {
    std::map<std::string, PciDevice> devices;
    std::ifstream file(pciIdsFile);
    std::string vendor;
    PciDevice* device = nullptr;
    for (std::string line; std::getline(file, line);) {
        if (line.empty() || line[0] == '#')
            continue;
        if (line.starts_with("C "))
            break; // classes
        if (line[0] != '\t') {
            vendor = line.substr(0, 4);
        } else if (line[1] != '\t') {
            device = &devices[vendor + ' ' + line.substr(1, 4)];
            device->name = line.substr(7);
        } else {
            device->subsystems[line.substr(2, 9)] = line.substr(13);
        }
    }
    return devices;
}

std::string ids(unsigned vendor, unsigned device) {
    return fmt::format("{:04x} {:04x}", vendor, device);
}

class PciIds : public ::testing::Test {
protected:
    void SetUp() override {
        if (!std::filesystem::exists(pciIdsFile))
            GTEST_SKIP() << "NOT CHECKED: " << pciIdsFile << " is missing; install the package pci.ids";
        devices_ = readPciIds();
        ASSERT_GT(devices_.size(), 10000U);
    }

    std::map<std::string, PciDevice> devices_;
};

TEST_F(PciIds, CallCardsAsTheCatalogueDoes) {
    for (const std::string& name : Catalogue::builtIn().names()) {
        const auto model = Catalogue::builtIn().model(name);
        ASSERT_TRUE(devices_.count(ids(model->vendor, model->device))) << name;
        EXPECT_EQ(devices_[ids(model->vendor, model->device)].name, model->description) << name;
        if (model->sriov) {
            EXPECT_THAT(devices_[ids(model->vendor, model->sriov->vfDevice)].name, HasSubstr("Virtual Function")) << name;
        }
    }
}

TEST_F(PciIds, KnowTheGpus) {
    std::size_t known = 0;
    for (const GpuModel& gpu : gpuModels()) {
        const auto found = devices_.find(ids(gpu.vendor, gpu.device));
        if (found == devices_.end())
            continue; // newer than the file
        ++known;
        EXPECT_THAT(found->second.name, HasSubstr(gpu.name));
    }
    EXPECT_GE(known, 2U);
}

TEST_F(PciIds, KnowThePcieSwitchAndTheRootPort) {
    EXPECT_THAT(devices_[ids(0x1000, 0xc030)].name, HasSubstr("PCIe Gen 5 Switch"));
    EXPECT_THAT(devices_[ids(0x8086, 0x2030)].name, HasSubstr("PCI Express Root Port"));
}

TEST(CatalogueFiles, ShipTheCardsOfTheField) {
    EXPECT_THAT(Catalogue::builtIn().names(),
                IsSupersetOf({"ConnectX-4", "ConnectX-4 Lx", "ConnectX-5", "ConnectX-5 Ex", "ConnectX-6", "ConnectX-6 Dx",
                              "ConnectX-6 Lx", "ConnectX-7", "ConnectX-8", "BlueField-2", "BlueField-3", "E810", "BCM57508",
                              "virtio-net"}));
}

TEST(CatalogueFiles, EveryModelIsAMachineWithAllItsPortsAndVfs) {
    for (const std::string& name : Catalogue::builtIn().names()) {
        const auto model = Catalogue::builtIn().model(name);
        for (const LinkLayer layer : model->linkLayers) {
            MachineSpec spec;
            spec.name = "m";
            for (unsigned port = 0; port < model->ports; ++port) {
                NicSpec& nic = spec.nics.emplace_back();
                nic.model = name;
                nic.pci = fmt::format("0000:3b:00.{}", port);
                nic.linkLayer = layer;
                if (model->sriov)
                    nic.numVfs = nic.totalVfs.emplace(model->sriov->totalVfs);
            }
            const Machine machine(spec);
            EXPECT_EQ(machine.nics().size(), model->ports * (1 + (model->sriov ? model->sriov->totalVfs : 0))) << name;
            for (const auto& nic : machine.nics()) {
                if (nic->pci.isVf())
                    continue; // not every VF driver has RDMA
                EXPECT_EQ(nic->rdma.has_value(), model->rdma.has_value()) << name << ' ' << nic->pci.address.str();
                EXPECT_FALSE(nic->port.netdev.empty()) << name;
            }
            if (model->rdma) {
                EXPECT_EQ(machine.nics()[0]->rdma->name, model->rdma->namePrefix + "0");
            }
        }
    }
}

TEST(CatalogueFiles, BroadcomIsAsItsDriverMakesIt) {
    const auto model = Catalogue::builtIn().model("Broadcom 57508");
    EXPECT_EQ(model->driver, "bnxt_en");
    EXPECT_EQ(model->rdma->driver, "bnxt_re");
    EXPECT_EQ(model->rdma->namePrefix, "bnxt_re");
    EXPECT_EQ(model->rdma->driverId, 6U); // RDMA_DRIVER_BNXT_RE
    EXPECT_EQ(model->sriov->vfDevice, 0x1806);
}

TEST(CatalogueFiles, AUsersModelTakesThePlaceOfTheShippedOne) {
    Catalogue catalogue = Catalogue::builtIn();
    const auto& all = builtInModels();
    const auto file = std::find_if(all.begin(), all.end(), [](const auto& one) { return one.fileName == "connectx-5.yaml"; });
    std::string text = file->text;
    text.replace(text.find("name: ConnectX-5"), 16, "name: connectx-5");
    text.replace(text.find("totalVfs: 127"), 13, "totalVfs: 16 ");
    catalogue.loadText(text, "mine.yaml");
    EXPECT_EQ(catalogue.model("ConnectX-5")->sriov->totalVfs, 16U);
    EXPECT_EQ(catalogue.names().size(), Catalogue::builtIn().names().size());
}

// ---- broken files -----------------------------------------------------------------------------------------------------------

const std::string whole = R"(name: Toy
aliases: [t]
pci:
  vendor: 15b3
  device: "1017"
  subsystemVendor: 15b3
  subsystemDevice: "0001"
  class: "020000"
  revision: "00"
  functions: 2
  link: {speed: 8.0 GT/s PCIe, width: 16}
  bars: [{index: 0, size: 32M, wide: true, prefetchable: true}, {index: 2, size: 4K}]
driver: toy
modules: [toy_ib]
linkLayers: [ethernet, infiniband]
speed: 100000
macPrefix: "02:00:00"
portNames: true
sriov:
  totalVfs: 16
  vfDevice: "1018"
  offset: functions
  stride: 1
  driver: toy
  bar: {index: 0, size: 1M}
rdma:
  driver: toy_ib
  namePrefix: toy_
  driverId: 1
  uverbsAbi: 1
  gidTableLength: 16
  pkeyTableLength: 1
  gidTypes: [v1, v2]
  rate: 100 Gb/sec (4X EDR)
  charDevices: [uverbs, umad]
  counters: [a, b]
)";

struct BrokenFile {
    std::string name, what, by, field, message;
};

class BrokenCatalogueFile : public ::testing::TestWithParam<BrokenFile> {};

TEST_P(BrokenCatalogueFile, IsRefusedWithItsPlace) {
    std::string text = whole;
    const auto at = text.find(GetParam().what);
    ASSERT_NE(at, std::string::npos);
    text.replace(at, GetParam().what.size(), GetParam().by);
    Catalogue catalogue;
    try {
        catalogue.loadText(text, "toy.yaml");
        ADD_FAILURE() << "accepted";
    } catch (const HardwareError& error) {
        EXPECT_EQ(error.field(), "toy.yaml:" + GetParam().field);
        EXPECT_THAT(error.message(), HasSubstr(GetParam().message));
    }
    EXPECT_TRUE(catalogue.names().empty());
}

INSTANTIATE_TEST_SUITE_P(
    All, BrokenCatalogueFile,
    ::testing::Values(
        BrokenFile{"Syntax", "aliases: [t]", "aliases: [t", "3:4", "end of sequence flow"},
        BrokenFile{"Tab", "  vendor", "\tvendor", "4:8", ""},
        BrokenFile{"TwoDocuments", "name: Toy", "name: Toy\n---\nname: Toy", "3:1", "one NIC is one file"},
        BrokenFile{"KeyTwice", "driver: toy\n", "driver: toy\ndriver: toy\n", "14:1", "'driver' is there twice"},
        BrokenFile{"KeyIsAList", "driver: toy\n", "driver: toy\n[a]: b\n", "14:1", "a key must be a text"},
        BrokenFile{"UnknownKey", "totalVfs", "totalVFs", "20:3", "'totalVfs' is missing"},
        BrokenFile{"UnknownKeyInPci", "  revision: \"00\"\n", "  revision: \"00\"\n  revison: \"00\"\n", "10:3",
                   "did you mean 'revision'?"},
        BrokenFile{"NameGone", "name: Toy", "aliases: [x]", "2:1", "'aliases' is there twice"},
        BrokenFile{"EmptyName", "name: Toy", "name:", "1:1", "'name' has no value"},
        BrokenFile{"ControlCharacter", "name: Toy", "name: \"To\\ny\"", "1:7", "without control characters"},
        BrokenFile{"AliasesNoList", "[t]", "t", "2:10", "'aliases' must be a list"},
        BrokenFile{"NameEmpty", "name: Toy", "name: \"\"", "1:7", "'name' must be a text"},
        BrokenFile{"PciNoMapping", "aliases: [t]\npci:", "pci: 5\nother:", "2:6", "expected a mapping"},
        BrokenFile{"Vendor", "15b3", "15b", "4:11", "4 hexadecimal digits"},
        BrokenFile{"VendorNoHex", "15b3", "15bg", "4:11", "4 hexadecimal digits, found '15bg'"},
        BrokenFile{"Class", "\"020000\"", "0200", "8:10", "6 hexadecimal digits"},
        BrokenFile{"NoFunctions", "functions: 2", "functions: 0", "10:14", "at least 1"},
        BrokenFile{"NineFunctions", "functions: 2", "functions: 9", "10:14", "from 0 to 8"},
        BrokenFile{"LinkSpeed", "8.0 GT/s PCIe", "8 GT/s", "11:17", "'8 GT/s' is none of 2.5 GT/s PCIe"},
        BrokenFile{"LinkWidth", "width: 16", "width: 3", "11:39", "'3' is none of 1, 2, 4"},
        BrokenFile{"BarSize", "32M", "33M", "12:27", "power of two"},
        BrokenFile{"BarUnit", "32M", "32T", "12:27", "power of two"},
        BrokenFile{"BarIndex", "index: 2", "index: 6", "12:73", "from 0 to 5"},
        BrokenFile{"BarTwice", "index: 2", "index: 0", "12:73", "needs a register that another one has"},
        BrokenFile{"BarInTheSecondHalf", "index: 2", "index: 1", "12:73", "needs a register that another one has"},
        BrokenFile{"BarWideAtTheEnd", "{index: 2, size: 4K}", "{index: 5, size: 4K, wide: true}", "12:73", "cannot be the last"},
        BrokenFile{"BarFlag", "wide: true", "wide: yes", "12:38", "must be true or false"},
        BrokenFile{"DriverIsAPath", "driver: toy\n", "driver: ../toy\n", "13:9", "made of letters"},
        BrokenFile{"ModuleIsAPath", "[toy_ib]", "[a/b]", "14:11", "made of letters"},
        BrokenFile{"LinkLayer", "[ethernet, infiniband]", "[ethernet, token-ring]", "15:24", "is none of ethernet, infiniband"},
        BrokenFile{"LinkLayerTwice", "[ethernet, infiniband]", "[ethernet, ethernet]", "15:24", "'ethernet' is there twice"},
        BrokenFile{"Speed", "100000", "fast", "16:8", "must be a number"},
        BrokenFile{"MacPrefix", "02:00:00", "02:00", "17:12", "three octets"},
        BrokenFile{"MulticastMac", "02:00:00", "03:00:00", "17:12", "multicast"},
        BrokenFile{"NoVfs", "totalVfs: 16", "totalVfs: 0", "20:13", "at least 1"},
        BrokenFile{"NegativeVfs", "totalVfs: 16", "totalVfs: -1", "20:13", "must be a number"},
        BrokenFile{"VfsBeyondTheBuses", "totalVfs: 16", "totalVfs: 40000", "20:13",
                   "80000 VFs with stride 1 reach beyond bus ff"},
        BrokenFile{"OffsetWord", "offset: functions", "offset: function", "22:11", "must be a number"},
        BrokenFile{"OffsetZero", "offset: functions", "offset: 0", "22:11", "at least 1"},
        BrokenFile{"StrideZero", "stride: 1", "stride: 0", "23:11", "at least 1"},
        BrokenFile{"SriovWithoutPcie", "  link: {speed: 8.0 GT/s PCIe, width: 16}\n", "", "19:3", "needs a PCI Express device"},
        BrokenFile{"RdmaNoMapping", "rdma:\n", "rdma: 7\nother:\n", "26:7", "expected a mapping"},
        BrokenFile{"NamePrefix", "namePrefix: toy_", "namePrefix: \"%d\"", "28:15", "made of letters"},
        BrokenFile{"GidTable", "gidTableLength: 16", "gidTableLength: 5000", "31:19", "from 0 to 1024"},
        BrokenFile{"GidType", "[v1, v2]", "[v1, v3]", "33:18", "is none of v1, v2"},
        BrokenFile{"NoGidType", "[v1, v2]", "[]", "27:3", "needs 'gidTypes'"},
        BrokenFile{"Rate", "100 Gb/sec (4X EDR)", "100G", "34:9", "must look like '100 Gb/sec (4X EDR)'"},
        BrokenFile{"CharDevice", "[uverbs, umad]", "[uverbs, ucm]", "35:25", "is none of uverbs, umad"},
        BrokenFile{"CharDeviceTwice", "[uverbs, umad]", "[umad, umad]", "35:23", "'umad' is there twice"},
        BrokenFile{"CounterIsAPath", "[a, b]", "[a, ../b]", "36:17", "made of letters"},
        BrokenFile{"CounterTwice", "[a, b]", "[a, a]", "36:17", "'a' is there twice"}),
    [](const auto& one) { return one.param.name; });

TEST(BrokenCatalogueFiles, InfinibandNeedsRdma) {
    Catalogue catalogue;
    try {
        catalogue.loadText(whole.substr(0, whole.find("rdma:")), "toy.yaml");
        ADD_FAILURE() << "accepted";
    } catch (const HardwareError& error) {
        EXPECT_EQ(error.field(), "toy.yaml:15:13");
    }
}

TEST(BrokenCatalogueFiles, AHugeOneIsNotRead) {
    const auto path = std::filesystem::path(::testing::TempDir()) / "rdmalab-huge-model.yaml";
    std::ofstream(path) << std::string(2 << 20, '#');
    Catalogue catalogue;
    EXPECT_THROW(catalogue.loadFile(path), HardwareError);
    std::filesystem::remove(path);
}

// Every line of a shipped file left out, cut short, doubled or garbled: loads, or is refused at a place in the file.
TEST(BrokenCatalogueFiles, AreRefusedAtAPlaceWhateverIsWrong) {
    for (const BuiltInModel& model : builtInModels()) {
        if (model.fileName != "bcm57508.yaml") // the one with most kinds of values
            continue;
        std::vector<std::string> lines;
        std::istringstream stream(model.text);
        for (std::string line; std::getline(stream, line);)
            lines.push_back(line);
        for (std::size_t i = 0; i < lines.size(); ++i)
            for (int kind = 0; kind < 6; ++kind) {
                std::vector<std::string> changed = lines;
                std::string& line = changed[i];
                switch (kind) {
                case 0:
                    line.clear();
                    break;
                case 1:
                    line = line.substr(0, line.size() / 2);
                    break;
                case 2:
                    line += "\n" + line;
                    break;
                case 3:
                    line = line.substr(0, line.find(':') + 1);
                    break;
                case 4:
                    line = line.substr(0, line.find(':') + 1) + " [{}, \"\\0\", ~]";
                    break;
                default:
                    line = "  " + line;
                }
                std::string text;
                for (const std::string& one : changed)
                    text += one + "\n";
                Catalogue catalogue;
                try {
                    catalogue.loadText(text, "f");
                } catch (const HardwareError& error) {
                    EXPECT_THAT(error.field(), ::testing::MatchesRegex("f:[0-9]+:[0-9]+")) << text;
                    EXPECT_FALSE(error.message().empty());
                }
            }
    }
}

} // namespace
} // namespace rdmalab::hardware
