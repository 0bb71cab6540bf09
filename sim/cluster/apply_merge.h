// What `kubectl apply` (client side) does to a live object, without a server.
#pragma once

#include <nlohmann/json.hpp>

#include <string_view>

namespace rdmalab::cluster {

inline constexpr std::string_view lastAppliedAnnotation = "kubectl.kubernetes.io/last-applied-configuration";

// The manifest as apply sends it at creation: with its own text in the last-applied annotation.
nlohmann::json withLastApplied(const nlohmann::json& manifest);

// Three-way JSON merge: values of the manifest win, fields of the last applied manifest that the manifest no longer has go,
// everything else of the live object stays. An object that was not created by apply has no last applied manifest, so all its
// fields stay; that is what makes a server-side default survive an apply.
nlohmann::json applyMerge(const nlohmann::json& live, const nlohmann::json& manifest);

} // namespace rdmalab::cluster
