// What a scenario says about hardware, and how mistakes in it are explained.
#include "harness/scenario/loader.h"
#include "harness/scenario/machine_spec.h"
#include "harness/scenario/testing_folder.h"
#include "sim/hardware/catalogue.h"
#include "sim/hardware/machine.h"

#include <gmock/gmock.h>

namespace rdmalab::scenario {
namespace {

using testing::HasSubstr;

// The group's keys come after `names`, which is on line 6.
std::string node(const std::string& keys, const std::string& specKeys = "") {
    return "apiVersion: rdmalab.io/v1alpha1\nkind: Scenario\nmetadata: {name: s}\nspec:\n  nodes:\n    - names: [n1]\n" + keys +
           "  steps:\n    - assert: [{kind: Node, metadata: {name: n1}}]\n" + specKeys;
}

const std::string toy = R"(name: Toy
pci: {vendor: 15b3, device: "1017", subsystemVendor: 15b3, subsystemDevice: "0001", class: "020000", revision: "00",
      functions: 1, link: {speed: 8.0 GT/s PCIe, width: 8}}
driver: toy
macPrefix: "02:00:00"
)";

class MachineOfScenario : public testing::Test {
protected:
    LoadResult load(const std::string& text) const { return loadScenario(folder_.write("scenario.yaml", text)); }
    std::string shown(const LoadResult& result) const {
        std::string out;
        for (const Diagnostic& one : result.diagnostics)
            out += (out.empty() ? "" : "\n") + one.str().substr(folder_.path().string().size() + 1);
        return out;
    }

