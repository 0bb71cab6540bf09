#include "sim/fabric/fabric.h"

#include <gtest/gtest.h>

namespace rdmalab::fabric {
namespace {

class FabricTest : public testing::Test {
protected:
    FabricTest() {
        fabric.addSwitch("tor0");
        fabric.addSwitch("tor1");
    }
    Fabric fabric;
};

TEST_F(FabricTest, PortsOfOneSwitchReachEachOther) {
    const PortId a = fabric.addPort("tor0"), b = fabric.addPort("tor0"), c = fabric.addPort("tor1");
    EXPECT_TRUE(fabric.connected(a, b));
    EXPECT_FALSE(fabric.connected(a, a));
    EXPECT_FALSE(fabric.connected(a, c));
    EXPECT_EQ(fabric.brokenLink(a, c), "switches tor0 and tor1 are not joined");
}

TEST_F(FabricTest, TrunksJoinSwitchesAlsoOverAThirdOne) {
    fabric.addSwitch("spine");
    const PortId a = fabric.addPort("tor0"), b = fabric.addPort("tor1");
    fabric.addTrunk("tor0", "spine");
    fabric.addTrunk("spine", "tor1");
    EXPECT_TRUE(fabric.connected(a, b));
    fabric.setSwitch("spine", false);
    EXPECT_TRUE(fabric.carrier(a));
    EXPECT_FALSE(fabric.connected(a, b));
    fabric.setSwitch("spine", true);
    fabric.setTrunk("tor1", "spine", false);
    EXPECT_FALSE(fabric.connected(b, a));
}

TEST_F(FabricTest, VlansSeparatePortsOfOneSwitch) {
    const PortId a = fabric.addPort("tor0", 10), b = fabric.addPort("tor0", 20);
    EXPECT_TRUE(fabric.carrier(a));
    EXPECT_EQ(fabric.brokenLink(a, b), "port 0 is in VLAN 10, port 1 in VLAN 20");
    fabric.setVlan(b, 10);
    EXPECT_TRUE(fabric.connected(a, b));
}

TEST_F(FabricTest, CarrierNeedsCableSwitchAndBothSides) {
    const PortId loose = fabric.addPort(""), port = fabric.addPort("tor0");
    EXPECT_FALSE(fabric.carrier(loose));
    fabric.moveCable(loose, "tor0");
    EXPECT_TRUE(fabric.connected(loose, port));
    fabric.setCable(port, false);
    EXPECT_EQ(fabric.noCarrierReason(port), "cable of port 1 is unplugged");
    fabric.setCable(port, true);
    fabric.setLink(port, false);
    EXPECT_EQ(fabric.brokenLink(loose, port), "switch tor0 has its side of port 1 down");
    fabric.setLink(port, true);
    fabric.setSwitch("tor0", false);
    EXPECT_FALSE(fabric.carrier(port));
}

TEST_F(FabricTest, APortBehindAnotherSharesItsCableButHasItsOwnVlan) {
    const PortId pf = fabric.addPort("tor0"), vf = fabric.addPortBehind(pf, 7), far = fabric.addPort("tor0", 7);
    EXPECT_TRUE(fabric.connected(vf, far));
    EXPECT_FALSE(fabric.connected(pf, far));
    fabric.setCable(pf, false);
    EXPECT_FALSE(fabric.carrier(vf));
    fabric.setCable(pf, true);
    fabric.setLink(vf, false);
    EXPECT_TRUE(fabric.carrier(pf));
    EXPECT_FALSE(fabric.carrier(vf));
    fabric.removePort(pf);
    EXPECT_THROW(fabric.carrier(vf), std::invalid_argument);
}

TEST_F(FabricTest, ObserversHearOfChanges) {
    const PortId port = fabric.addPort("tor0");
    int heard = 0;
    fabric.onChange([&] { ++heard; });
    fabric.setCable(port, false);
    fabric.setLink(port, false);
    EXPECT_EQ(heard, 2);
}

TEST_F(FabricTest, UnknownAndDuplicateNamesAreRefused) {
    EXPECT_THROW(fabric.addSwitch("tor0"), std::invalid_argument);
    EXPECT_THROW(fabric.addPort("tor9"), std::invalid_argument);
    EXPECT_THROW(fabric.carrier(PortId{5}), std::invalid_argument);
    EXPECT_THROW(fabric.setTrunk("tor0", "tor1", false), std::invalid_argument);
}

} // namespace
} // namespace rdmalab::fabric
