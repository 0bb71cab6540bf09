#include "sim/hardware/catalogue.h"

#include "sim/hardware/hardware_error.h"
#include "util/syscall.h"

#include <gmock/gmock.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

namespace rdmalab::hardware {
namespace {

using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

const std::string minimal = R"(name: Toy
pci:
  vendor: 15b3
  device: "1017"
  subsystemVendor: 15b3
  subsystemDevice: "0001"
  class: "020000"
  revision: "00"
  functions: 1
driver: toy
macPrefix: "02:00:00"
)";

HardwareError refused(const std::string& text) {
    Catalogue catalogue;
    try {
        catalogue.loadText(text, "toy.yaml");
    } catch (const HardwareError& error) {
        return error;
    }
    ADD_FAILURE() << "accepted:\n" << text;
    return HardwareError("", "");
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
    return text.replace(text.find(what), what.size(), by);
}

TEST(Catalogue, ShipsTheModelsOfTheField) {
    EXPECT_THAT(Catalogue::builtIn().names(), IsSupersetOf({"ConnectX-4 Lx", "ConnectX-5", "ConnectX-6 Dx", "ConnectX-7",
                                                            "BlueField-3", "E810", "virtio-net"}));
}

TEST(Catalogue, ConnectX5IsExact) {
    const auto model = Catalogue::builtIn().model("ConnectX-5");
    EXPECT_EQ(model->vendor, 0x15b3);
    EXPECT_EQ(model->device, 0x1017);
    EXPECT_EQ(model->description, "MT27800 Family [ConnectX-5]");
    EXPECT_EQ(model->classCode, 0x020000U);
    EXPECT_EQ(model->revision, 0); // lspci would print "(rev ..)" otherwise
    EXPECT_EQ(model->driver, "mlx5_core");
    EXPECT_EQ(model->sriov->vfDevice, 0x1018);
    EXPECT_EQ(model->sriov->totalVfs, 127U);
    EXPECT_EQ(model->rdma->hcaType, "MT4119"); // decimal of the device id
    EXPECT_EQ(std::stoi(model->rdma->hcaType.substr(2)), model->device);
    EXPECT_EQ(model->rdma->rate, "100 Gb/sec (4X EDR)");
}

TEST(Catalogue, HcaTypeIsTheDeviceIdOfEveryMlx5) {
    for (const std::string& name : Catalogue::builtIn().names()) {
        const auto model = Catalogue::builtIn().model(name);
        if (model->vendor == 0x15b3) {
            EXPECT_EQ(model->rdma->hcaType, "MT" + std::to_string(model->device)) << name;
        }
    }
}

TEST(Catalogue, VirtioHasNoRdmaAndNoSriov) {
    const auto model = Catalogue::builtIn().model("virtio-net");
    EXPECT_FALSE(model->rdma);
    EXPECT_FALSE(model->sriov);
}

TEST(Catalogue, FindsAliasesIgnoringCase) {
    EXPECT_EQ(Catalogue::builtIn().model("cx5")->name, "ConnectX-5");
    EXPECT_EQ(Catalogue::builtIn().model("CONNECTX-5")->name, "ConnectX-5");
}

TEST(Catalogue, SuggestsTheClosestModel) {
    try {
        Catalogue::builtIn().model("ConectX-5", "nics[0].model");
        FAIL();
    } catch (const HardwareError& error) {
        EXPECT_EQ(error.field(), "nics[0].model");
        EXPECT_THAT(error.message(), HasSubstr("did you mean 'ConnectX-5'?"));
    }
}

TEST(Catalogue, NamesNoModelForSomethingQuiteDifferent) {
    try {
        Catalogue::builtIn().model("rtl8139-xyzzy-plugh");
        FAIL();
    } catch (const HardwareError& error) {
        EXPECT_THAT(error.message(), ::testing::Not(HasSubstr("did you mean")));
        EXPECT_THAT(error.message(), HasSubstr("known are"));
    }
}

TEST(Catalogue, AcceptsAMinimalModel) {
    Catalogue catalogue;
    catalogue.loadText(minimal, "toy.yaml");
    EXPECT_EQ(catalogue.model("toy")->subsystemDevice, 1);
}

TEST(Catalogue, ReportsAMissingKeyAtItsMapping) {
    const HardwareError error = refused(replaced(minimal, "driver: toy\n", ""));
    EXPECT_EQ(error.field(), "toy.yaml:1:1");
    EXPECT_EQ(error.message(), "'driver' is missing");
}

TEST(Catalogue, ReportsAnUnknownKeyWithASuggestion) {
    const HardwareError error = refused(minimal + "portName: true\n");
    EXPECT_EQ(error.field(), "toy.yaml:12:1");
    EXPECT_EQ(error.message(), "unknown key 'portName', did you mean 'portNames'?");
}

TEST(Catalogue, ReportsABadIdWhereItStands) {
    const HardwareError error = refused(replaced(minimal, "15b3", "15b"));
    EXPECT_EQ(error.field(), "toy.yaml:3:11");
    EXPECT_EQ(error.message(), "'vendor' must be 4 hexadecimal digits, found '15b'");
}

TEST(Catalogue, ReportsSyntaxErrors) {
    const HardwareError error = refused("name: [unclosed\npci: {");
    EXPECT_THAT(error.field(), ::testing::StartsWith("toy.yaml:"));
}

TEST(Catalogue, ReportsAnEmptyFile) {
    EXPECT_EQ(refused("").field(), "toy.yaml:1:1");
}

TEST(Catalogue, RefusesABarThatIsNoPowerOfTwo) {
    const HardwareError error = refused(replaced(minimal, "functions: 1\n", "functions: 1\n  bars: [{index: 0, size: 3M}]\n"));
    EXPECT_EQ(error.field(), "toy.yaml:10:27");
}

TEST(Catalogue, RefusesAnUnknownCharDeviceKind) {
    const HardwareError error = refused(minimal + R"(rdma:
  driver: toy_ib
  namePrefix: toy
  driverId: 1
  uverbsAbi: 1
  gidTableLength: 16
  pkeyTableLength: 1
  rate: 10 Gb/sec (4X SDR)
  charDevices: [uverbs, ucm]
)");
    EXPECT_EQ(error.field(), "toy.yaml:20:25");
    EXPECT_EQ(error.message(), "'ucm' is none of uverbs, umad, issm, rdma_cm");
}

TEST(Catalogue, LoadsAFileOfTheUser) {
    const auto path = std::filesystem::path(::testing::TempDir()) / "rdmalab-toy-model.yaml";
    std::ofstream(path) << minimal;
    Catalogue catalogue = Catalogue::builtIn();
    catalogue.loadFile(path);
    EXPECT_EQ(catalogue.model("Toy")->driver, "toy");
    EXPECT_EQ(catalogue.model("ConnectX-5")->device, 0x1017);
    std::filesystem::remove(path);
    EXPECT_THROW(catalogue.loadFile(path), SystemError);
}

} // namespace
} // namespace rdmalab::hardware
