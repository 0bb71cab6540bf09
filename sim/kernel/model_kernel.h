// One namespace of a ModelWorld as plugins see a kernel. Errno, texts and side effects are those of LinuxKernel
// (plugins/kernel/kernel_conformance.h runs the same tests against both).
#pragma once

#include "plugins/kernel/kernel.h"
#include "sim/kernel/model_world.h"

namespace rdmalab::kernel {

struct LinkRecord;
struct NetnsState;

class ModelKernel final : public plugin::Kernel {
public:
    // `world` must outlive the object. When the namespace is gone every call throws KernelError ENODEV.
    ModelKernel(WorldState& world, NetnsId netns) : world_(world), netns_(netns) {}
    ~ModelKernel() override;

    WorldState& world() const noexcept { return world_; }
    NetnsId netns() const noexcept { return netns_; }

    std::unique_ptr<plugin::Kernel> openNetns(const std::string& path) override;
    std::unique_ptr<plugin::Kernel> temporaryNetns() override;
    bool sameNetns(const plugin::Kernel& other) const override;

    std::vector<plugin::Link> links() override;
    std::optional<plugin::Link> linkByName(const std::string& name) override;
    std::optional<plugin::Link> linkByIndex(int index) override;

    void addMacvlan(const plugin::MacvlanSpec& spec, plugin::Kernel& target) override;
    void addVeth(const plugin::VethSpec& spec, plugin::Kernel& peerNetns) override;
    void deleteLink(int index) override;
    void renameLink(int index, const std::string& name) override;
    void setLinkUp(int index, bool up) override;
    void setLinkMac(int index, const std::string& mac) override;
    void setLinkMtu(int index, int mtu) override;
    void setLinkTxQueueLength(int index, int length) override;
    void moveLink(int index, plugin::Kernel& target) override;

    std::vector<plugin::Address> addresses(int linkIndex) override;
    void addAddress(int linkIndex, const Cidr& address) override;

    std::vector<plugin::Route> routes(int table) override;
    void addRoute(const plugin::Route& route) override;
    void deleteRoute(const plugin::Route& route) override;

    std::vector<plugin::Rule> rules() override;
    void addRule(const plugin::Rule& rule) override;
    void deleteRule(const plugin::Rule& rule) override;

    void setNeighbour(const plugin::Neighbour& neighbour) override;
    std::vector<plugin::Neighbour> neighbours() override;

    std::string sysctl(const std::string& key) override;
    void setSysctl(const std::string& key, const std::string& value) override;

    void ensureIptablesRules(const std::vector<plugin::IptablesRule>& rules, int family) override;
    std::vector<plugin::IptablesRule> iptablesRules(const std::string& table, int family) override;

private:
    NetnsState& here() const;
    LinkRecord& link(int index) const;
    NetnsState& netnsOf(const plugin::Kernel& other) const;

    WorldState& world_;
    NetnsId netns_;
    bool temporary_ = false; // the namespace goes with the object
};

} // namespace rdmalab::kernel
