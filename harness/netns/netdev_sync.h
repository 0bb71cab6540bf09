// Keeps a node's machine and the kernel in step: the interface of every NIC port is a veth, wherever it is, and what is done to
// one shows in the other at once.
#pragma once

#include "harness/netns/namespace_links.h"
#include "sim/hardware/machine.h"
#include "util/unique_fd.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace rdmalab::hardware {
class LiveMachine;
}

namespace rdmalab::harness {

class PortWires;

// The number that a machine knows a network namespace by: its inode. Throws SystemError.
hardware::NetnsId netnsIdOf(const UniqueFd& netns);

// Unless said otherwise the caller holds the machine's lock, which protects all of it. Nothing here touches a /sys or waits for
// another thread, so that a request to a fake /sys may be what calls it.
class NetdevSync {
public:
    // The bridge of the switch that a PF is cabled to; empty: none.
    using BridgeOf = std::function<std::string(const hardware::Nic& pf)>;

    // Locks the machine itself. All must outlive it. `machine` calls the node's namespace by its netnsIdOf().
    NetdevSync(hardware::LiveMachine& machine, PortWires& wires, const UniqueFd& nodeNetns, BridgeOf bridgeOf);
    NetdevSync(const NetdevSync&) = delete;
    NetdevSync& operator=(const NetdevSync&) = delete;
    ~NetdevSync(); // locks the machine itself

    // Makes the interfaces of all ports that have one; from then on they come and go with those of the machine.
    void start();

    // Brings the machine up to date with what has happened in the namespaces. Cheap when nothing has. True if something had.
    bool refresh();
    // Readable when there is something for refresh(). Needs no lock.
    int events() const noexcept { return epoll_.get(); }

    // Another namespace of this node, a pod's: ports that are moved there are followed.
    std::shared_ptr<NamespaceLinks> watch(const UniqueFd& netns);
    // A namespace is ending: its ports go back to the node, as the kernel does it with real devices.
    void namespaceGone(hardware::NetnsId netns);
    // A wire is gone although nobody removed it: its namespace died, or somebody deleted the link. A real port cannot vanish like
    // that, so it comes back on the node. False when the wire is not this node's.
    bool wireLost(int wire);

    const std::shared_ptr<NamespaceLinks>& nodeLinks() const noexcept { return node_; }
    // The NIC whose interface that link is.
    const hardware::Nic* nicOf(const plugin::Link& link) const;

private:
    struct Port {
        int wire = 0;
        // As the kernel and the machine last agreed on: whatever is different on one side was changed there.
        std::string name, mac;
        hardware::NetnsId netns = 0;
        int mtu = 0;
        bool up = false, live = false;
        std::vector<Cidr> addresses;
        std::vector<hardware::GidInterface> uppers;
    };
    struct Place { // where a port's interface is
        hardware::NetnsId netns = 0;
        NamespaceLinks* links = nullptr; // null: in a namespace that is not watched
        plugin::Link link;
    };

    void machineChanged(const hardware::HardwareEvent& event);
    void create(const hardware::Nic& nic, const std::string& otherName);
    void remove(const hardware::Nic& nic);
    void removeDoomed();
    void push(const hardware::Nic& nic);
    void pushCarrier(const hardware::Nic& nic);
    bool drain();
    std::map<hardware::PciAddress, Place> places();
    void follow(const hardware::Nic& nic, Port& port, const Place& place);
    void followName(const hardware::Nic& nic, const Place& place);
    void followUppers(const std::map<hardware::PciAddress, Place>& places);
    std::vector<Cidr> addressesOf(const Place& place) const;
    std::string freeName(const std::string& stem) const;

    hardware::LiveMachine& live_;
    hardware::Machine& machine_;
    PortWires& wires_;
    BridgeOf bridgeOf_;
    hardware::NetnsId nodeId_;
    UniqueFd nodeNetns_, epoll_;
    std::shared_ptr<NamespaceLinks> node_;
    std::map<hardware::NetnsId, std::shared_ptr<NamespaceLinks>> watched_; // the node's own is one
    std::map<hardware::PciAddress, Port> ports_;
    std::map<int, hardware::PciAddress> owners_; // by wire
    // Of ports whose interfaces the machine has removed. They go together, and before anybody looks: with the next refresh().
    std::vector<int> doomed_;
    bool ours_ = false;  // the machine is being changed by this class
    bool dirty_ = false; // refresh() has work even without notifications
    hardware::Machine::Subscription subscription_;
};

} // namespace rdmalab::harness
