#pragma once

#include "plugins/kube/kube_client.h"

#include <memory>
#include <string>

namespace rdmalab::plugin {

// The API without a server: objects live in this process. It keeps what clients rely on: uids, resource versions and their
// conflicts, finalizers, and a status that only updateStatus() changes where the type has a status subresource. No defaults, no
// admission. Thread-safe.
class MemoryKubeClient final : public KubeClient {
public:
    MemoryKubeClient();
    ~MemoryKubeClient() override;

    nlohmann::json get(const ResourceType& type, const std::string& ns, const std::string& name) override;
    nlohmann::json list(const ResourceType& type, const std::string& ns) override; // sorted by namespace and name
    nlohmann::json create(const ResourceType& type, const nlohmann::json& object) override;
    nlohmann::json update(const ResourceType& type, const nlohmann::json& object) override;
    nlohmann::json updateStatus(const ResourceType& type, const nlohmann::json& object) override;
    nlohmann::json mergePatch(const ResourceType& type, const std::string& ns, const std::string& name,
                              const nlohmann::json& patch) override;
    // With finalizers the object stays, terminating, until an update takes the last one away.
    void remove(const ResourceType& type, const std::string& ns, const std::string& name) override;

    // Stores the object as it is, status included, whether or not it existed.
    void put(const ResourceType& type, const nlohmann::json& object);
    bool exists(const ResourceType& type, const std::string& ns, const std::string& name);
    // The next `count` update() and updateStatus() calls for objects of this type meet a writer that was quicker: Conflict.
    void conflictNext(const ResourceType& type, int count);

private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace rdmalab::plugin
