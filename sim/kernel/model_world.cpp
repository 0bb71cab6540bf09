#include "sim/kernel/model_world.h"

#include "sim/kernel/model_kernel.h"
#include "sim/kernel/node_paths.h"
#include "sim/kernel/reachability.h"
#include "sim/kernel/world_state.h"

#include <stdexcept>

namespace rdmalab::kernel {

std::string normalisedNetnsPath(const std::string& path) {
    std::string clean;
    for (const char c : path)
        if (c != '/' || clean.empty() || clean.back() != '/')
            clean += c;
    while (clean.size() > 1 && clean.back() == '/')
        clean.pop_back();
    if (clean.rfind("/var/run/", 0) == 0)
        clean.erase(0, 4);
    return clean;
}

namespace {
constexpr NetnsId kPlainFile{-1};

LinkRecord& linkOf(const WorldState& state, NetdevId id) {
    if (LinkRecord* const link = state.findLink(id))
        return *link;
    throw std::invalid_argument("no link " + std::to_string(static_cast<int>(id)));
}

NetnsState& nodeNamed(const WorldState& state, NetnsId id) {
    NetnsState& node = state.get(id);
    if (node.node != &node)
        throw std::invalid_argument("namespace \"" + node.name + "\" is not a node's first one");
    return node;
}
} // namespace

ModelWorld::ModelWorld(fabric::Fabric& fabric, std::uint64_t seed) : state_(std::make_unique<WorldState>(fabric, seed)) {}

ModelWorld::~ModelWorld() = default;

NetnsId ModelWorld::addNode(const std::string& name) {
    return state_->createNetns(nullptr, name).id;
}

void ModelWorld::removeNode(NetnsId id) {
    NetnsState& node = nodeNamed(*state_, id);
    while (!node.children.empty())
        state_->destroyNetns(state_->get(node.children.back()));
    state_->destroyNetns(node);
}

NetnsId ModelWorld::addNetns(NetnsId node, const std::string& name) {
    return state_->createNetns(&nodeNamed(*state_, node), name).id;
}

void ModelWorld::removeNetns(NetnsId id) {
    NetnsState& netns = state_->get(id);
    if (netns.node == &netns)
        throw std::invalid_argument("namespace \"" + netns.name + "\" lives as long as its node");
    state_->destroyNetns(netns);
}

std::vector<NetnsId> ModelWorld::namespaces(NetnsId id) const {
    const NetnsState& node = nodeNamed(*state_, id);
    std::vector<NetnsId> all{id};
    all.insert(all.end(), node.children.begin(), node.children.end());
    return all;
}

const std::string& ModelWorld::name(NetnsId netns) const {
    return state_->get(netns).name;
}

NetnsId ModelWorld::nodeOf(NetnsId netns) const {
    return state_->get(netns).node->id;
}

void ModelWorld::bindNetns(NetnsId node, const std::string& path, NetnsId netns) {
    if (state_->get(netns).node != &nodeNamed(*state_, node))
        throw std::invalid_argument("namespace \"" + name(netns) + "\" is on another node");
    state_->get(node).paths[normalisedNetnsPath(path)] = netns;
}

void ModelWorld::bindPlainFile(NetnsId node, const std::string& path) {
    nodeNamed(*state_, node).paths[normalisedNetnsPath(path)] = kPlainFile;
}

void ModelWorld::unbindNetns(NetnsId node, const std::string& path) {
    nodeNamed(*state_, node).paths.erase(normalisedNetnsPath(path));
}

std::optional<NetnsId> ModelWorld::boundNetns(NetnsId node, const std::string& path) const {
    const auto& paths = nodeNamed(*state_, node).paths;
    const auto found = paths.find(normalisedNetnsPath(path));
    return found != paths.end() && found->second != kPlainFile ? std::optional(found->second) : std::nullopt;
}

std::unique_ptr<plugin::Kernel> ModelWorld::kernel(NetnsId netns) {
    return std::make_unique<ModelKernel>(*state_, state_->get(netns).id);
}

NetdevId ModelWorld::addNic(NetnsId netns, const NicSpec& spec) {
    return state_->addNic(state_->get(netns), spec).id;
}

void ModelWorld::removeNic(NetdevId nic) {
    state_->destroyLink(linkOf(*state_, nic));
}

std::optional<NetdevInfo> ModelWorld::netdev(NetdevId id) const {
    const LinkRecord* const link = state_->findLink(id);
    return link != nullptr ? std::optional(state_->info(*link)) : std::nullopt;
}

std::optional<NetdevId> ModelWorld::netdevByName(NetnsId netns, const std::string& name) const {
    const LinkRecord* const link = WorldState::findLink(state_->get(netns), name);
    return link != nullptr ? std::optional(link->id) : std::nullopt;
}

void ModelWorld::setPort(NetdevId nic, fabric::PortId port) {
    state_->setPort(linkOf(*state_, nic), port);
}

void ModelWorld::onNetdevChange(std::function<void(NetdevId, NetdevChange, const NetdevInfo&)> observer) {
    state_->observers.push_back(std::move(observer));
}

Reach ModelWorld::reachable(NetnsId from, const std::optional<IpAddress>& src, const IpAddress& dst) const {
    return Reachability(*state_).roundTrip(state_->get(from), src, dst);
}

} // namespace rdmalab::kernel
