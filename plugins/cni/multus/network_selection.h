// The pod annotations that choose networks (multus pkg/k8sclient; spec/cni.md 6.2).
#pragma once

#include "plugins/cni/multus/delegate.h"

namespace rdmalab::plugin::multus {

// Both syntaxes: "ns/name@if,name" and a JSON list. Elements without a namespace get `defaultNamespace`.
// Throws std::runtime_error with upstream's texts.
std::vector<NetworkSelection> parseNetworkSelections(const std::string& annotation, const std::string& defaultNamespace);

} // namespace rdmalab::plugin::multus
