#include "harness/tier/spiderpool_install.h"

#include "harness/components/component.h"
#include "sim/cluster/cluster.h"
#include "sim/cluster/spiderpool/admission.h"
#include "sim/cluster/spiderpool/chart.h"
#include "sim/cluster/spiderpool/helm_set.h"
#include "sim/cluster/spiderpool/spiderpool_controller.h"

#include <set>
#include <stdexcept>

namespace rdmalab::harness {

using cluster::Json;
using cluster::WatchEvent;

namespace {

bool isReady(const Json& pod) {
    for (const auto& condition : pod.value("status", Json::object()).value("conditions", Json::array()))
        if (condition.value("type", "") == "Ready")
            return condition.value("status", "") == "True";
    return false;
}

bool isController(const Json& pod) {
    for (const auto& container : pod.at("spec").value("containers", Json::array())) {
        const Json command = container.value("command", Json::array());
        const std::string program = command.empty() ? std::string() : command.at(0).get<std::string>();
        if (componentOf(container.value("image", ""), program) == Component::spiderpoolController)
            return true;
    }
    return false;
}

// The controllers run in the control plane's process; the pod of the Deployment decides when.
class Installation final : public SpiderpoolInstallation {
public:
    Installation(const scenario::Scenario& scenario, cluster::Cluster& cluster, clock::EventLoop& loop)
        : store_(cluster.store()) {
        const auto profile = cluster::spiderpoolProfile(scenario.compat.spiderpool);
        cluster::SpiderpoolAdmissionOptions admission;
        admission.profile = profile;
        if (!scenario.helm) {
            cluster::installSpiderpoolAdmission(store_, admission);
            return;
        }
        Json values = *scenario.helm->values;
        if (values.is_null())
            values = Json::object();
        for (const auto& expression : scenario.helm->set) {
            try {
                cluster::applyHelmSet(values, expression.text);
            } catch (const std::invalid_argument& error) {
                throw std::runtime_error(expression.place.str() + ": --set " + expression.text + ": " + error.what());
            }
        }
        const auto objects = cluster::renderChart(values, profile, scenario.helm->ns);
        cluster::SpiderpoolControllerOptions options;
        options.profile = profile;
        options.ns = scenario.helm->ns;
        controller_ = std::make_unique<cluster::SpiderpoolController>(store_, loop, options);
        admission.serving = [this] { return controller_->running(); };
        admission.serviceNamespace = scenario.helm->ns;
        cluster::installSpiderpoolAdmission(store_, admission);
        watch_ = store_.watch("Pod", [this](const WatchEvent& event) { observe(event); });
        for (const auto& object : objects)
            store_.create(object);
    }

private:
    void observe(const WatchEvent& event) {
        const Json& pod = *event.object;
        if (!isController(pod))
            return;
        const std::string uid = pod.at("metadata").value("uid", "");
        if (event.type != WatchEvent::Type::removed && isReady(pod))
            ready_.insert(uid);
        else
            ready_.erase(uid);
        if (!ready_.empty() && !controller_->running())
            controller_->start();
        else if (ready_.empty() && controller_->running())
            controller_->stop();
    }

    cluster::Store& store_;
    std::unique_ptr<cluster::SpiderpoolController> controller_;
    std::set<std::string> ready_; // uids of controller pods
    cluster::Store::Subscription watch_;
};

} // namespace

std::unique_ptr<SpiderpoolInstallation> installSpiderpool(const scenario::Scenario& scenario, cluster::Cluster& cluster,
                                                          clock::EventLoop& loop) {
    return std::make_unique<Installation>(scenario, cluster, loop);
}

} // namespace rdmalab::harness
