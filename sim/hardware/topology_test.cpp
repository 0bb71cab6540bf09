#include "sim/hardware/topology.h"

#include "sim/hardware/catalogue.h"
#include "sim/hardware/gpu_models.h"
#include "sim/hardware/hardware_error.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <random>
#include <set>

namespace rdmalab::hardware {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

NicSpec nic(const std::string& model, const std::string& pci, std::optional<std::string> pcieSwitch = std::nullopt) {
    NicSpec spec;
    spec.model = model;
    spec.pci = pci;
    spec.pcieSwitch = std::move(pcieSwitch);
    return spec;
}

PlainSpec gpu(const std::string& model, const std::string& pci, std::optional<std::string> pcieSwitch = std::nullopt) {
    PlainSpec spec;
    spec.model = model;
    spec.pci = pci;
    spec.pcieSwitch = std::move(pcieSwitch);
    return spec;
}

MachineSpec machine(std::vector<NicSpec> nics, std::vector<PlainSpec> gpus = {}) {
    MachineSpec spec;
    spec.name = "m";
    spec.nics = std::move(nics);
    spec.gpus = std::move(gpus);
    return spec;
}

// "3a:00.0[3b-3c] 3b:00.0[...]": address, secondary and subordinate bus.
std::string text(const std::vector<Bridge>& bridges) {
    std::string out;
    for (const Bridge& one : bridges)
        out += fmt::format("{}{}[{:02x}-{:02x}]", out.empty() ? "" : " ", one.address.str().substr(5), one.secondaryBus,
                           one.subordinateBus);
    return out;
}

std::string chain(const PciFunction& pci) {
    std::string out = fmt::format("pci{:02x}", pci.rootBus);
    for (const PciAddress& above : pci.bridges)
        out += "/" + above.str().substr(5);
    return out;
}

// What holds on every machine that firmware could have set up.
void expectSound(const Machine& m) {
    std::map<PciAddress, const Bridge*> bridges;
    std::set<PciAddress> addresses;
    std::map<unsigned, std::set<unsigned>> roots; // of each domain
    const auto key = [](const PciAddress& a) { return unsigned(a.domain); };
    for (const Bridge& one : m.bridges()) {
        EXPECT_TRUE(addresses.insert(one.address).second) << one.address.str();
        EXPECT_LT(one.address.bus, one.secondaryBus);
        EXPECT_LE(one.secondaryBus, one.subordinateBus);
        EXPECT_FALSE(one.address.bus == 0 && one.address.device == 0) << "the host bridge's place";
        if (one.bridges.empty()) {
            EXPECT_EQ(one.address.bus, one.rootBus);
            EXPECT_EQ(one.kind, Bridge::Kind::rootPort);
        } else {
            ASSERT_TRUE(bridges.count(one.bridges.back())) << "a parent comes first";
            const Bridge& parent = *bridges[one.bridges.back()];
            EXPECT_EQ(one.address.bus, parent.secondaryBus);
            EXPECT_LE(one.subordinateBus, parent.subordinateBus);
            EXPECT_EQ(one.rootBus, parent.rootBus);
            EXPECT_EQ(one.numaNode, parent.numaNode);
        }
        for (const auto& [address, other] : bridges) {
            const bool siblings = address.domain == one.address.domain && other->bridges == one.bridges &&
                                  (!one.bridges.empty() || other->rootBus == one.rootBus);
            if (siblings) {
                EXPECT_TRUE(other->subordinateBus < one.secondaryBus || one.subordinateBus < other->secondaryBus)
                    << address.str() << " and " << one.address.str() << " overlap";
            }
        }
        bridges[one.address] = &one;
        roots[key(one.address)].insert(one.rootBus);
    }
    const auto function = [&](const PciFunction& pci) {
        EXPECT_TRUE(addresses.insert(pci.address).second) << pci.address.str();
        roots[key(pci.address)].insert(pci.rootBus);
        if (pci.bridges.empty()) {
            EXPECT_EQ(pci.address.bus, pci.rootBus);
            return;
        }
        EXPECT_EQ(pci.bridges.front().bus, pci.rootBus);
        ASSERT_TRUE(bridges.count(pci.bridges.back()));
        EXPECT_EQ(bridges[pci.bridges.back()]->secondaryBus, pci.address.bus);
    };
    for (const auto& one : m.nics())
        if (!one->pci.isVf())
            function(one->pci);
    for (const auto& one : m.plainFunctions())
        function(one->pci);
    // A host bridge has the buses up to the next one: none of them may be in the middle of another's range.
    for (const Bridge& one : m.bridges())
        for (const unsigned root : roots[key(one.address)])
            EXPECT_FALSE(one.rootBus < root && root <= one.subordinateBus) << root << " in " << one.address.str();
}

TEST(Topology, GivesEveryBusARootPort) {
    const Machine m(machine({nic("ConnectX-5", "0000:af:00.0"), nic("ConnectX-5", "0000:af:00.1"),
                             nic("ConnectX-7", "0000:3b:00.0"), nic("ConnectX-7", "0000:3c:00.0")}));
    EXPECT_EQ(text(m.bridges()), "3a:00.0[3b-3b] 3a:01.0[3c-3c] ae:00.0[af-af]");
    EXPECT_EQ(m.bridges()[0].vendor, 0x8086);
    EXPECT_EQ(m.bridges()[0].device, 0x2030);
    EXPECT_EQ(m.bridges()[0].pcie->speed, "32.0 GT/s PCIe");
    expectSound(m);
}

TEST(Topology, CardsOnBus0AndConventionalOnesHaveNoPort) {
    const Machine m(machine({nic("virtio-net", "0000:00:03.0"), nic("virtio-net", "0000:05:01.0"),
                             nic("ConnectX-5", "0000:00:05.0"), nic("ConnectX-5", "0000:06:00.0")}));
    EXPECT_EQ(chain(m.nics()[0]->pci), "pci00");
    EXPECT_EQ(chain(m.nics()[1]->pci), "pci00");
    EXPECT_EQ(chain(m.nics()[2]->pci), "pci05");
    EXPECT_EQ(chain(m.nics()[3]->pci), "pci05/05:00.0");
    expectSound(m);
}

TEST(Topology, PutsCardsBelowTheirSwitch) {
    const Machine m(machine({nic("ConnectX-7", "0000:18:00.0", "a"), nic("ConnectX-7", "0000:2a:00.0")},
                            {gpu("H100", "0000:19:00.0", "a"), gpu("H100", "0000:1b:00.0", "a")}));
    EXPECT_EQ(text(m.bridges()), "15:00.0[16-1b] 16:00.0[17-1b] 17:00.0[18-18] 17:01.0[19-19] 17:02.0[1b-1b] 29:00.0[2a-2a]");
    EXPECT_EQ(chain(m.nics()[0]->pci), "pci15/15:00.0/16:00.0/17:00.0");
    EXPECT_EQ(chain(m.plainFunctions()[1]->pci), "pci15/15:00.0/16:00.0/17:02.0");
    EXPECT_EQ(chain(m.nics()[1]->pci), "pci29/29:00.0");
    EXPECT_EQ(m.bridges()[1].kind, Bridge::Kind::upstreamPort);
    EXPECT_EQ(m.bridges()[2].kind, Bridge::Kind::downstreamPort);
    EXPECT_EQ(m.bridges()[1].vendor, 0x1000);
    expectSound(m);
}

TEST(Topology, OneNumaNodeForAllThatASwitchCarries) {
    MachineSpec spec = machine({nic("ConnectX-7", "0000:18:00.0", "a")}, {gpu("H100", "0000:19:00.0", "a")});
    spec.numa = {{0, "0-3"}, {1, "4-7"}};
    spec.gpus[0].numa = 1;
    const Machine m(spec);
    EXPECT_EQ(m.nics()[0]->pci.numaNode, 1);
    EXPECT_EQ(m.bridges()[0].numaNode, 1);
    expectSound(m);
}

TEST(Topology, LeavesRoomForTheVfsThatAreAskedFor) {
    MachineSpec spec = machine({nic("ConnectX-7", "0000:3b:00.0"), nic("ConnectX-7", "0000:3e:00.0")});
    spec.nics[0].totalVfs = 600; // routing ids 3b01 to 3d58
    const Machine m(spec);
    EXPECT_EQ(text(m.bridges()), "3a:00.0[3b-3d] 3a:01.0[3e-3e]");
    expectSound(m);
    spec.nics[0].pcieSwitch = spec.nics[1].pcieSwitch = "a";
    const Machine below(spec);
    EXPECT_EQ(text(below.bridges()), "38:00.0[39-3e] 39:00.0[3a-3e] 3a:00.0[3b-3d] 3a:01.0[3e-3e]");
    expectSound(below);
}

TEST(Topology, LeavesRoomForOtherVfsAsFarAsThereIsAny) {
    // Two ports with 128 VFs each need a second bus.
    const std::vector<NicSpec> card = {nic("E810", "0000:18:00.0"), nic("E810", "0000:18:00.1")};
    EXPECT_EQ(text(Machine(machine(card)).bridges()), "17:00.0[18-19]");
    std::vector<NicSpec> next = card;
    next.push_back(nic("ConnectX-7", "0000:19:00.0"));
    EXPECT_EQ(text(Machine(machine(next)).bridges()), "17:00.0[18-18] 17:01.0[19-19]");
    next.back().pci = "0000:1a:00.0";
    EXPECT_EQ(text(Machine(machine(next)).bridges()), "17:00.0[18-19] 17:01.0[1a-1a]");
    // At the very end of a domain there is none.
    EXPECT_EQ(text(Machine(machine({nic("E810", "0000:ff:00.0"), nic("E810", "0000:ff:00.1")})).bridges()), "fe:00.0[ff-ff]");
}

TEST(Topology, VfsOfDifferentPortsFollowEachOther) {
    MachineSpec spec = machine({nic("ConnectX-6", "0000:3b:00.0"), nic("ConnectX-6", "0000:3b:00.1")});
    spec.nics[0].totalVfs = 8;
    spec.nics[1].totalVfs = 4;
    const Machine m(spec);
    EXPECT_EQ(m.nics()[0]->pci.vfOffset, 2U);
    EXPECT_EQ(m.nics()[1]->pci.vfOffset, 9U); // from 00.1: 01.2
    EXPECT_EQ(m.nics()[0]->pci.vfLimit, 8U);
}

TEST(Topology, DomainsAreApart) {
    const Machine m(machine({nic("ConnectX-7", "0000:3b:00.0"), nic("ConnectX-7", "0001:3b:00.0")}));
    ASSERT_THAT(m.bridges(), SizeIs(2));
    EXPECT_EQ(m.bridges()[1].address.str(), "0001:3a:00.0");
    expectSound(m);
}

TEST(Topology, EveryFunctionHasAnIommuGroupOrNone) {
    MachineSpec spec =
        machine({nic("ConnectX-7", "0000:3b:00.0"), nic("ConnectX-7", "0000:5e:00.0")}, {gpu("A100", "0000:4c:00.0")});
    const Machine m(spec);
    EXPECT_EQ(m.nics()[0]->pci.iommuGroup, 0U);
    EXPECT_EQ(m.plainFunctions()[0]->pci.iommuGroup, 1U);
    EXPECT_EQ(m.nics()[1]->pci.iommuGroup, 2U);
    spec.iommu = false;
    EXPECT_FALSE(Machine(spec).nics()[0]->pci.iommuGroup);
}

TEST(Gpus, AreKnownByName) {
    const Machine m(machine({}, {gpu("h100", "0000:19:00.0")}));
    const PlainFunction& one = *m.plainFunctions().at(0);
    EXPECT_EQ(one.model, "H100");
    EXPECT_EQ(one.pci.vendor, 0x10de);
    EXPECT_EQ(one.pci.device, 0x2330);
    EXPECT_EQ(one.pci.classCode, 0x030200U);
    EXPECT_EQ(one.pci.driver, "nvidia");
    EXPECT_EQ(one.pcie->width, 16);
    EXPECT_FALSE(one.bars.empty());
}

TEST(Gpus, MayBeAnythingThatTellsItsIds) {
    PlainSpec spec = gpu("MI300X", "0000:19:00.0");
    spec.vendor = 0x1002;
    spec.device = 0x74a1;
    spec.classCode = 0x120000;
    const Machine m(machine({}, {spec}));
    EXPECT_EQ(m.plainFunctions()[0]->pci.device, 0x74a1);
    EXPECT_EQ(m.plainFunctions()[0]->pci.classCode, 0x120000U);
    EXPECT_EQ(m.plainFunctions()[0]->pci.driver, "");
    spec.driver = "amdgpu";
    EXPECT_EQ(Machine(machine({}, {spec})).plainFunctions()[0]->pci.driver, "amdgpu");
}

struct Impossible {
    std::string name;
    MachineSpec spec;
    std::string field, message;
};

class TopologyImpossible : public ::testing::TestWithParam<Impossible> {};

TEST_P(TopologyImpossible, IsRefusedWhereItIsSaid) {
    try {
        const Machine m(GetParam().spec);
        ADD_FAILURE() << "accepted: " << text(m.bridges());
    } catch (const HardwareError& error) {
        EXPECT_EQ(error.field(), GetParam().field);
        EXPECT_THAT(error.message(), HasSubstr(GetParam().message));
    }
}

MachineSpec with(MachineSpec spec, const std::function<void(MachineSpec&)>& change) {
    change(spec);
    return spec;
}

INSTANTIATE_TEST_SUITE_P(
    All, TopologyImpossible,
    ::testing::Values(
        Impossible{"GpuOnANic", machine({nic("ConnectX-7", "0000:3b:00.0")}, {gpu("A100", "0000:3b:00.0")}), "gpus[0].pci",
                   "0000:3b:00.0 is taken by nics[0]"},
        Impossible{"GpuInANicsCard", machine({nic("ConnectX-7", "0000:3b:00.0")}, {gpu("A100", "0000:3b:00.1")}), "gpus[0].pci",
                   "would be a function of nics[0]'s card"},
        Impossible{"GpuTwice", machine({}, {gpu("A100", "0000:3b:00.0"), gpu("A100", "3b:00.0")}), "gpus[1].pci",
                   "taken by gpus[0]"},
        Impossible{"GpuNowhere", machine({}, {gpu("A100", "0000:3b:20.0")}), "gpus[0].pci", "is no PCI address"},
        Impossible{"UnknownGpu", machine({}, {gpu("H10O", "0000:3b:00.0")}), "gpus[0].model", "did you mean 'H100'?"},
        Impossible{"GpuNuma", with(machine({}, {gpu("A100", "0000:3b:00.0")}), [](auto& s) { s.gpus[0].numa = 2; }),
                   "gpus[0].numa", "no NUMA node 2"},
        Impossible{"VfsBeyondTheLastBus",
                   with(machine({nic("ConnectX-7", "0000:ff:00.0")}), [](auto& s) { s.nics[0].totalVfs = 256; }),
                   "nics[0].totalVfs", "beyond bus ff: there is room for 255"},
        Impossible{"VfsOnTheNextCardsBus",
                   with(machine({nic("ConnectX-7", "0000:3b:00.0"), nic("ConnectX-7", "0000:3c:00.0")}),
                        [](auto& s) { s.nics[0].totalVfs = 300; }),
                   "nics[0].totalVfs", "VF 255 of 0000:3b:00.0 would be on bus 0000:3c, where nics[1] is"},
        Impossible{"VfOnAnotherCard",
                   with(machine({nic("ConnectX-7", "0000:3b:00.0"), nic("ConnectX-7", "0000:3b:01.0")}),
                        [](auto& s) { s.nics[0].totalVfs = 8; }),
                   "nics[0].totalVfs", "would have the address 0000:3b:01.0 of nics[1]"},
        Impossible{"NumVfsOverTotal",
                   with(machine({nic("ConnectX-7", "0000:3b:00.0")}),
                        [](auto& s) {
                            s.nics[0].totalVfs = 4;
                            s.nics[0].numVfs = 5;
                        }),
                   "nics[0].numVfs", "more than its firmware offers: 4"},
        Impossible{"NumVfsWithoutSriov",
                   with(machine({nic("virtio-net", "0000:00:03.0")}), [](auto& s) { s.nics[0].numVfs = 1; }), "nics[0].numVfs",
                   "has no SR-IOV"},
        Impossible{"SwitchTooLow", machine({nic("ConnectX-7", "0000:02:00.0", "a")}), "nics[0].pcieSwitch",
                   "must be on bus 03 or higher"},
        Impossible{"SwitchWithoutRoom", machine({nic("ConnectX-7", "0000:3b:00.0", "a"), nic("ConnectX-7", "0000:3a:00.0")}),
                   "nics[0].pcieSwitch", "needs the two buses below 0000:3b, and nics[1] is on 0000:3a"},
        Impossible{"SwitchAroundAnother",
                   machine({nic("ConnectX-7", "0000:3b:00.0", "a"), nic("ConnectX-7", "0000:3d:00.0", "a")},
                           {gpu("A100", "0000:3c:00.0")}),
                   "nics[0].pcieSwitch", "bus 0000:3c with gpus[0] lies between"},
        Impossible{"SwitchOnBus0", machine({nic("ConnectX-7", "0000:00:03.0", "a")}), "nics[0].pcieSwitch", "root complex"},
        Impossible{"SwitchForVirtio", machine({nic("virtio-net", "0000:05:00.0", "a")}), "nics[0].pcieSwitch",
                   "no PCI Express device"},
        Impossible{"SwitchInTwoDomains",
                   machine({nic("ConnectX-7", "0000:3b:00.0", "a"), nic("ConnectX-7", "0001:3b:00.0", "a")}),
                   "nics[1].pcieSwitch", "is in PCI domain 0000"},
        Impossible{"HalfACardBelowASwitch", machine({nic("ConnectX-6", "0000:3b:00.0", "a"), nic("ConnectX-6", "0000:3b:00.1")}),
                   "nics[1].pcieSwitch", "shares bus 0000:3b with nics[0], which is below 'a'"},
        Impossible{"SwitchOnTwoNumaNodes",
                   with(machine({nic("ConnectX-7", "0000:3b:00.0", "a")}, {gpu("A100", "0000:3c:00.0", "a")}),
                        [](auto& s) {
                            s.numa = {{0, ""}, {1, ""}};
                            s.nics[0].numa = 0;
                            s.gpus[0].numa = 1;
                        }),
                   "gpus[0].numa", "switch 'a' is on NUMA node 0, as nics[0] says"}),
    [](const auto& one) { return one.param.name; });

TEST(Topology, RefusesVfsOnTheAddressesOfOtherVfs) {
    Catalogue catalogue = Catalogue::builtIn();
    catalogue.loadText(R"(name: Toy
pci: {vendor: 15b3, device: "1017", subsystemVendor: 15b3, subsystemDevice: "0001", class: "020000", revision: "00",
      functions: 1, link: {speed: 8.0 GT/s PCIe, width: 8}}
driver: toy
macPrefix: "02:00:00"
sriov: {totalVfs: 8, vfDevice: "1018", offset: 1, stride: 2, driver: toy}
)",
                       "toy.yaml");
    MachineSpec spec = machine({nic("Toy", "0000:3b:00.0"), nic("ConnectX-7", "0000:3b:01.0")}); // VFs 1, 3, ..., and 9, 10, ...
    spec.nics[0].totalVfs = spec.nics[1].totalVfs = 4;
    EXPECT_EQ(Machine(spec, catalogue).nics()[0]->pci.vfStride, 2U);
    spec.nics[0].totalVfs = 5;
    try {
        const Machine m(spec, catalogue);
        ADD_FAILURE() << "accepted";
    } catch (const HardwareError& error) {
        EXPECT_EQ(error.field(), "nics[0].totalVfs");
        EXPECT_EQ(error.message(), "VF 4 of 0000:3b:00.0 would have an address of the VFs of nics[1]");
    }
}

