// What this machine can do for the tiers, found out by trying.
#pragma once

#include <string>
#include <vector>

namespace rdmalab::harness {

struct MachineCheck {
    std::string what; // "network namespaces"
    bool ok = false;
    std::string detail; // what was found, or why not
    std::string remedy; // what to do; empty when ok
    bool needed = true; // by the netns tier; false: told for information
};

// Tries everything that the netns tier does, in a throw-away lab. `pluginDirectory` holds the plugin executables.
std::vector<MachineCheck> checkMachine(const std::string& pluginDirectory);
// Empty when the netns tier can run here, else the first reason why not, with its remedy.
std::string netnsUnavailable(const std::vector<MachineCheck>& checks);

} // namespace rdmalab::harness
