// The links and addresses of one network namespace, followed through rtnetlink's notifications.
#pragma once

#include "plugins/kernel/linux_kernel.h"
#include "util/unique_fd.h"

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace rdmalab::plugin {
class NetlinkSocket;
}

namespace rdmalab::harness {

// Not thread-safe. Never enters the namespace after construction and never waits for a notification.
class NamespaceLinks {
public:
    // Throws SystemError, plugin::KernelError.
    explicit NamespaceLinks(const UniqueFd& netns);
    NamespaceLinks(const NamespaceLinks&) = delete;
    NamespaceLinks& operator=(const NamespaceLinks&) = delete;
    ~NamespaceLinks();

    // Readable when there is something for drain().
    int events() const noexcept { return events_.get(); }
    // Takes in what has happened up to now: the kernel queues a notification before the request that caused it returns. True when
    // a link or an address is different.
    bool drain();
    // Asks for one link: a veth is announced before it has its other end, which no notification tells. False: there is none.
    bool look(int ifindex);

    const std::map<int, plugin::Link>& links() const noexcept { return links_; } // by ifindex
    const plugin::Link* findPeerOf(int otherEnd) const;                          // the veth whose other end has that ifindex
    std::vector<Cidr> addresses(int ifindex) const;
    // Another number when the name of some index, or the set of indices, is different.
    std::uint64_t generation() const noexcept { return generation_; }
    // For requests in that namespace.
    plugin::LinuxKernel& kernel() noexcept { return kernel_; }

private:
    void readAll();
    bool readAddresses();

    plugin::LinuxKernel kernel_;
    std::unique_ptr<plugin::NetlinkSocket> dumps_;
    UniqueFd events_;
    std::map<int, plugin::Link> links_;
    std::multimap<int, Cidr> addresses_;
    std::uint64_t generation_ = 1;
};

} // namespace rdmalab::harness
