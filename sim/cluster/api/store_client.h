#pragma once

#include "plugins/kube/kube_client.h"

namespace rdmalab::cluster {

class Store;

// The store as a Kubernetes client, for code that runs in the same process on the same loop.
class StoreClient final : public plugin::KubeClient {
public:
    explicit StoreClient(Store& store) : store_(store) {}

    nlohmann::json get(const plugin::ResourceType& type, const std::string& ns, const std::string& name) override;
    nlohmann::json list(const plugin::ResourceType& type, const std::string& ns) override;
    nlohmann::json create(const plugin::ResourceType& type, const nlohmann::json& object) override;
    nlohmann::json update(const plugin::ResourceType& type, const nlohmann::json& object) override;
    nlohmann::json updateStatus(const plugin::ResourceType& type, const nlohmann::json& object) override;
    nlohmann::json mergePatch(const plugin::ResourceType& type, const std::string& ns, const std::string& name,
                              const nlohmann::json& patch) override;
    void remove(const plugin::ResourceType& type, const std::string& ns, const std::string& name) override;

private:
    Store& store_;
};

} // namespace rdmalab::cluster
