// One call of multus for one pod.
#pragma once

#include "plugins/cni/multus/net_config.h"
#include "plugins/cni/protocol/cni_client.h"
#include "plugins/cni/protocol/cni_result.h"
#include "plugins/cni/protocol/skeleton.h"
#include "plugins/kube/kube_client.h"

#include <nlohmann/json.hpp>

namespace rdmalab::plugin::multus {

class MultusRun {
public:
    explicit MultusRun(const CniRequest& request); // throws CniError 999

    std::string add(); // the first network's result
    void del();
    void check();

private:
    enum class PodLookup { found, missing, mismatched, noClient };

    std::string prefix() const;
    [[noreturn]] void fail(const std::string& message) const;
    void waitForReadinessFile();
    void connect();
    PodLookup findPod();
    void sleep(int milliseconds) const;
    CniClient client() const;
    CniAttachment attachment(const Delegate& delegate, std::size_t index) const;
    std::string deviceInfoPath(const Delegate& delegate, const std::string& ifName) const;
    void resolveDelegates();
    std::string addDelegate(const Delegate& delegate, const CniAttachment& attachment);
    void copyDeviceInfo(const Delegate& delegate, const std::string& ifName);
    void applyDefaultRoutes(const Delegate& delegate, const CniAttachment& attachment, const CniResult& result);
    void delegateDel(const Delegate& delegate, const CniAttachment& attachment);
    std::vector<std::string> deleteDelegates(std::size_t count); // from the last one back; errors are collected
    void writeStatus(const std::vector<std::string>& statuses);
    void emitEvent(const std::string& type, const std::string& reason, const std::string& message);
    std::string scratchPath() const;

    const CniRequest& request_;
    NetConf conf_;
    std::map<std::string, std::string> args_;
    std::unique_ptr<KubeClient> kube_;
    nlohmann::json pod_; // null without one
};

} // namespace rdmalab::plugin::multus