// Whatever is asked for, it is refused with a field or it is sound.
TEST(Topology, HoldsForMachinesAtRandom) {
    std::mt19937 random(7);
    const auto pick = [&](unsigned below) { return static_cast<unsigned>(random() % below); };
    const std::vector<std::string> models = {"ConnectX-7", "ConnectX-6", "E810", "virtio-net"};
    unsigned built = 0;
    for (int round = 0; round < 3000; ++round) {
        MachineSpec spec = machine({});
        const unsigned lowest = pick(4) == 0 ? 0 : 0xe0, span = 2 + pick(31);
        const auto place = [&] {
            return fmt::format("0000:{:02x}:{:02x}.{}", lowest + pick(span), pick(8) == 0 ? 1 + pick(3) : 0, pick(2));
        };
        const auto pcieSwitch = [&] {
            const unsigned which = pick(6);
            return which < 2 ? std::optional<std::string>(which == 0 ? "a" : "b") : std::nullopt;
        };
        for (unsigned i = 0; i <= pick(5); ++i) {
            spec.nics.push_back(nic(models[pick(4)], place(), pcieSwitch()));
            if (pick(3) == 0 && spec.nics.back().model != "virtio-net")
                spec.nics.back().totalVfs = pick(700);
        }
        for (unsigned i = 0; i < pick(3); ++i)
            spec.gpus.push_back(gpu("A100", place(), pcieSwitch()));
        try {
            const Machine m(spec);
            expectSound(m);
            ++built;
        } catch (const HardwareError& error) {
            EXPECT_THAT(error.field(), ::testing::MatchesRegex("(nics|gpus)\\[[0-9]\\]\\.[a-zA-Z]+"));
        }
        if (HasFailure())
            break;
    }
    EXPECT_GT(built, 500U);
}

} // namespace
} // namespace rdmalab::hardware
