// The images that rdmalab brings itself: the components of the charts it can install. Any other image is the machine's own file
// system, and the pod says what to run in it.
#pragma once

#include <string>
#include <string_view>

namespace rdmalab::harness {

enum class Component {
    none,
    spiderpoolAgent,
    spiderpoolController,
    spiderpoolInit,
    pluginInstaller, // init container `install-plugins` of the agent
    multusInstaller, // init container `multus-cni` of the agent
    rdmaSharedDevicePlugin,
};

// By repository name; registry and tag do not count. Some images hold more than one program: `program` is the first word of the
// container's command ("" = the image's own).
Component componentOf(std::string_view image, std::string_view program = {});
// "v1.5.3" of "ghcr.io/mellanox/k8s-rdma-shared-dev-plugin:v1.5.3"; "latest" without a tag.
std::string tagOf(std::string_view image);
// The release of the RDMA shared device plugin that an image stands for. Spiderpool 0.8's chart says `latest`, which in its days
// was v1.5.1; today's charts name a version.
std::string sharedPluginRelease(std::string_view image, std::string_view spiderpoolRelease);

} // namespace rdmalab::harness
