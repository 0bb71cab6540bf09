// Spiderpool's admission webhooks as functions: they change or judge one object. Rules that look at other objects need a store;
// without one only the static rules apply.
#pragma once

#include "sim/cluster/api_errors.h"
#include "sim/cluster/spiderpool/profile.h"

#include <nlohmann/json.hpp>

#include <vector>

namespace rdmalab::cluster {

class Store;

struct WebhookContext {
    const Store* store = nullptr;
    SpiderpoolProfile profile = SpiderpoolProfile::v1_2;
    bool enableIPv4 = true, enableIPv6 = true;
    bool enableSpiderSubnet = true;
    bool validateDeletion = false; // enableValidatingResourcesDeletedWebhook
    bool old() const { return profile == SpiderpoolProfile::v0_8; }
};

// The objects have the types of their schema already. A mutation that fails upstream is only logged there: it stops half way.
void mutateIpPool(nlohmann::json& object, const WebhookContext& context);
void mutateSubnet(nlohmann::json& object, const WebhookContext& context);
void mutateReservedIp(nlohmann::json& object, const WebhookContext& context);
void mutateCoordinator(nlohmann::json& object, const WebhookContext& context);
void mutateMultusConfig(nlohmann::json& object, const WebhookContext& context);

// `old` is null on create. Each stops at the same finding as upstream.
std::vector<FieldError> validateIpPool(const nlohmann::json& object, const nlohmann::json* old, const WebhookContext& context);
std::vector<FieldError> validateSubnet(const nlohmann::json& object, const nlohmann::json* old, const WebhookContext& context);
std::vector<FieldError> validateReservedIp(const nlohmann::json& object, const nlohmann::json* old,
                                           const WebhookContext& context);
std::vector<FieldError> validateCoordinator(const nlohmann::json& object, const nlohmann::json* old,
                                            const WebhookContext& context);
std::vector<FieldError> validateMultusConfig(const nlohmann::json& object, const nlohmann::json* old,
                                             const WebhookContext& context);

// The rules that the pool and the subnet webhook share; `kindText` is always "IPPool", in subnets too.
namespace ipam_rules {

std::vector<std::string> strings(const nlohmann::json& list);
std::string cidrLabel(const std::string& cidr); // "172.81.0.0/16" -> "172-81-0-0-16"
std::vector<FieldError> ipVersion(const nlohmann::json& spec, const WebhookContext& context, const char* underivable);
std::vector<FieldError> unchangeable(const nlohmann::json& spec, const nlohmann::json& oldSpec);
std::vector<FieldError> cidrFormat(int version, const std::string& subnet, bool mustBeFormatted);
std::vector<FieldError> containsRange(const std::string& field, int version, const std::string& subnet, const std::string& range);
std::vector<FieldError> containsAddress(const std::string& field, int version, const std::string& subnet, const std::string& ip);
std::vector<FieldError> gateway(int version, const nlohmann::json& spec);
std::vector<FieldError> routes(int version, const nlohmann::json& spec);
bool cidrsOverlap(const std::string& a, const std::string& b);
void deriveVersionFromSubnet(nlohmann::json& spec);
void mergeList(nlohmann::json& spec, const char* key); // leaves the list alone when it cannot be merged

} // namespace ipam_rules

// The part of a coordinator's spec that a SpiderMultusConfig has too.
std::vector<FieldError> validateCoordinatorSpec(const nlohmann::json& spec, bool isCoordinator, const WebhookContext& context);

} // namespace rdmalab::cluster
