#include "harness/netns/fabric_wiring.h"

#include "plugins/kernel/linux_kernel.h"
#include "util/syscall.h"

#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/link/bridge.h>
#include <netlink/socket.h>

#include <memory>

namespace rdmalab::harness {

namespace {
// plugin::Kernel has no bridges: no plugin makes any. libnl's route library does.
class RouteSocket {
public:
    RouteSocket() : socket_(nl_socket_alloc()) { check("connect to rtnetlink", nl_connect(socket_, NETLINK_ROUTE)); }
    ~RouteSocket() { nl_socket_free(socket_); }
    RouteSocket(const RouteSocket&) = delete;
    RouteSocket& operator=(const RouteSocket&) = delete;
    nl_sock* get() const { return socket_; }
    static void check(const std::string& attempted, int result) {
        if (result < 0)
            throw std::runtime_error(attempted + ": " + nl_geterror(result));
    }

private:
    nl_sock* socket_;
};

void enslave(const std::string& port, const std::string& bridge) {
    const RouteSocket socket;
    rtnl_link *slave = nullptr, *master = nullptr;
    RouteSocket::check("find " + port, rtnl_link_get_kernel(socket.get(), 0, port.c_str(), &slave));
    RouteSocket::check("find " + bridge, rtnl_link_get_kernel(socket.get(), 0, bridge.c_str(), &master));
    const int result = rtnl_link_enslave(socket.get(), master, slave);
    rtnl_link_put(slave);
    rtnl_link_put(master);
    RouteSocket::check("plug " + port + " into " + bridge, result);
}
} // namespace

void addSwitchBridge(const std::string& name, int mtu) {
    {
        const RouteSocket socket;
        RouteSocket::check("add bridge " + name, rtnl_link_bridge_add(socket.get(), name.c_str()));
    }
    plugin::LinuxKernel kernel;
    const auto link = kernel.linkByName(name);
    if (mtu > 0)
        kernel.setLinkMtu(link->index, mtu);
    // A switch has no stack of its own on the wire.
    kernel.setSysctl("ipv6/conf/" + name + "/disable_ipv6", "1");
    kernel.setLinkUp(link->index, true);
}

void wirePort(const PortWire& wire, const UniqueFd& nodeNetns) {
    plugin::LinuxKernel fabric;
    plugin::LinuxKernel node(nodeNetns.get());
    plugin::VethSpec veth;
    veth.name = wire.fabricName;
    veth.peerName = wire.netdev;
    veth.peerMac = wire.mac;
    veth.mtu = wire.mtu;
    fabric.addVeth(veth, node);
    const auto here = fabric.linkByName(wire.fabricName);
    fabric.setSysctl("ipv6/conf/" + wire.fabricName + "/disable_ipv6", "1");
    if (!wire.bridge.empty()) {
        enslave(wire.fabricName, wire.bridge);
        fabric.setLinkUp(here->index, true);
    }
    if (wire.up)
        node.setLinkUp(node.linkByName(wire.netdev)->index, true);
}

} // namespace rdmalab::harness
