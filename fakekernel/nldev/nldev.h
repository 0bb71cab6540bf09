// The kernel's end of a NETLINK_RDMA socket: a datagram sent in, the datagrams to be received out.
#pragma once

#include "fakekernel/nldev/caller.h"
#include "fakekernel/nldev/devices.h"
#include "fakekernel/nldev/kernel_profile.h"
#include "fakekernel/nldev/resources.h"

#include <string>
#include <string_view>
#include <vector>

namespace rdmalab::fakekernel::nldev {

// Answers as drivers/infiniband/core/{netlink,nldev}.c do (spec sysfs-and-rdma-abi 4, golden/nldev). Keeps no state of its own:
// everything is in the devices. Not thread-safe.
class Nldev {
public:
    Nldev(Devices& devices, const RdmaResources& resources, const KernelProfile& profile)
        : devices_(devices), resources_(resources), profile_(profile) {}

    // `request`: what one send carried, several messages or garbage included. The replies in the order in which they are received
    // by somebody who sends, then receives: the second and later datagrams of a dump come behind the answers to everything
    // else in `request`. A dump is complete, with its DONE; whoever sends again before having received it all would get EBUSY
    // from the kernel, which is the caller's to do.
    std::vector<std::string> handle(std::string_view request, const Caller& caller);

private:
    Devices& devices_;
    const RdmaResources& resources_;
    KernelProfile profile_;
};

} // namespace rdmalab::fakekernel::nldev
