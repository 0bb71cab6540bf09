#pragma once

#include "plugins/http/tcp_http_client.h"
#include "plugins/kube/kube_client.h"

namespace rdmalab::plugin {

// The Kubernetes REST API over HTTP. A refusal is KubeError with the server's Status; no answer is KubeError code 0.
class HttpKubeClient final : public KubeClient {
public:
    HttpKubeClient(const std::string& address, int port) : http_(address, port) {}

    nlohmann::json get(const ResourceType& type, const std::string& ns, const std::string& name) override;
    nlohmann::json list(const ResourceType& type, const std::string& ns) override;
    nlohmann::json create(const ResourceType& type, const nlohmann::json& object) override;
    nlohmann::json update(const ResourceType& type, const nlohmann::json& object) override;
    nlohmann::json updateStatus(const ResourceType& type, const nlohmann::json& object) override;
    nlohmann::json mergePatch(const ResourceType& type, const std::string& ns, const std::string& name,
                              const nlohmann::json& patch) override;
    void remove(const ResourceType& type, const std::string& ns, const std::string& name) override;

private:
    nlohmann::json call(const std::string& method, const std::string& target, const std::string& body = {},
                        const std::string& contentType = "application/json");

    TcpHttpClient http_;
};

} // namespace rdmalab::plugin
