#include "harness/components/component.h"

#include <gtest/gtest.h>

namespace rdmalab::harness {
namespace {

TEST(Component, IsKnownByRepositoryWhateverRegistryAndTag) {
    EXPECT_EQ(componentOf("ghcr.io/mellanox/k8s-rdma-shared-dev-plugin:v1.5.3"), Component::rdmaSharedDevicePlugin);
    EXPECT_EQ(componentOf("mirror.example:5000/x/spiderpool-agent@sha256:00"), Component::spiderpoolAgent);
    EXPECT_EQ(componentOf("docker.io/mellanox/rping-test"), Component::none);
    EXPECT_EQ(componentOf("my-spiderpool-agent"), Component::none);
}

TEST(Component, InitIsAnotherProgramOfTheControllersImage) {
    EXPECT_EQ(componentOf("ghcr.io/spidernet-io/spiderpool/spiderpool-controller:v0.8.2", "/usr/bin/spiderpool-init"),
              Component::spiderpoolInit);
    EXPECT_EQ(componentOf("ghcr.io/spidernet-io/spiderpool/spiderpool-controller:v0.8.2", "/usr/bin/spiderpool-controller"),
              Component::spiderpoolController);
}

TEST(Component, TagIsNotTheRegistrysPort) {
    EXPECT_EQ(tagOf("mirror.example:5000/x/multus-cni"), "latest");
    EXPECT_EQ(tagOf("mirror.example:5000/x/multus-cni:v4.1.4@sha256:00"), "v4.1.4");
}

TEST(Component, LatestSharedPluginDependsOnTheChartsDays) {
    EXPECT_EQ(sharedPluginRelease("ghcr.io/mellanox/k8s-rdma-shared-dev-plugin:latest", "0.8"), "v1.5.1");
    EXPECT_EQ(sharedPluginRelease("ghcr.io/mellanox/k8s-rdma-shared-dev-plugin:latest", "1.2"), "latest");
    EXPECT_EQ(sharedPluginRelease("ghcr.io/mellanox/k8s-rdma-shared-dev-plugin:v1.5.3", "0.8"), "v1.5.3");
}

} // namespace
} // namespace rdmalab::harness
