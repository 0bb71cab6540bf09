// The components of the charts as objects: what their process would do on the node.
#pragma once

#include "harness/components/component.h"
#include "sim/cluster/node_host.h"

#include <functional>
#include <memory>
#include <string>

namespace rdmalab::harness {

class ModelNode;

// Lives as long as its container runs; its destructor is the process's end.
class ModelComponent {
public:
    ModelComponent() = default;
    ModelComponent(const ModelComponent&) = delete;
    ModelComponent& operator=(const ModelComponent&) = delete;
    virtual ~ModelComponent() = default;
};

struct ComponentHooks {
    std::function<void(const std::string& line)> log;
    std::function<void(int code)> exit; // ends the container; may be called later, not from the constructor
};

// Null for an image that is none of ours. Throws std::runtime_error when the component cannot start: its container then ends
// with status 1 and these words in its log.
std::unique_ptr<ModelComponent> startComponent(const cluster::ContainerConfig& config, ModelNode& node, ComponentHooks hooks);

} // namespace rdmalab::harness
