// What the simulated kernels remember, and the operations on it that ModelKernel and ModelWorld share. Internal to this room.
#pragma once

#include "plugins/kernel/kernel.h"
#include "sim/kernel/model_world.h"

#include <map>
#include <unordered_map>

namespace rdmalab::kernel {

struct NetnsState;

enum class RouteType { unicast, local, broadcast, multicast };

struct RouteEntry {
    plugin::Route route;
    RouteType type = RouteType::unicast;
};

struct AddressEntry {
    Cidr cidr;
    int scope = 0;
    bool secondary = false; // IPv4: not the first of its prefix on the link
};

struct LinkRecord {
    NetdevId id{};
    NetnsState* netns = nullptr;
    int index = 0;
    std::string name, kind, mac, mode;
    std::string encap = "ether";
    int mtu = 1500, maxMtu = 65535, txQueueLength = 1000;
    bool up = false;
    bool physical = false;
    fabric::PortId port;
    LinkRecord* master = nullptr; // of a macvlan
    LinkRecord* peer = nullptr;   // of a veth
    std::vector<LinkRecord*> macvlans;
    std::vector<AddressEntry> addresses;
    std::map<std::string, std::string> sysctls; // what differs from the default: "ipv4/conf/arp_notify" -> "1"

    bool loopback() const noexcept { return encap == "loopback"; }
};

struct NetnsState {
    NetnsId id{};
    NetnsState* node = nullptr; // the node's first namespace; itself there
    std::string name;
    int nextIndex = 1;
    std::vector<std::unique_ptr<LinkRecord>> links; // by index
    std::vector<RouteEntry> routes;
    std::vector<plugin::Rule> rules; // by priority, each family in its own order
    std::vector<plugin::Neighbour> neighbours;
    std::map<std::string, std::string> sysctls; // those that belong to no link, and conf/all, conf/default
    std::map<std::pair<std::string, int>, std::vector<plugin::IptablesRule>> iptables; // (table, family)
    // Of a node only:
    std::vector<NetnsId> children;
    std::map<std::string, NetnsId> paths;
};

struct IpHash {
    std::size_t operator()(const IpAddress& ip) const noexcept;
};

class WorldState {
public:
    WorldState(fabric::Fabric& fabric, std::uint64_t seed);
    ~WorldState();
    WorldState(const WorldState&) = delete;
    WorldState& operator=(const WorldState&) = delete;

    // Namespaces. The pointers stay valid until the namespace goes.
    NetnsState* find(NetnsId id) const noexcept;
    NetnsState& get(NetnsId id) const;          // std::invalid_argument
    NetnsState& getForPlugin(NetnsId id) const; // KernelError ENODEV
    NetnsState& createNetns(NetnsState* node, const std::string& name);
    void destroyNetns(NetnsState& netns);

    // Links. The ones that refuse throw KernelError with the errno of Linux.
    static LinkRecord* findLink(const NetnsState& netns, int index) noexcept;
    static LinkRecord* findLink(const NetnsState& netns, const std::string& name) noexcept;
    static LinkRecord& link(const NetnsState& netns, int index); // ENODEV
    LinkRecord* findLink(NetdevId id) const noexcept;
    LinkRecord& addNic(NetnsState& netns, const NicSpec& spec);
    void addMacvlan(NetnsState& netns, const plugin::MacvlanSpec& spec, NetnsState& target);
    void addVeth(NetnsState& netns, const plugin::VethSpec& spec, NetnsState& peerNetns);
    void deleteLink(LinkRecord& link);  // as a plugin asks
    void destroyLink(LinkRecord& link); // and what depends on it
    void renameLink(LinkRecord& link, const std::string& name);
    void setUp(LinkRecord& link, bool up);
    void setMac(LinkRecord& link, const std::string& mac);
    void setMtu(LinkRecord& link, int mtu);
    void setPort(LinkRecord& link, fabric::PortId port);
    void moveLink(LinkRecord& link, NetnsState& target);
    bool lowerUp(const LinkRecord& link) const; // IFF_LOWER_UP: up and with carrier
    // Why an up link has no carrier, in words; empty if it has.
    std::string carrierProblem(const LinkRecord& link) const;
    // The fabric's reason why the ports of two NICs are not connected; empty if they are.
    std::string brokenCabling(const LinkRecord& a, const LinkRecord& b) const { return fabric_.brokenLink(a.port, b.port); }
    plugin::Link describe(const LinkRecord& link) const;
    NetdevInfo info(const LinkRecord& link) const;

    // Addresses and routes (world_addresses.cpp).
    void addAddress(LinkRecord& link, const Cidr& cidr, int scope);
    void removeAddresses(LinkRecord& link, int family, bool keepStatic); // family 0 = all
    void addRoute(NetnsState& netns, plugin::Route route);
    void deleteRoute(NetnsState& netns, const plugin::Route& route);
    void addRule(NetnsState& netns, plugin::Rule rule);
    void deleteRule(NetnsState& netns, const plugin::Rule& rule);
    void setNeighbour(NetnsState& netns, const plugin::Neighbour& neighbour);
    // The links, in whatever namespace, that own the address; loopback addresses are not listed.
    const std::vector<LinkRecord*>& ownersOf(const IpAddress& ip) const;
    static const LinkRecord* ownerIn(const NetnsState& netns, const IpAddress& ip) noexcept; // 127.0.0.0/8 included

    // Sysctls (world_sysctl.cpp); keys as in plugin::Kernel.
    std::string sysctl(const NetnsState& netns, const std::string& key) const;
    void setSysctl(NetnsState& netns, const std::string& key, const std::string& value);
    // conf of one link as a number, e.g. confValue(link, "ipv4/conf/rp_filter").
    static int confValue(const LinkRecord& link, const std::string& key);

    std::vector<std::function<void(NetdevId, NetdevChange, const NetdevInfo&)>> observers;

private:
    LinkRecord& createLink(NetnsState& netns, const std::string& name);
    std::string freeName(const NetnsState& netns, const std::string& pattern) const;
    std::string inventMac();
    void insertLink(NetnsState& netns, std::unique_ptr<LinkRecord> link);
    std::unique_ptr<LinkRecord> takeLink(LinkRecord& link);
    void leaveNetns(LinkRecord& link); // down, without addresses, routes and sysctls
    void relocate(LinkRecord& link, NetnsState& target, const std::string& name);
    void carrierMayHaveChanged(LinkRecord& link);
    void fabricChanged();
    void notify(const LinkRecord& link, NetdevChange change);

    void linkCameUp(LinkRecord& link); // addresses and routes that follow IFF_UP
    void linkWentDown(LinkRecord& link);
    void makeLinkLocal(LinkRecord& link); // once it has carrier
    void addConnectedRoutes(LinkRecord& link, const AddressEntry& address);
    void index(LinkRecord& link, const IpAddress& ip);
    void unindex(LinkRecord& link, const IpAddress& ip);
    void ipv6Switched(LinkRecord& link, bool disabled);

    fabric::Fabric& fabric_;
    std::uint64_t seed_, madeMacs_ = 0;
    std::shared_ptr<bool> alive_;                         // the fabric may outlive this
    std::vector<std::unique_ptr<NetnsState>> namespaces_; // by id
    std::vector<LinkRecord*> links_;                      // by id
    std::unordered_map<IpAddress, std::vector<LinkRecord*>, IpHash> owners_;
};

// A refused request, with Go's text for the errno.
[[noreturn]] void refuse(int code);

} // namespace rdmalab::kernel
