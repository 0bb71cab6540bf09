// The Linux kernel of this machine, over netlink.
#pragma once

#include "plugins/kernel/kernel.h"

#include <functional>

namespace rdmalab::plugin {

// One network namespace. The netlink socket lives in that namespace from its creation on, so ordinary requests need no
// namespace switch; sysctls and iptables are reached from a short-lived thread that enters it. An object may be used from
// any thread, by one thread at a time, and the caller's own namespace never changes.
class LinuxKernel final : public Kernel {
public:
    LinuxKernel();                     // the calling thread's namespace
    explicit LinuxKernel(int netnsFd); // the namespace behind the descriptor, which is duplicated
    ~LinuxKernel() override;

    int netnsFd() const noexcept;
    // Runs `action` in the namespace (on another thread if need be) and passes its exceptions on.
    void inside(const std::function<void()>& action) const;

    std::unique_ptr<Kernel> openNetns(const std::string& path) override;
    std::unique_ptr<Kernel> temporaryNetns() override;
    bool sameNetns(const Kernel& other) const override;

    std::vector<Link> links() override;
    std::optional<Link> linkByName(const std::string& name) override;
    std::optional<Link> linkByIndex(int index) override;

    void addMacvlan(const MacvlanSpec& spec, Kernel& target) override;
    void addVeth(const VethSpec& spec, Kernel& peerNetns) override;
    void deleteLink(int index) override;
    void renameLink(int index, const std::string& name) override;
    void setLinkUp(int index, bool up) override;
    void setLinkMac(int index, const std::string& mac) override;
    void setLinkMtu(int index, int mtu) override;
    void setLinkTxQueueLength(int index, int length) override;
    void moveLink(int index, Kernel& target) override;
    void deleteLinkAltName(int index, const std::string& name) override;
    void announceAddress(int linkIndex, const IpAddress& ip) override;

    std::vector<Address> addresses(int linkIndex) override;
    void addAddress(int linkIndex, const Cidr& address) override;

    // Only unicast, local and broadcast/anycast/multicast entries with one next hop; IPv6 cache entries are left out.
    std::vector<Route> routes(int table) override;
    void addRoute(const Route& route) override;
    void deleteRoute(const Route& route) override;

    std::vector<Rule> rules() override;
    void addRule(const Rule& rule) override;
    void deleteRule(const Rule& rule) override;

    void setNeighbour(const Neighbour& neighbour) override;
    std::vector<Neighbour> neighbours() override; // resolved ones: those with a MAC, without multicast and loopback mappings

    std::string sysctl(const std::string& key) override; // without the final newline
    void setSysctl(const std::string& key, const std::string& value) override;

    void ensureIptablesRules(const std::vector<IptablesRule>& rules, int family) override;
    // In the canonical form of canonicalRule() (plugins/kernel/iptables_rules.h).
    std::vector<IptablesRule> iptablesRules(const std::string& table, int family) override;

private:
    class Socket;
    std::unique_ptr<Socket> socket_;
};

} // namespace rdmalab::plugin
