#include "sim/cluster/controllers/job.h"

#include "sim/cluster/kubelet/pod_status.h"
#include "sim/cluster/object_meta.h"

#include <algorithm>
#include <set>

namespace rdmalab::cluster {

namespace {

constexpr const char* indexKey = "batch.kubernetes.io/job-completion-index";

bool hasCondition(const Json& job, const char* type) {
    if (const Json& conditions = at(job, {"status", "conditions"}); conditions.is_array())
        for (const Json& condition : conditions)
            if (stringAt(condition, {"type"}) == type && stringAt(condition, {"status"}) == "True")
                return true;
    return false;
}

std::int64_t restartsOf(const Json& pod) {
    std::int64_t restarts = 0;
    for (const char* section : {"containerStatuses", "initContainerStatuses"})
        if (const Json& list = at(pod, {"status", section}); list.is_array())
            for (const Json& status : list)
                restarts += intAt(status, {"restartCount"});
    return restarts;
}

} // namespace

JobController::JobController(const ControllerContext& context) : Controller(context, "Job", "job-controller") {}

Json JobController::podFor(const Json& job, std::int64_t index) const {
    Json pod = podFromTemplate(at(job, {"spec", "template"}));
    Json& labels = pod["metadata"]["labels"];
    for (const char* prefix : {"batch.kubernetes.io/", ""}) {
        labels[std::string(prefix) + "job-name"] = nameOf(job);
        labels[std::string(prefix) + "controller-uid"] = uidOf(job);
    }
    if (index < 0)
        return pod;
    const std::string text = std::to_string(index);
    labels[indexKey] = text;
    pod["metadata"]["annotations"][indexKey] = text;
    pod["metadata"]["generateName"] = nameOf(job) + "-" + text + "-";
    for (const char* section : {"initContainers", "containers"})
        if (pod["spec"].contains(section))
            for (Json& container : pod["spec"][section]) {
                Json& env = container["env"];
                if (!env.is_array())
                    env = Json::array();
                env.push_back({{"name", "JOB_COMPLETION_INDEX"}, {"value", text}});
            }
    return pod;
}

void JobController::finish(const Json& job, Json status, bool complete) {
    const std::string now = context_.store.timestamp();
    status.erase("active");
    if (complete) {
        status["completionTime"] = now;
        setCondition(status, "SuccessCriteriaMet", true, "CompletionsReached", "Reached expected number of succeeded pods", now);
        setCondition(status, "Complete", true, "CompletionsReached", "Reached expected number of succeeded pods", now);
        event(job, "Normal", "Completed", "Job completed");
    } else {
        setCondition(status, "FailureTarget", true, "BackoffLimitExceeded", "Job has reached the specified backoff limit", now);
        setCondition(status, "Failed", true, "BackoffLimitExceeded", "Job has reached the specified backoff limit", now);
        event(job, "Warning", "BackoffLimitExceeded", "Job has reached the specified backoff limit");
    }
    writeStatus(job, std::move(status));
}

void JobController::reconcile(const Json& job) {
    if (hasCondition(job, "Complete") || hasCondition(job, "Failed"))
        return;
    const bool indexed = stringAt(job, {"spec", "completionMode"}) == "Indexed";
    const std::int64_t parallelism = intAt(job, {"spec", "parallelism"}, 1);
    const Json& completionsField = at(job, {"spec", "completions"});
    const bool anySuccess = completionsField.is_null() && job["spec"].contains("parallelism");
    const std::int64_t completions = completionsField.is_number_integer() ? completionsField.get<std::int64_t>() : 1;
    std::vector<ObjectPtr> active;
    std::int64_t succeeded = 0, failed = 0, restarts = 0, ready = 0;
    std::set<std::int64_t> taken; // indexes that run or are done
    for (const auto& [uid, pod] : context_.pods.ownedBy(uidOf(job))) {
        const std::string phase = stringAt(*pod, {"status", "phase"});
        const auto index = std::stoll(labelOf(*pod, indexKey).value_or("-1"));
        if (phase == "Succeeded") {
            succeeded += indexed && taken.contains(index) ? 0 : 1;
            taken.insert(index);
        } else if (phase == "Failed") {
            ++failed;
        } else if (!isTerminating(*pod)) {
            active.push_back(pod);
            taken.insert(index);
            restarts += restartsOf(*pod);
            ready += podReady(*pod) ? 1 : 0;
        }
    }
    Json status = at(job, {"status"}).is_object() ? at(job, {"status"}) : Json::object();
    if (!status.contains("startTime"))
        status["startTime"] = context_.store.timestamp();
    const auto set = [&](const char* key, std::int64_t value) {
        if (value > 0)
            status[key] = value;
        else
            status.erase(key);
    };
    set("succeeded", succeeded);
    set("failed", failed);
    set("ready", ready);
    if (failed + restarts > intAt(job, {"spec", "backoffLimit"}, 6)) {
        for (const auto& pod : active)
            removePod(job, *pod);
        return finish(job, std::move(status), false);
    }
    if (succeeded >= completions || (anySuccess && succeeded > 0 && active.empty()))
        return finish(job, std::move(status), true);

    auto missing = std::min(parallelism, anySuccess ? (succeeded > 0 ? 0 : parallelism) : completions - succeeded) -
                   static_cast<std::int64_t>(active.size());
    Failures& failures = failures_[uidOf(job)];
    const Timings& timings = context_.timings;
    if (failed > failures.seen)
        failures.notBefore =
            context_.loop.now() + timings(doubled(timings.jobBackoff, timings.jobBackoffMax, static_cast<int>(failed) - 1));
    failures.seen = failed;
    if (missing > 0 && context_.loop.now() < failures.notBefore) {
        enqueue(job, failures.notBefore - context_.loop.now());
    } else {
        for (std::int64_t index = 0; missing > 0; --missing) {
            while (indexed && taken.contains(index))
                ++index;
            const ObjectPtr pod = createPod(job, podFor(job, indexed ? index++ : -1));
            if (!pod)
                break;
            active.push_back(pod);
        }
    }
    set("active", static_cast<std::int64_t>(active.size()));
    writeStatus(job, std::move(status));
}

} // namespace rdmalab::cluster