    TestingFolder folder_;
};

TEST_F(MachineOfScenario, HasEverythingThatIsSaid) {
    const auto result = load(node(R"(      iommu: false
      rdma: {naming: udev}
      numa: [{id: 0, cpus: 0-15}, {id: 1, cpus: "16-31"}]
      gpus:
        - {model: H100, pci: "0000:1a:00.0", pcieSwitch: sw0, numa: 1}
        - {model: MI300X, pci: "4b:00.0", vendor: "1002", device: 74a1, class: "120000", driver: amdgpu}
      nics:
        - {model: ConnectX-7, pci: "0000:19:00.0", pcieSwitch: sw0, totalVfs: 8, nodeGuid: "b8ce:f603:00aa:bbcc"}
        - {model: ConnectX-7, pci: "0000:5e:00.0", rdmaEnabled: false}
)"));
    ASSERT_TRUE(result.scenario) << shown(result);
    const hardware::Machine machine(machineSpec(result.scenario->nodes[0]), *result.scenario->catalogue);
    ASSERT_EQ(machine.numaNodes().size(), 2U);
    EXPECT_EQ(machine.numaNodes()[1].cpus, "16-31");
    const auto& nic = *machine.nics()[0];
    EXPECT_EQ(nic.pci.totalVfs, 8U);
    EXPECT_EQ(nic.pci.numaNode, 1) << "that of the switch";
    EXPECT_FALSE(nic.pci.iommuGroup);
    EXPECT_EQ(nic.rdma->nodeGuid, 0xb8cef60300aabbccU);
    EXPECT_EQ(nic.rdma->name, "rocep25s0");
    EXPECT_FALSE(machine.nics()[1]->rdma);
    ASSERT_EQ(machine.plainFunctions().size(), 2U);
    EXPECT_EQ(machine.plainFunctions()[0]->pci.bridges.at(1), nic.pci.bridges.at(1));
    EXPECT_EQ(machine.plainFunctions()[1]->pci.device, 0x74a1);
    EXPECT_EQ(machine.plainFunctions()[1]->pci.driver, "amdgpu");
    EXPECT_EQ(machine.plainFunctions()[1]->pci.classCode, 0x120000U);
}

TEST_F(MachineOfScenario, MayHaveVfsFromBootOn) {
    const auto result = load(node("      nics: [{model: ConnectX-7, pci: \"0000:19:00.0\", totalVfs: 8, numVfs: 2}]\n"));
    ASSERT_TRUE(result.scenario) << shown(result);
    const hardware::Machine machine(machineSpec(result.scenario->nodes[0]));
    ASSERT_EQ(machine.nics().size(), 3U);
    EXPECT_EQ(machine.nics()[2]->pci.address.str(), "0000:19:00.2");
}

TEST_F(MachineOfScenario, KnowsModelsOfTheUser) {
    folder_.write("nics/toy.yaml", toy);
    const auto result = load(node("      nics: [{model: toy, pci: \"0000:19:00.0\"}]\n", "  nicModels: [nics/toy.yaml]\n"));
    ASSERT_TRUE(result.scenario) << shown(result);
    EXPECT_EQ(result.scenario->catalogue->model("Toy")->driver, "toy");
    EXPECT_EQ(result.scenario->catalogue->model("cx5")->name, "ConnectX-5");
    const auto without = load(node("      nics: [{model: toy, pci: \"0000:19:00.0\"}]\n"));
    EXPECT_THAT(shown(without), HasSubstr("scenario.yaml:7:22: error: unknown NIC model 'toy'"));
}

struct Wrong {
    std::string name, text, expected;
};

class WrongMachine : public MachineOfScenario, public testing::WithParamInterface<Wrong> {};

TEST_P(WrongMachine, IsExplainedWhereItIs) {
    folder_.write("broken.yaml", "name: Toy\npci: {vendor: 15b}\n");
    const auto result = load(GetParam().text);
    EXPECT_FALSE(result.scenario);
    EXPECT_EQ(shown(result).substr(0, GetParam().expected.size()), GetParam().expected);
}

const std::string fine = "      nics: [{model: ConnectX-7, pci: \"0000:19:00.0\"}]\n";

INSTANTIATE_TEST_SUITE_P(
    All, WrongMachine,
    testing::Values(
        Wrong{"NicModelFile", node(fine, "  nicModels: [broken.yaml]\n"),
              "broken.yaml:2:15: error: this is no NIC model: 'vendor' must be 4 hexadecimal digits, found '15b'"},
        Wrong{"NicModelNotThere", node(fine, "  nicModels: [nothing.yaml]\n"), "scenario.yaml:10:15: error: "},
        Wrong{"GpuOnANic", node(fine + "      gpus:\n        - {model: H100, pci: \"0000:19:00.0\"}\n"),
              "scenario.yaml:9:30: error: there is no such hardware: 0000:19:00.0 is taken by nics[0]"},
        Wrong{"UnknownGpu", node("      gpus: [{model: H10O, pci: \"0000:19:00.0\"}]\n"),
              "scenario.yaml:7:22: error: there is no such hardware: unknown GPU 'H10O', did you mean 'H100'?"},
        Wrong{"GpuVendor", node("      gpus: [{model: X, vendor: nvidia, device: \"2330\", pci: \"0000:19:00.0\"}]\n"),
              "scenario.yaml:7:33: error: spec.nodes[0].gpus[0].vendor must be four hexadecimal digits"},
        Wrong{"GpuNuma", node("      numa: [{id: 0}]\n      gpus: [{model: H100, pci: \"0000:19:00.0\", numa: 1}]\n"),
              "scenario.yaml:8:55: error: there is no such hardware: the machine has no NUMA node 1"},
        Wrong{"NumaTwice", node("      numa: [{id: 0}, {id: 0}]\n"),
              "scenario.yaml:7:28: error: there is no such hardware: 0 is negative or taken"},
        Wrong{"NumaCpus", node("      numa: [{id: 0, cpus: 3-}]\n"),
              "scenario.yaml:7:28: error: spec.nodes[0].numa[0].cpus must be a list of CPUs"},
        Wrong{"TooManyVfs", node("      nics: [{model: ConnectX-7, pci: \"0000:19:00.0\", totalVfs: 4, numVfs: 5}]\n"),
              "scenario.yaml:7:76: error: there is no such hardware: 5 VFs are more than its firmware offers: 4"},
        Wrong{"VfsBehindTheLastBus", node("      nics: [{model: ConnectX-7, pci: \"0000:ff:00.0\", totalVfs: 300}]\n"),
              "scenario.yaml:7:65: error: there is no such hardware: 300 VFs of 0000:ff:00.0 would reach beyond bus ff"},
        Wrong{"NoSriov", node("      nics: [{model: virtio-net, pci: \"0000:00:03.0\", numVfs: 1}]\n"),
              "scenario.yaml:7:63: error: there is no such hardware: virtio-net has no SR-IOV"},
        Wrong{"SwitchWithoutRoom", node("      nics: [{model: ConnectX-7, pci: \"0000:02:00.0\", pcieSwitch: a}]\n"),
              "scenario.yaml:7:67: error: there is no such hardware: no room for switch 'a'"},
        Wrong{"Guid", node("      nics: [{model: ConnectX-7, pci: \"0000:19:00.0\", nodeGuid: b8ce}]\n"),
              "scenario.yaml:7:65: error: spec.nodes[0].nics[0].nodeGuid must be a GUID"},
        Wrong{"RdmaOffButNamed",
              node("      nics: [{model: ConnectX-7, pci: \"0000:19:00.0\", rdmaEnabled: false, rdma: mlx5_0}]\n"),
              "scenario.yaml:7:81: error: there is no such hardware: RDMA is switched off"},
        Wrong{"CharDeviceTwice", node("      nics: [{model: ConnectX-7, pci: \"0000:19:00.0\", charDevices: [umad, umad]}]\n"),
              "scenario.yaml:7:75: error: there is no such hardware: 'umad' is there twice"},
        Wrong{"Naming", node("      rdma: {naming: Udev}\n"),
              "scenario.yaml:7:22: error: unknown value for spec.nodes[0].rdma.naming"}),
    [](const auto& one) { return one.param.name; });

} // namespace
} // namespace rdmalab::scenario
