// What every VfKernel must do on links that are no PF, whatever is behind it. A World gives one namespace:
//   struct World {
//       static std::string unavailable(); // why it cannot run here; empty if it can
//       Kernel& host(); VfKernel& vfs();
//   };
#pragma once

#include "plugins/kernel/kernel_conformance.h"
#include "plugins/kernel/vf_kernel.h"

namespace rdmalab::plugin {

template <typename World>
class VfKernelConformance : public testing::Test {
protected:
    void SetUp() override {
        if (const std::string reason = World::unavailable(); !reason.empty())
            GTEST_SKIP() << "SKIPPED: " << reason;
        world = std::make_unique<World>();
        world->host().addVeth({.name = "nic0", .mac = "", .peerName = "far0", .peerMac = "", .mtu = 0}, world->host());
        index = world->host().linkByName("nic0")->index;
    }
    std::unique_ptr<World> world;
    int index = 0;
};
TYPED_TEST_SUITE_P(VfKernelConformance);

TYPED_TEST_P(VfKernelConformance, ALinkWithoutVfsHasNone) {
    EXPECT_TRUE(this->world->vfs().vfs(this->index).empty());
}

TYPED_TEST_P(VfKernelConformance, ALinkWithoutVfsRefusesEverySetting) {
    auto& vfs = this->world->vfs();
    const int pf = this->index;
    EXPECT_EQ(refusal([&] { vfs.setVfMac(pf, 0, "02:00:00:00:00:01"); }), EOPNOTSUPP);
    EXPECT_EQ(refusalText([&] { vfs.setVfMac(pf, 0, "02:00:00:00:00:01"); }), "operation not supported");
    EXPECT_EQ(refusal([&] { vfs.setVfVlan(pf, 0, 100, 0, 0x8100); }), EOPNOTSUPP);
    EXPECT_EQ(refusal([&] { vfs.setVfRate(pf, 0, 0, 100); }), EOPNOTSUPP);
    EXPECT_EQ(refusal([&] { vfs.setVfSpoofCheck(pf, 0, true); }), EOPNOTSUPP);
    EXPECT_EQ(refusal([&] { vfs.setVfTrust(pf, 0, true); }), EOPNOTSUPP);
    EXPECT_EQ(refusal([&] { vfs.setVfLinkState(pf, 0, VfLinkState::enable); }), EOPNOTSUPP);
    EXPECT_EQ(refusal([&] { vfs.setVfNodeGuid(pf, 0, 1); }), EOPNOTSUPP);
    EXPECT_EQ(refusal([&] { vfs.setVfPortGuid(pf, 0, 1); }), EOPNOTSUPP);
}

TYPED_TEST_P(VfKernelConformance, AnUnknownLinkIsNoDevice) {
    EXPECT_EQ(refusal([&] { this->world->vfs().vfs(this->index + 1000); }), ENODEV);
    EXPECT_EQ(refusal([&] { this->world->vfs().setVfTrust(this->index + 1000, 0, true); }), ENODEV);
}

REGISTER_TYPED_TEST_SUITE_P(VfKernelConformance, ALinkWithoutVfsHasNone, ALinkWithoutVfsRefusesEverySetting,
                            AnUnknownLinkIsNoDevice);

} // namespace rdmalab::plugin
