// What a container runtime needs of CNI: the first network of a directory, and attaching containers to it (containerd go-cni).
#pragma once

#include "plugins/cni/protocol/cni_client.h"

namespace rdmalab::plugin {

class CniRuntime {
public:
    struct Options {
        std::string confDir = "/etc/cni/net.d";
        CniClient::Options client;
    };
    // `files` and `exec` must outlive the object.
    CniRuntime(Files& files, CniExec& exec, Options options);
    CniRuntime(Files& files, CniExec& exec) : CniRuntime(files, exec, Options{}) {}

    // Empty when a network is configured, else the reason: `cni config load failed: no network config found in D: cni plugin
    // not initialized: failed to load cni config`. The directory is read afresh by every call of this class.
    std::string notReady();

    // CNI ADD on the first network. Returns the result JSON. Nothing is undone on failure: the caller sends `remove`, as
    // containerd does. Throws CniError {code, message, details}.
    std::string add(const CniAttachment& attachment);
    void remove(const CniAttachment& attachment);
    void check(const CniAttachment& attachment);

    // CNI_ARGS as the CRI plugin of containerd sets them.
    static CniAttachment kubernetesAttachment(const std::string& containerId, const std::string& netns,
                                              const std::string& podNamespace, const std::string& podName,
                                              const std::string& podUid, const std::string& ifName = "eth0",
                                              const std::string& capabilityArgs = "");

private:
    Files& files_;
    std::string confDir_;
    CniClient client_;
};

} // namespace rdmalab::plugin
