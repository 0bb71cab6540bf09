// The part of the Kubernetes API that plugins and agents use.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

namespace rdmalab::plugin {

// An API server's refusal, as in a metav1.Status.
class KubeError : public std::runtime_error {
public:
    KubeError(int code, std::string reason, const std::string& message)
        : std::runtime_error(message), code_(code), reason_(std::move(reason)) {}
    int code() const noexcept { return code_; }                    // HTTP status; 0 = no answer
    const std::string& reason() const noexcept { return reason_; } // "NotFound", "Conflict", "AlreadyExists", "Invalid"
    bool notFound() const noexcept { return code_ == 404; }
    bool conflict() const noexcept { return reason_ == "Conflict"; }
    bool alreadyExists() const noexcept { return reason_ == "AlreadyExists"; }

private:
    int code_;
    std::string reason_;
};

// A resource type: {"spiderpool.spidernet.io/v2beta1", "spiderippools", "SpiderIPPool", false}.
struct ResourceType {
    std::string apiVersion; // "v1", "apps/v1", "k8s.cni.cncf.io/v1"
    std::string plural;     // "pods"
    std::string kind;       // "Pod"
    bool namespaced = true;
};

// Objects are JSON as in the API. Every call throws KubeError.
class KubeClient {
public:
    KubeClient() = default;
    KubeClient(const KubeClient&) = delete;
    KubeClient& operator=(const KubeClient&) = delete;
    virtual ~KubeClient() = default;

    virtual nlohmann::json get(const ResourceType& type, const std::string& ns, const std::string& name) = 0;
    virtual nlohmann::json list(const ResourceType& type, const std::string& ns) = 0; // array of items; empty ns = all
    virtual nlohmann::json create(const ResourceType& type, const nlohmann::json& object) = 0;
    // Replaces; a stale metadata.resourceVersion is a Conflict.
    virtual nlohmann::json update(const ResourceType& type, const nlohmann::json& object) = 0;
    virtual nlohmann::json updateStatus(const ResourceType& type, const nlohmann::json& object) = 0;
    virtual nlohmann::json mergePatch(const ResourceType& type, const std::string& ns, const std::string& name,
                                      const nlohmann::json& patch) = 0;
    virtual void remove(const ResourceType& type, const std::string& ns, const std::string& name) = 0;
};

namespace resource {
extern const ResourceType pod, node, configMap, ns, event, daemonSet, endpoints;
extern const ResourceType nad;                                                     // k8s.cni.cncf.io/v1
extern const ResourceType ipPool, reservedIp, endpoint, multusConfig, coordinator; // spiderpool.spidernet.io/v2beta1
} // namespace resource

} // namespace rdmalab::plugin
