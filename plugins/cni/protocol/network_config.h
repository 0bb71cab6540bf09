// Network configuration lists and the directory they are read from (libcni conf.go; spec/cni.md 1.7).
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

namespace rdmalab::plugin {

class Files;

struct NetworkPlugin {
    std::string type, name; // name: of the plugin's own object, usually empty
    std::string bytes;      // its object as JSON
};

struct NetworkConfigList {
    std::string name, cniVersion;
    bool disableCheck = false, disableGc = false;
    std::vector<NetworkPlugin> plugins;
    std::string bytes; // the whole list as it was read
};

// All throw std::runtime_error with libcni's texts. `directory` is where a list's plugin folder is looked for; empty = nowhere.
NetworkConfigList parseConfigList(const std::string& bytes, Files* files = nullptr, const std::string& directory = "");
NetworkPlugin parsePluginConfig(const std::string& bytes);                   // a single plugin's object
NetworkConfigList configListFromPlugin(const std::string& bytes);            // the same, as a list of one
NetworkConfigList loadConfigListFile(Files& files, const std::string& path); // by extension: .conflist, or .conf and .json

// Paths of the files with one of the extensions (".conf"), in name order. A missing directory has none.
std::vector<std::string> configFiles(Files& files, const std::string& directory, const std::vector<std::string>& extensions);

// As cnitool and most runtimes look a network up: lists before single files.
NetworkConfigList loadNetworkConfig(Files& files, const std::string& directory, const std::string& name);
// As containerd's go-cni: the first file of any kind.
NetworkConfigList loadFirstNetworkConfig(Files& files, const std::string& directory);

} // namespace rdmalab::plugin
