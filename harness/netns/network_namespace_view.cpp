#include "harness/netns/network_namespace_view.h"

#include "harness/netns/netdev_sync.h"
#include "util/syscall.h"

#include <sys/mount.h>

#include <exception>

namespace rdmalab::harness {

namespace {
UniqueFd detachedSysfs() {
    const UniqueFd context(checked("fsopen sysfs", ::fsopen("sysfs", FSOPEN_CLOEXEC)));
    checked("fsconfig sysfs", ::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0));
    const unsigned attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    return UniqueFd(checked("fsmount sysfs", ::fsmount(context.get(), FSMOUNT_CLOEXEC, attributes)));
}
} // namespace

NetworkNamespaceView::NetworkNamespaceView(NetdevSync& sync, std::shared_ptr<NamespaceLinks> links)
    : sync_(sync), namespace_(std::move(links)) {
    // A sysfs shows the network namespace of whoever opens it first.
    namespace_->kernel().inside([this] { sysfs_ = detachedSysfs(); });
}

NetworkNamespaceView::~NetworkNamespaceView() = default;

std::uint64_t NetworkNamespaceView::generation() {
    try {
        sync_.refresh();
    } catch (const std::exception&) {
        // A look at /sys must not fail because of it. It is tried again with the next look, and where the node follows its
        // namespaces by itself, which reports it.
    }
    return namespace_->generation();
}

const std::vector<fakesysfs::NetworkView::Link>& NetworkNamespaceView::links() {
    if (listed_ != namespace_->generation()) {
        listed_ = namespace_->generation();
        links_.clear();
        for (const auto& [index, link] : namespace_->links()) {
            Link& one = links_.emplace_back(Link{link.name, index, {}});
            if (const auto* nic = sync_.nicOf(link))
                one.nic = nic->pci.address;
        }
    }
    return links_;
}

} // namespace rdmalab::harness
