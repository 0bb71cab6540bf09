#include "sim/hardware/cpu_list.h"
#include "sim/hardware/naming.h"
#include "sim/hardware/pci_address.h"

#include <gmock/gmock.h>

namespace rdmalab::hardware {
namespace {

TEST(PciAddress, ReadsBothNotations) {
    EXPECT_EQ(PciAddress::parse("0000:af:00.1")->str(), "0000:af:00.1");
    EXPECT_EQ(PciAddress::parse("AF:1f.7")->str(), "0000:af:1f.7");
    EXPECT_EQ(PciAddress::parse("10de:01:02.3")->domain, 0x10de);
}

TEST(PciAddress, RefusesWhatCannotBe) {
    for (const char* text :
         {"", "af:00", "af:00.", "af:00.8", "af:20.0", "000:af:00.0", "0000:af:00.0 ", "0000-af:00.0", "zz:00.0"})
        EXPECT_FALSE(PciAddress::parse(text)) << text;
}

TEST(PciAddress, RoutingIdsCarryIntoTheBus) {
    const auto address = *PciAddress::parse("af:1f.7");
    EXPECT_EQ(PciAddress::fromRoutingId(0, address.routingId() + 1).str(), "0000:b0:00.0");
    EXPECT_EQ(PciAddress::fromRoutingId(0, address.routingId()), address);
}

TEST(CpuList, ReadsAndWrites) {
    EXPECT_EQ(cpuListText(*parseCpuList("0-3,8,9,40")), "0-3,8-9,40");
    EXPECT_EQ(cpuMaskText(*parseCpuList("0-1")), "3");
    EXPECT_EQ(cpuMaskText(*parseCpuList("0,33")), "2,00000001");
    EXPECT_EQ(cpuMaskText(*parseCpuList("")), "0");
    for (const char* text : {"-", "1-", "3-1", "1,", ",1", "a", "0-99999"})
        EXPECT_FALSE(parseCpuList(text)) << text;
}

TEST(Naming, DropsThePortNameThatDoesNotFit) {
    // 15 characters are what the kernel takes; udev leaves the suffix out then.
    EXPECT_EQ(predictableNetdevName(*PciAddress::parse("0000:af:00.1"), true, LinkLayer::ethernet, std::nullopt, "p1"),
              "enp175s0f1np1");
    EXPECT_EQ(predictableNetdevName(*PciAddress::parse("10de:af:1f.1"), true, LinkLayer::ethernet, std::nullopt, "p1"),
              "enP4318p175s31f1");
}

TEST(Naming, SuggestsOnlyWhatIsClose) {
    EXPECT_EQ(closest("umadd", {"uverbs", "umad"}), "umad");
    EXPECT_EQ(closest("zzzzzzzz", {"uverbs", "umad"}), std::nullopt);
}

TEST(Naming, NormalisesMacs) {
    EXPECT_EQ(normalMac("B8:CE:F6:00:00:01", 6), "b8:ce:f6:00:00:01");
    for (const char* text : {"", "b8-ce-f6-00-00-01", "b8:ce:f6:00:00", "b8:ce:f6:00:00:0g", "b8:ce:f6:00:00:01:"})
        EXPECT_FALSE(normalMac(text, 6)) << text;
}

} // namespace
} // namespace rdmalab::hardware
