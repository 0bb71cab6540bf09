// What a fake /sys shows of a real network namespace.
#pragma once

#include "fakesysfs/network_view.h"
#include "util/unique_fd.h"

#include <memory>

namespace rdmalab::harness {

class NamespaceLinks;
class NetdevSync;

class NetworkNamespaceView final : public fakesysfs::NetworkView {
public:
    // `links` must be watched by `sync`, which must outlive the view. Mounts a real sysfs of the namespace, detached: nobody else
    // sees it. Throws SystemError.
    NetworkNamespaceView(NetdevSync& sync, std::shared_ptr<NamespaceLinks> links);
    ~NetworkNamespaceView() override;

    std::uint64_t generation() override; // brings the machine up to date, too
    const std::vector<Link>& links() override;
    int sysfs() const override { return sysfs_.get(); }

private:
    NetdevSync& sync_;
    std::shared_ptr<NamespaceLinks> namespace_;
    UniqueFd sysfs_;
    std::vector<Link> links_;
    std::uint64_t listed_ = 0; // generation that links_ is of
};

} // namespace rdmalab::harness
