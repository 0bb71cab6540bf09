#include "sim/kernel/model_kernel.h"

#include "plugins/kernel/iptables_rules.h"
#include "sim/kernel/node_paths.h"
#include "sim/kernel/world_state.h"
#include "util/syscall.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace rdmalab::kernel {

namespace {

struct BuiltInChains {
    std::string_view table;
    std::array<std::string_view, 5> chains;
};
constexpr BuiltInChains kTables[] = {{"filter", {"INPUT", "FORWARD", "OUTPUT"}},
                                     {"nat", {"PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"}},
                                     {"mangle", {"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}},
                                     {"raw", {"PREROUTING", "OUTPUT"}}};

const BuiltInChains& tableNamed(const std::string& name) {
    for (const BuiltInChains& table : kTables)
        if (table.table == name)
            return table;
    throw plugin::KernelError(fmt::format("can't initialize iptables table `{}': Table does not exist", name), EINVAL);
}

} // namespace

NetnsState& ModelKernel::here() const {
    return world_.getForPlugin(netns_);
}

LinkRecord& ModelKernel::link(int index) const {
    return WorldState::link(here(), index);
}

NetnsState& ModelKernel::netnsOf(const plugin::Kernel& other) const {
    const auto* const model = dynamic_cast<const ModelKernel*>(&other);
    if (model == nullptr || &model->world_ != &world_)
        throw plugin::KernelError("the other namespace is not one of this kernel", EINVAL);
    NetnsState& found = model->here();
    if (found.node != here().node)
        throw plugin::KernelError("the other namespace is on another node", EINVAL);
    return found;
}

std::unique_ptr<plugin::Kernel> ModelKernel::openNetns(const std::string& path) {
    const NetnsState& node = *here().node;
    const auto found = node.paths.find(normalisedNetnsPath(path));
    if (found == node.paths.end())
        throw plugin::KernelError(fmt::format("failed to Statfs \"{}\": {}", path, goErrnoText(ENOENT)), ENOENT);
    if (world_.find(found->second) == nullptr) // a plain file on a tmpfs
        throw plugin::KernelError(fmt::format("unknown FS magic on \"{}\": {:x}", path, 0x1021994), EINVAL);
    return std::make_unique<ModelKernel>(world_, found->second);
}

std::unique_ptr<plugin::Kernel> ModelKernel::temporaryNetns() {
    auto made = std::make_unique<ModelKernel>(world_, world_.createNetns(here().node, "temporary").id);
    made->temporary_ = true;
    return made;
}

ModelKernel::~ModelKernel() {
    if (temporary_)
        if (NetnsState* const netns = world_.find(netns_))
            world_.destroyNetns(*netns);
}

bool ModelKernel::sameNetns(const plugin::Kernel& other) const {
    const auto* const model = dynamic_cast<const ModelKernel*>(&other);
    return model != nullptr && &model->world_ == &world_ && model->netns_ == netns_;
}

std::vector<plugin::Link> ModelKernel::links() {
    std::vector<plugin::Link> found;
    for (const auto& record : here().links)
        found.push_back(world_.describe(*record));
    return found;
}

std::optional<plugin::Link> ModelKernel::linkByName(const std::string& name) {
    const LinkRecord* const record = WorldState::findLink(here(), name);
    return record != nullptr ? std::optional(world_.describe(*record)) : std::nullopt;
}

std::optional<plugin::Link> ModelKernel::linkByIndex(int index) {
    const LinkRecord* const record = WorldState::findLink(here(), index);
    return record != nullptr ? std::optional(world_.describe(*record)) : std::nullopt;
}

void ModelKernel::addMacvlan(const plugin::MacvlanSpec& spec, plugin::Kernel& target) {
    world_.addMacvlan(here(), spec, netnsOf(target));
}

void ModelKernel::addVeth(const plugin::VethSpec& spec, plugin::Kernel& peerNetns) {
    world_.addVeth(here(), spec, netnsOf(peerNetns));
}

void ModelKernel::deleteLink(int index) {
    world_.deleteLink(link(index));
}
void ModelKernel::renameLink(int index, const std::string& name) {
    world_.renameLink(link(index), name);
}
void ModelKernel::setLinkUp(int index, bool up) {
    world_.setUp(link(index), up);
}
void ModelKernel::setLinkMac(int index, const std::string& mac) {
    world_.setMac(link(index), mac);
}
void ModelKernel::setLinkMtu(int index, int mtu) {
    world_.setMtu(link(index), mtu);
}
void ModelKernel::setLinkTxQueueLength(int index, int length) {
    link(index).txQueueLength = length;
}
void ModelKernel::moveLink(int index, plugin::Kernel& target) {
    world_.moveLink(link(index), netnsOf(target));
}

std::vector<plugin::Address> ModelKernel::addresses(int linkIndex) {
    std::vector<plugin::Address> found;
    for (const bool v4 : {true, false})
        for (const auto& record : here().links)
            if (linkIndex == 0 || record->index == linkIndex)
                for (const AddressEntry& address : record->addresses)
                    if (address.cidr.address.isV4() == v4)
                        found.push_back({address.cidr, address.scope});
    return found;
}

void ModelKernel::addAddress(int linkIndex, const Cidr& address) {
    world_.addAddress(link(linkIndex), address, 0);
}

std::vector<plugin::Route> ModelKernel::routes(int table) {
    std::vector<plugin::Route> found;
    for (const bool v4 : {true, false})
        for (const RouteEntry& entry : here().routes)
            if ((table == 0 || entry.route.table == table) && (entry.route.family == 2) == v4)
                found.push_back(entry.route);
    return found;
}

void ModelKernel::addRoute(const plugin::Route& route) {
    world_.addRoute(here(), route);
}
void ModelKernel::deleteRoute(const plugin::Route& route) {
    world_.deleteRoute(here(), route);
}
std::vector<plugin::Rule> ModelKernel::rules() {
    return here().rules;
}
void ModelKernel::addRule(const plugin::Rule& rule) {
    world_.addRule(here(), rule);
}
void ModelKernel::deleteRule(const plugin::Rule& rule) {
    world_.deleteRule(here(), rule);
}
void ModelKernel::setNeighbour(const plugin::Neighbour& neighbour) {
    world_.setNeighbour(here(), neighbour);
}
std::vector<plugin::Neighbour> ModelKernel::neighbours() {
    return here().neighbours;
}
std::string ModelKernel::sysctl(const std::string& key) {
    return world_.sysctl(here(), key);
}
void ModelKernel::setSysctl(const std::string& key, const std::string& value) {
    world_.setSysctl(here(), key, value);
}

void ModelKernel::ensureIptablesRules(const std::vector<plugin::IptablesRule>& rules, int family) {
    std::vector<plugin::IptablesRule> canonical;
    for (const plugin::IptablesRule& rule : rules) {
        canonical.push_back(plugin::canonicalRule(rule, family));
        const auto& chains = tableNamed(canonical.back()[1]).chains;
        if (std::find(chains.begin(), chains.end(), canonical.back()[3]) == chains.end())
            throw plugin::KernelError("iptables: No chain/target/match by that name.", EINVAL);
    }
    for (const plugin::IptablesRule& rule : canonical) {
        auto& present = here().iptables[{rule[1], family}];
        if (std::find(present.begin(), present.end(), rule) == present.end())
            present.push_back(rule);
    }
}

std::vector<plugin::IptablesRule> ModelKernel::iptablesRules(const std::string& table, int family) {
    // As iptables-save: chain by chain in the order that a packet meets them.
    const auto& present = here().iptables[{table, family}];
    std::vector<plugin::IptablesRule> sorted;
    for (const std::string_view chain : tableNamed(table).chains)
        std::copy_if(present.begin(), present.end(), std::back_inserter(sorted),
                     [&](const plugin::IptablesRule& rule) { return rule[3] == chain; });
    return sorted;
}

} // namespace rdmalab::kernel
