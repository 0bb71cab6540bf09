// The network side of every simulated kernel: namespaces and links of all nodes, and who can reach whom across them.
#pragma once

#include "sim/fabric/fabric.h"
#include "util/ip.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rdmalab::plugin {
class Kernel;
}

namespace rdmalab::kernel {

enum class NetnsId : int {};
enum class NetdevId : int {}; // a link for its whole life, whatever its name, index and namespace

// A link that hardware provides: it survives its namespace and its name is whatever it was last called.
struct NicSpec {
    std::string name;
    std::string mac;     // empty: made up
    fabric::PortId port; // invalid: never a carrier
    int mtu = 1500;
    int maxMtu = 9978; // mlx5
    std::string encap = "ether";
    bool up = false;
};

// Where a link is now.
struct NetdevInfo {
    NetnsId netns;
    int index = 0;
    std::string name, kind, mac;
    int mtu = 0;
    bool up = false, carrier = false;
};

enum class NetdevChange { added, removed, renamed, moved, state }; // state: up, MAC, MTU

struct Reach {
    bool ok = true;
    std::string why; // the first broken link in words; empty when ok
    explicit operator bool() const noexcept { return ok; }
};

class WorldState;

// Deterministic: the same calls with the same seed give the same MACs and indexes. Not for several threads.
// Errors: std::invalid_argument for an id that does not exist (any more).
class ModelWorld {
public:
    // `fabric` must outlive the world.
    explicit ModelWorld(fabric::Fabric& fabric, std::uint64_t seed = 0);
    ~ModelWorld();
    ModelWorld(const ModelWorld&) = delete;
    ModelWorld& operator=(const ModelWorld&) = delete;

    // A machine's first namespace, with `lo` up. Its name is used in Reach::why.
    NetnsId addNode(const std::string& name);
    // Takes its namespaces and links with it.
    void removeNode(NetnsId node);
    // A new namespace on the node, with `lo` down as the kernel leaves it.
    NetnsId addNetns(NetnsId node, const std::string& name);
    // Links with a kind die (the other end of a veth too, and macvlans of a dying master); NICs return to the node's first
    // namespace, down and without addresses, under the name they have; a clash makes that `dev0`, `dev1`, ...
    void removeNetns(NetnsId netns);
    std::vector<NetnsId> namespaces(NetnsId node) const; // the node's first one included
    const std::string& name(NetnsId netns) const;
    NetnsId nodeOf(NetnsId netns) const;

    // What openNetns(path) finds on this node ("/var/run" and "/run" are the same directory).
    void bindNetns(NetnsId node, const std::string& path, NetnsId netns);
    // A file that is no namespace at that path: openNetns() fails with EINVAL, `unknown FS magic`.
    void bindPlainFile(NetnsId node, const std::string& path);
    void unbindNetns(NetnsId node, const std::string& path);
    std::optional<NetnsId> boundNetns(NetnsId node, const std::string& path) const; // nothing for a plain file

    // The namespace as plugins see it. Must not outlive the world; when the namespace is gone its calls fail.
    std::unique_ptr<plugin::Kernel> kernel(NetnsId netns);

    // Throws plugin::KernelError EEXIST when the name is taken.
    NetdevId addNic(NetnsId netns, const NicSpec& spec);
    // The hardware goes, wherever the link is; macvlans on it die.
    void removeNic(NetdevId nic);
    std::optional<NetdevInfo> netdev(NetdevId id) const;
    std::optional<NetdevId> netdevByName(NetnsId netns, const std::string& name) const;
    void setPort(NetdevId nic, fabric::PortId port);
    // Every change of every link, in order, after it happened. For `removed` the info is the last state.
    void onNetdevChange(std::function<void(NetdevId, NetdevChange, const NetdevInfo&)> observer);

    // Whether a packet gets from the namespace to `dst` and an answer back: policy rules, routes, links, carrier, macvlan
    // mode, cabling, gateways with forwarding, rp_filter. `src`: nothing = the address that the kernel would choose.
    Reach reachable(NetnsId from, const std::optional<IpAddress>& src, const IpAddress& dst) const;

    WorldState& state() noexcept { return *state_; } // for the classes of this room

private:
    std::unique_ptr<WorldState> state_;
};

} // namespace rdmalab::kernel
