#include "sim/cluster/pod_source.h"

#include <algorithm>
#include <vector>

namespace rdmalab::cluster {

namespace {

const PodSet noPods;

std::string textAt(const Json& object, const char* section, const char* key) {
    const auto part = object.find(section);
    return part == object.end() ? std::string() : part->value(key, std::string());
}

std::string ownerOf(const Json& pod) {
    const auto& meta = pod.at("metadata");
    if (const auto owners = meta.find("ownerReferences"); owners != meta.end())
        for (const Json& owner : *owners)
            if (owner.value("controller", false))
                return owner.value("uid", std::string());
    return {};
}

std::uint64_t versionOf(const Json& pod) {
    const auto& meta = pod.at("metadata");
    const auto version = meta.find("resourceVersion");
    return version == meta.end() ? 0 : std::stoull(version->get_ref<const std::string&>());
}

struct Listener {
    Watcher call;
};

} // namespace

struct PodSource::Impl {
    struct Known {
        ObjectPtr pod;
        std::string node, owner;
        std::uint64_t version = 0;
    };
    std::unordered_map<std::string, Known> known; // by uid
    std::unordered_map<std::string, PodSet> byNode, byOwner;
    std::unordered_map<std::string, std::vector<std::weak_ptr<Listener>>> nodeListeners;
    std::vector<std::weak_ptr<Listener>> listeners;

    // Returns false when something newer is known already.
    bool put(const ObjectPtr& pod) {
        const std::string& uid = pod->at("metadata").at("uid").get_ref<const std::string&>();
        const auto version = versionOf(*pod);
        Known& entry = known[uid];
        if (entry.pod && entry.version > version)
            return false;
        std::string node = textAt(*pod, "spec", "nodeName");
        std::string owner = ownerOf(*pod);
        if (entry.pod && entry.node != node)
            drop(byNode, entry.node, uid);
        if (entry.pod && entry.owner != owner)
            drop(byOwner, entry.owner, uid);
        if (!node.empty())
            byNode[node][uid] = pod;
        if (!owner.empty())
            byOwner[owner][uid] = pod;
        entry = {pod, std::move(node), std::move(owner), version};
        return true;
    }

    void forget(const Json& pod) {
        const auto found = known.find(pod.at("metadata").at("uid").get<std::string>());
        if (found == known.end())
            return;
        drop(byNode, found->second.node, found->first);
        drop(byOwner, found->second.owner, found->first);
        known.erase(found);
    }

    static void drop(std::unordered_map<std::string, PodSet>& index, const std::string& key, const std::string& uid) {
        const auto found = index.find(key);
        if (found == index.end())
            return;
        found->second.erase(uid);
        if (found->second.empty())
            index.erase(found);
    }

    static void tell(std::vector<std::weak_ptr<Listener>>& to, const WatchEvent& event) {
        std::erase_if(to, [](const auto& listener) { return listener.expired(); });
        const auto copy = to; // a listener may subscribe another
        for (const auto& weak : copy)
            if (const auto listener = weak.lock())
                listener->call(event);
    }

    void handle(const WatchEvent& event) {
        if (event.type == WatchEvent::Type::removed)
            forget(*event.object);
        else
            put(event.object);
        tell(listeners, event);
        const std::string node = textAt(*event.object, "spec", "nodeName");
        const auto found = nodeListeners.find(node);
        if (node.empty() || found == nodeListeners.end())
            return;
        if (event.type == WatchEvent::Type::modified && textAt(*event.old, "spec", "nodeName").empty())
            tell(found->second, {WatchEvent::Type::added, event.object, nullptr});
        else
            tell(found->second, event);
    }
};

PodSource::PodSource(Store& store) : impl_(std::make_shared<Impl>()) {
    subscription_ = store.watch("Pod", [impl = impl_](const WatchEvent& event) { impl->handle(event); });
}

PodSource::~PodSource() = default;

const PodSet& PodSource::onNode(const std::string& node) const {
    const auto found = impl_->byNode.find(node);
    return found == impl_->byNode.end() ? noPods : found->second;
}

const PodSet& PodSource::ownedBy(const std::string& ownerUid) const {
    const auto found = impl_->byOwner.find(ownerUid);
    return found == impl_->byOwner.end() ? noPods : found->second;
}

Store::Subscription PodSource::watchNode(const std::string& node, Watcher watcher) {
    auto listener = std::make_shared<Listener>(Listener{std::move(watcher)});
    impl_->nodeListeners[node].push_back(listener);
    return listener;
}

Store::Subscription PodSource::watchAll(Watcher watcher) {
    auto listener = std::make_shared<Listener>(Listener{std::move(watcher)});
    impl_->listeners.push_back(listener);
    return listener;
}

void PodSource::observe(const ObjectPtr& pod) {
    impl_->put(pod);
}

} // namespace rdmalab::cluster
