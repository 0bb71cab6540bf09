#include "plugins/agent/ipam/ipam_agent.h"
#include "plugins/kernel/kernel.h"

namespace rdmalab::plugin {

void tuneHostSysctls(Kernel& kernel) {
    // A machine with many pods on many NICs outgrows the neighbour tables' defaults; pods and host answer for each other's
    // addresses, so strict reverse path checks would drop their packets.
    static constexpr const char* settings[][2] = {
        {"ipv4/neigh/default/gc_thresh3", "28160"}, {"ipv6/neigh/default/gc_thresh3", "28160"}, {"ipv4/conf/all/arp_notify", "1"},
        {"ipv4/conf/all/forwarding", "1"},          {"ipv6/conf/all/forwarding", "1"},          {"ipv4/conf/all/rp_filter", "0"},
    };
    for (const auto& [key, value] : settings) {
        try {
            kernel.setSysctl(key, value);
        } catch (const KernelError&) {
            // Not in this kernel, or not in a namespace.
        }
    }
}

} // namespace rdmalab::plugin
