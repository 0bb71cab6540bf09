// What the controllers have in common: a watch on their own kind, one on the pods they own, and a queue of keys.
#pragma once

#include "sim/cluster/controllers/work_queue.h"
#include "sim/cluster/pod_source.h"
#include "sim/cluster/store.h"
#include "sim/cluster/timings.h"

#include <string>

namespace rdmalab::cluster {

struct ControllerContext {
    Store& store;
    clock::EventLoop& loop;
    PodSource& pods;
    Timings timings;
};

class Controller {
public:
    Controller(const ControllerContext& context, std::string kind, std::string component);
    virtual ~Controller();
    Controller(const Controller&) = delete;
    Controller& operator=(const Controller&) = delete;

protected:
    virtual void reconcile(const Json& object) = 0;

    void enqueue(const Json& object, clock::Duration delay = {});
    void enqueueAll();
    // Creates a pod from the template for `owner`: generateName, namespace, labels and owner are filled in. Events
    // SuccessfulCreate or FailedCreate; null and another try later when it was refused.
    ObjectPtr createPod(const Json& owner, Json pod);
    void removePod(const Json& owner, const Json& pod);
    // Writes the status when it differs.
    void writeStatus(const Json& object, Json status);
    void event(const Json& about, const char* type, const std::string& reason, const std::string& message);

    ControllerContext context_;
    const std::string kind_, component_;

private:
    WorkQueue queue_;
    Store::Subscription watch_, podWatch_;
};

// {apiVersion, kind, metadata: {labels, annotations}, spec} of a pod template.
Json podFromTemplate(const Json& podTemplate);
// controller-revision-hash / pod-template-hash: letters that depend only on the template.
std::string templateHash(const Json& podTemplate);
bool podReady(const Json& pod);
bool podActive(const Json& pod); // neither finished nor going
// "25%" or 3, of `total`; a percentage is rounded up or down.
std::int64_t intOrPercent(const Json& value, std::int64_t total, bool roundUp, std::int64_t otherwise);

} // namespace rdmalab::cluster
