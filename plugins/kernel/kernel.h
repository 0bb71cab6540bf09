// What the plugins need of a kernel's network side, for one network namespace.
// LinuxKernel answers with netlink; another implementation may keep everything in memory.
#pragma once

#include "util/ip.h"

#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace rdmalab::plugin {

// A refused kernel request. `what()` is the text that Go's netlink library prints ("Link not found", "file exists").
class KernelError : public std::runtime_error {
public:
    KernelError(const std::string& text, int code) : std::runtime_error(text), code_(code) {}
    int code() const noexcept { return code_; } // positive errno

private:
    int code_;
};

struct Link {
    int index = 0;
    std::string name;
    std::string kind;  // IFLA_INFO_KIND: "macvlan", "veth", ""
    std::string mac;   // lower case, colons
    std::string encap; // "ether", "loopback", "infiniband"
    std::string mode;  // macvlan / ipvlan mode where it applies, as ip(8) prints it
    int mtu = 0;
    int parentIndex = 0;          // IFLA_LINK; 0 = none
    bool parentElsewhere = false; // IFLA_LINK_NETNSID present: parentIndex counts in another namespace
    bool up = false;              // IFF_UP
    bool lowerUp = false;         // IFF_LOWER_UP: carrier
    bool multicast = false, broadcast = false;
    std::vector<std::string> altNames; // IFLA_ALT_IFNAME
};

struct Address {
    Cidr cidr;
    int scope = 0; // RT_SCOPE_*
};

struct Route {
    std::optional<Cidr> dst; // nullopt = default
    int family = 2;          // AF_INET; needed when dst is a default
    std::optional<IpAddress> gateway, source;
    int linkIndex = 0;
    int table = 254;  // RT_TABLE_MAIN
    int scope = 0;    // RT_SCOPE_UNIVERSE
    int priority = 0; // metric
    int protocol = 3; // RTPROT_BOOT
    // addRoute only. False: NLM_F_CREATE alone, so a route to the same destination through another gateway or link is put in
    // front of the first one (as the CNI plugins do); the very same route is still EEXIST. Always true when read.
    bool exclusive = true;
};

struct Rule {
    int family = 2;
    int priority = -1; // -1: the kernel chooses
    int table = 254;
    std::optional<Cidr> from, to;
    std::uint32_t mark = 0;
};

struct Neighbour {
    IpAddress ip;
    std::string mac;
    int linkIndex = 0;
    bool permanent = true;
};

struct MacvlanSpec {
    std::string name;
    int masterIndex = 0;
    std::string mode = "bridge";     // private vepa bridge passthru
    int mtu = 0;                     // 0 = inherit
    std::string mac;                 // empty = kernel's choice
    std::uint32_t bcQueueLength = 0; // 0 = not sent
};

struct VethSpec {
    std::string name, mac;
    std::string peerName, peerMac;
    int mtu = 0;
};

// One packet filter rule in iptables' own words, e.g. {"-t","mangle","-A","PREROUTING",...}.
using IptablesRule = std::vector<std::string>;

class Kernel {
public:
    Kernel() = default;
    Kernel(const Kernel&) = delete;
    Kernel& operator=(const Kernel&) = delete;
    virtual ~Kernel() = default;

    // The namespace behind a path such as CNI_NETNS. Throws KernelError: ENOENT when the path is missing
    // (`failed to Statfs "P": no such file or directory`), EINVAL when it is no namespace (`unknown FS magic on "P": ef53`).
    virtual std::unique_ptr<Kernel> openNetns(const std::string& path) = 0;
    // A new namespace without a name, which goes with the object. What is in it then goes where the kernel sends it: a NIC back
    // to the machine's first namespace. Throws KernelError; EOPNOTSUPP where there is no way to make one.
    virtual std::unique_ptr<Kernel> temporaryNetns() { throw KernelError("operation not supported", EOPNOTSUPP); }
    // True when both talk about the same namespace.
    virtual bool sameNetns(const Kernel& other) const = 0;

    virtual std::vector<Link> links() = 0;
    virtual std::optional<Link> linkByName(const std::string& name) = 0;
    virtual std::optional<Link> linkByIndex(int index) = 0;

    // Creates the link directly in `target` (one request with IFLA_NET_NS_FD). Throws KernelError.
    virtual void addMacvlan(const MacvlanSpec& spec, Kernel& target) = 0;
    // `spec.name` appears here, `spec.peerName` in `peerNetns`.
    virtual void addVeth(const VethSpec& spec, Kernel& peerNetns) = 0;
    virtual void deleteLink(int index) = 0;
    virtual void renameLink(int index, const std::string& name) = 0;
    virtual void setLinkUp(int index, bool up) = 0;
    virtual void setLinkMac(int index, const std::string& mac) = 0;
    virtual void setLinkMtu(int index, int mtu) = 0;
    virtual void setLinkTxQueueLength(int index, int length) = 0;
    virtual void moveLink(int index, Kernel& target) = 0;
    virtual void deleteLinkAltName(int, const std::string&) { throw KernelError("operation not supported", EOPNOTSUPP); }
    // Tells the neighbours on an Ethernet link who has the address now: a gratuitous ARP request (RFC 5944, 4.6) or an
    // unsolicited neighbour advertisement (RFC 4861, 7.2.6). A kernel without packets does nothing.
    virtual void announceAddress(int /*linkIndex*/, const IpAddress&) {}

    virtual std::vector<Address> addresses(int linkIndex) = 0; // 0 = of all links
    virtual void addAddress(int linkIndex, const Cidr& address) = 0;

    virtual std::vector<Route> routes(int table) = 0; // 0 = every table
    virtual void addRoute(const Route& route) = 0;    // NLM_F_CREATE|NLM_F_EXCL: EEXIST ("file exists") if present; see exclusive
    virtual void deleteRoute(const Route& route) = 0;

    virtual std::vector<Rule> rules() = 0;
    virtual void addRule(const Rule& rule) = 0;
    virtual void deleteRule(const Rule& rule) = 0;

    virtual void setNeighbour(const Neighbour& neighbour) = 0; // adds or replaces
    virtual std::vector<Neighbour> neighbours() = 0;

    // Keys relative to /proc/sys/net with slashes: "ipv4/conf/eth0/arp_notify". Throws KernelError.
    virtual std::string sysctl(const std::string& key) = 0;
    virtual void setSysctl(const std::string& key, const std::string& value) = 0;

    // Appends those of the rules that are not there yet. Throws KernelError with iptables' own words.
    virtual void ensureIptablesRules(const std::vector<IptablesRule>& rules, int family) = 0;
    virtual std::vector<IptablesRule> iptablesRules(const std::string& table, int family) = 0;
};

} // namespace rdmalab::plugin
