#include "harness/netns/fresh_sysfs.h"

#include "fakekernel/caller.h"
#include "harness/netns/node_hardware.h"
#include "util/syscall.h"

#include <fmt/format.h>

#include <fcntl.h>

namespace rdmalab::harness {

FreshSysfs::FreshSysfs(std::shared_ptr<NodeHardware> node, std::string directory)
    : node_(std::move(node)), directory_(std::move(directory)) {}

FreshSysfs::~FreshSysfs() = default;

std::string FreshSysfs::mountPointFor(const fakekernel::NamespaceHandle& network) {
    if (auto known = node_->sysOf(network.inode()))
        return *known;
    const std::lock_guard lock(mutex_);
    auto& other = others_[network.inode()];
    if (!other) {
        const UniqueFd netns(checked("duplicate a network namespace", ::fcntl(network.fd(), F_DUPFD_CLOEXEC, 0)));
        auto made = std::make_unique<PodSys>(node_, netns);
        made->mount(fmt::format("{}/{}", directory_, network.inode()));
        other = std::move(made);
    }
    return other->sys();
}

} // namespace rdmalab::harness
