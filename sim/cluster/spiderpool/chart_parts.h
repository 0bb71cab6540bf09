// Pieces that the chart's templates share.
#pragma once

#include "sim/cluster/object_meta.h"
#include "sim/cluster/spiderpool/profile.h"

#include <string>

namespace rdmalab::cluster {

class ChartContext {
public:
    ChartContext(const Json& userValues, SpiderpoolProfile profile, std::string releaseNamespace);

    const Json& values() const { return values_; }
    const Json& component(const char* key) const { return values_[key]; } // "spiderpoolAgent", ...
    bool old() const { return profile_ == SpiderpoolProfile::v0_8; }
    SpiderpoolProfile profile() const { return profile_; }
    const std::string& ns() const { return ns_; }
    std::string appVersion() const { return old() ? "0.8.2" : "1.2.1"; }

    // "ghcr.io/spidernet-io/...:v0.8.2"; an empty tag is the chart's own version.
    std::string image(const Json& image) const;
    Json selectorLabels(const std::string& component) const;
    Json labels(const std::string& component) const;
    Json metadata(const std::string& name, const std::string& component) const;
    Json container(const std::string& name, const Json& image) const;
    // httpGet on 127.0.0.1 with the thresholds of `healthChecking`; adds startup, liveness and readiness.
    void addProbes(Json& container, const Json& component, int readinessDelay) const;

private:
    Json values_;
    SpiderpoolProfile profile_;
    std::string ns_;
};

Json env(const std::string& name, const Json& value); // the value printed as Helm's `quote` does
Json envFromField(const std::string& name, const std::string& fieldPath);
Json mount(const std::string& volume, const std::string& path, bool readOnly = false);
Json hostPathVolume(const std::string& name, const std::string& path, bool create = true);
Json configMapVolume(const std::string& name, const std::string& configMap, const Json& items = nullptr, int mode = 0);
std::string text(const Json& value); // a scalar as a template prints it
std::string directoryOf(const std::string& path);
void appendAll(Json& list, const Json& more);

// The templates.
Json agentDaemonSet(const ChartContext& chart);
Json controllerDeployment(const ChartContext& chart);
Json initWorkload(const ChartContext& chart); // a Pod in v0.8, a Job since v1.0

} // namespace rdmalab::cluster
