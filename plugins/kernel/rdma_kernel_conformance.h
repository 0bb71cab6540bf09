// What every RdmaKernel must do, whatever is behind it and whatever devices there are. A World gives:
//   struct World {
//       static std::string unavailable(); // why it cannot run here; empty if it can
//       RdmaKernel& host();               // of the machine's first namespace
//       Kernel& pod();                    // another namespace, which exists all the time
//   };
#pragma once

#include "plugins/kernel/kernel_conformance.h"
#include "plugins/kernel/rdma_kernel.h"

namespace rdmalab::plugin {

template <typename World>
class RdmaKernelConformance : public testing::Test {
protected:
    void SetUp() override {
        if (const std::string reason = World::unavailable(); !reason.empty())
            GTEST_SKIP() << "SKIPPED: " << reason;
        world = std::make_unique<World>();
    }
    static constexpr std::uint32_t unknown = 4000000;
    std::unique_ptr<World> world;
};
TYPED_TEST_SUITE_P(RdmaKernelConformance);

TYPED_TEST_P(RdmaKernelConformance, AnUnknownIndexIsInvalid) {
    auto& rdma = this->world->host();
    EXPECT_EQ(refusal([&] { rdma.renameDevice(this->unknown, "x"); }), EINVAL);
    EXPECT_EQ(refusal([&] { rdma.moveDevice(this->unknown, this->world->pod()); }), EINVAL);
    EXPECT_EQ(refusal([&] { rdma.ports(this->unknown); }), EINVAL);
    EXPECT_EQ(refusal([&] { rdma.charDevice("uverbs", this->unknown); }), EINVAL);
}

TYPED_TEST_P(RdmaKernelConformance, NoSuchCharacterDevice) {
    EXPECT_FALSE(this->world->host().charDevice("nonsense", std::nullopt));
    EXPECT_FALSE(this->world->host().charDevice("uverbs", std::nullopt));
}

TYPED_TEST_P(RdmaKernelConformance, ModeIsFixedWhileThereIsAnotherNamespace) {
    auto& rdma = this->world->host();
    const auto mode = rdma.netnsMode();
    rdma.setNetnsMode(mode);
    const auto other = mode == RdmaNetnsMode::shared ? RdmaNetnsMode::exclusive : RdmaNetnsMode::shared;
    EXPECT_EQ(refusal([&] { rdma.setNetnsMode(other); }), EBUSY);
    EXPECT_EQ(rdma.netnsMode(), mode);
}

REGISTER_TYPED_TEST_SUITE_P(RdmaKernelConformance, AnUnknownIndexIsInvalid, NoSuchCharacterDevice,
                            ModeIsFixedWhileThereIsAnotherNamespace);

} // namespace rdmalab::plugin
