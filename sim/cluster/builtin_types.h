#pragma once

#include "plugins/kube/kube_client.h"

#include <vector>

namespace rdmalab::cluster {

struct BuiltinType {
    plugin::ResourceType type;
    bool statusSubresource; // status is written apart from the rest
};

// Every kind a fresh Store knows.
const std::vector<BuiltinType>& builtinTypes();

} // namespace rdmalab::cluster
