#include "sim/cluster/controllers/controller.h"

#include "sim/cluster/object_meta.h"

#include <fmt/format.h>

namespace rdmalab::cluster {

Controller::Controller(const ControllerContext& context, std::string kind, std::string component)
    : context_(context), kind_(std::move(kind)), component_(std::move(component)),
      queue_(context_.loop, [this](const std::string& key) {
          const auto slash = key.find('/');
          const ObjectPtr object = context_.store.find(kind_, key.substr(0, slash), key.substr(slash + 1));
          if (object && !isTerminating(*object))
              reconcile(*object);
      }) {
    watch_ = context_.store.watch(kind_, [this](const WatchEvent& change) { enqueue(*change.object); });
    podWatch_ = context_.pods.watchAll([this](const WatchEvent& change) {
        const Json& owner = controllerOf(*change.object);
        if (!owner.is_object() || stringAt(owner, {"kind"}) != kind_)
            return;
        // A look costs as much as there are pods: the more, the more events share one.
        const auto pods = context_.pods.ownedBy(stringAt(owner, {"uid"})).size();
        queue_.addBatched(namespaceOf(*change.object) + "/" + stringAt(owner, {"name"}),
                          std::chrono::microseconds(1000 + 10 * pods));
    });
}

Controller::~Controller() = default;

void Controller::enqueue(const Json& object, clock::Duration delay) {
    const std::string key = namespaceOf(object) + "/" + nameOf(object);
    if (delay == clock::Duration::zero())
        queue_.add(key);
    else
        queue_.addAfter(key, delay);
}

void Controller::enqueueAll() {
    for (const auto& object : context_.store.list(kind_))
        enqueue(*object);
}

ObjectPtr Controller::createPod(const Json& owner, Json pod) {
    Json& meta = pod["metadata"];
    meta["namespace"] = namespaceOf(owner);
    if (!meta.contains("name") && !meta.contains("generateName"))
        meta["generateName"] = nameOf(owner) + "-";
    meta["ownerReferences"] = Json::array({controllerReference(owner)});
    try {
        ObjectPtr created = context_.store.create(std::move(pod));
        context_.pods.observe(created);
        event(owner, "Normal", "SuccessfulCreate", "Created pod: " + nameOf(*created));
        return created;
    } catch (const plugin::KubeError& error) {
        event(owner, "Warning", "FailedCreate", fmt::format("Error creating: {}", error.what()));
        enqueue(owner, context_.timings(std::chrono::seconds(5)));
        return nullptr;
    }
}

void Controller::removePod(const Json& owner, const Json& pod) {
    const ObjectPtr now = context_.store.find("Pod", namespaceOf(pod), nameOf(pod));
    if (!now || uidOf(*now) != uidOf(pod) || isTerminating(*now))
        return;
    context_.store.remove("Pod", namespaceOf(pod), nameOf(pod));
    event(owner, "Normal", "SuccessfulDelete", "Deleted pod: " + nameOf(pod));
}

void Controller::writeStatus(const Json& object, Json status) {
    const ObjectPtr now = context_.store.find(kind_, namespaceOf(object), nameOf(object));
    if (!now || uidOf(*now) != uidOf(object) || at(*now, {"status"}) == status)
        return;
    Json changed{{"apiVersion", (*now)["apiVersion"]}, {"kind", kind_}, {"metadata", at(*now, {"metadata"})}};
    changed["status"] = std::move(status);
    context_.store.updateStatus(std::move(changed));
}

void Controller::event(const Json& about, const char* type, const std::string& reason, const std::string& message) {
    context_.store.recordEvent(about, type, reason, message, component_);
}

Json podFromTemplate(const Json& podTemplate) {
    Json pod{{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", Json::object()}, {"spec", at(podTemplate, {"spec"})}};
    for (const char* field : {"labels", "annotations"})
        if (const Json& map = at(podTemplate, {"metadata", field}); map.is_object())
            pod["metadata"][field] = map;
    return pod;
}

std::string templateHash(const Json& podTemplate) {
    static constexpr char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    std::uint32_t hash = 2166136261U;
    for (const unsigned char byte : podTemplate.dump())
        hash = (hash ^ byte) * 16777619U;
    // Upstream: each decimal digit of the hash becomes a letter by its character code.
    std::string text;
    for (const char digit : std::to_string(hash))
        text += letters[static_cast<unsigned char>(digit) % (sizeof letters - 1)];
    return text;
}

bool podReady(const Json& pod) {
    if (const Json& conditions = at(pod, {"status", "conditions"}); conditions.is_array())
        for (const Json& condition : conditions)
            if (stringAt(condition, {"type"}) == "Ready")
                return stringAt(condition, {"status"}) == "True";
    return false;
}

bool podActive(const Json& pod) {
    const std::string phase = stringAt(pod, {"status", "phase"});
    return phase != "Succeeded" && phase != "Failed" && !isTerminating(pod);
}

std::int64_t intOrPercent(const Json& value, std::int64_t total, bool roundUp, std::int64_t otherwise) {
    if (value.is_number_integer())
        return value.get<std::int64_t>();
    if (!value.is_string())
        return otherwise;
    const std::string text = value.get<std::string>();
    const std::int64_t percent = std::strtoll(text.c_str(), nullptr, 10);
    return text.ends_with("%") ? (percent * total + (roundUp ? 99 : 0)) / 100 : percent;
}

} // namespace rdmalab::cluster
