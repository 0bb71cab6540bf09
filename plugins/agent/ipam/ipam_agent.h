// The Spiderpool agent: hands out the addresses of SpiderIPPools to the pods of a node and tells the coordinator plugin its
// settings (spec/spiderpool.md, sections 2 and 8; cmd/spiderpool-agent, pkg/ipam).
#pragma once

#include "plugins/agent/ipam/agent_config.h"
#include "plugins/http/http.h"

#include <chrono>
#include <functional>
#include <memory>

namespace rdmalab::plugin {

class Files;
class Kernel;
class KubeClient;

// What the agent needs besides the API; everything may be left out.
struct AgentHost {
    std::function<void(std::chrono::milliseconds)> sleep; // between retries; empty = retry at once
    Kernel* kernel = nullptr; // the node's network and files: reserved for matchMasterSubnet, which is not offered yet
    Files* files = nullptr;
    std::function<void(const std::string& line)> log;
};

class IpamAgent {
public:
    // `kube` must outlive the agent. It is used from several threads when handle() is, so it must allow that.
    IpamAgent(KubeClient& kube, AgentConfig config, AgentHost host = {});
    ~IpamAgent();
    IpamAgent(const IpamAgent&) = delete;
    IpamAgent& operator=(const IpamAgent&) = delete;

    // Any /v1 call of the unix socket or the health port. Thread-safe; whatever is wrong is told in the answer.
    HttpResponse handle(const HttpRequest& request);
    const AgentConfig& config() const noexcept;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// The host-wide sysctls that the agent sets when it starts (section 2.9); keys that the kernel does not have are skipped.
void tuneHostSysctls(Kernel& kernel);

} // namespace rdmalab::plugin
