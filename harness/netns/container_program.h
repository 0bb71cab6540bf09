// What a container of the netns tier runs: its own command, or the program behind a component's image.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace rdmalab::cluster {
struct ContainerConfig;
}

namespace rdmalab::harness {

inline constexpr const char* pluginsInContainer = "/opt/rdmalab/bin";

struct ContainerProgram {
    std::vector<std::string> argv;
    std::map<std::string, std::string> environment;
    std::map<std::string, std::map<std::string, std::string>> files; // directory -> name -> content
    bool needsPlugins = false;                                       // pluginsInContainer is mounted
    std::string readySocket;                                         // on the node; serving it makes the container ready
};

struct ComponentContext {
    std::string release;    // "0.8", "1.2"
    std::string kubeconfig; // content
    std::string nodeName;
};

// Throws std::runtime_error for an image that says nothing about what to run, when the pod does not either.
ContainerProgram containerProgram(const cluster::ContainerConfig& config, const ComponentContext& context);

} // namespace rdmalab::harness
