// The wires between the nodes' NIC ports and the lab's switches: a veth pair for each port that has a network interface.
#pragma once

#include "plugins/kernel/linux_kernel.h"
#include "util/unique_fd.h"

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace rdmalab::plugin {
class NetlinkSocket;
}

namespace rdmalab::harness {

// A wire is named by the ifindex of its end in the lab's namespace, which is never given out twice and which no link of another
// kind has: whoever sees a veth with that peer index, wherever it has been moved and whatever it is called by then, knows the
// port. May be used from any thread; never waits for more than the kernel.
class PortWires {
public:
    PortWires(); // in the lab's network namespace, which is the calling thread's
    PortWires(const PortWires&) = delete;
    PortWires& operator=(const PortWires&) = delete;
    ~PortWires();

    struct Wire {
        std::string netdev; // at the node's end; "eth%d": the kernel chooses the number
        std::string mac;    // empty: the kernel's choice
        int mtu = 1500;
        std::string bridge; // the switch; empty: the cable hangs loose
        bool live = true;   // the node's end has a carrier when it is up
    };
    // The node's end is down. Throws plugin::KernelError: EEXIST when the name is taken in that namespace.
    int add(const Wire& wire, int netns);
    // Both ends, wherever the other one is by now; one that is gone already is no error. Many take hardly longer than one: the
    // kernel waits once.
    void remove(const std::vector<int>& wires);
    void setLive(int wire, bool live);
    bool exists(int wire);
    // Ifindex of the node's end, in whichever namespace that is; 0: the wire is gone.
    int nodeEnd(int wire);

    // Readable when wires may have gone with a namespace that the node's end was in.
    int events() const noexcept { return events_.get(); }
    std::vector<int> takeLost();

private:
    std::mutex mutex_; // of everything below
    plugin::LinuxKernel lab_;
    std::unique_ptr<plugin::NetlinkSocket> requests_;
    UniqueFd events_;
    std::set<int> wires_;
    int next_;
};

} // namespace rdmalab::harness
