#include "sim/cluster/store_impl.h"

#include "sim/clock/event_loop.h"
#include "sim/cluster/api_errors.h"
#include "sim/cluster/object_meta.h"

namespace rdmalab::cluster {

std::int64_t Store::Impl::gracePeriod(const Kind& kind, const Json& object, std::optional<int> asked) {
    if (kind.type.kind != "Pod" || stringAt(object, {"spec", "nodeName"}).empty())
        return 0;
    const std::string phase = stringAt(object, {"status", "phase"});
    if (phase == "Succeeded" || phase == "Failed")
        return 0;
    return asked ? *asked : intAt(object, {"spec", "terminationGracePeriodSeconds"}, 30);
}

void Store::Impl::removeObject(Kind& kind, const ObjectPtr& object, std::optional<int> graceSeconds) {
    if (!kind.validations.empty()) {
        Json going = *object;
        admit(kind.validations, Operation::remove, going, object.get());
    }
    const std::int64_t grace = gracePeriod(kind, *object, graceSeconds);
    const bool isNamespace = kind.type.kind == "Namespace";
    if (grace == 0 && !hasFinalizers(*object) && !isNamespace) {
        erase(kind, object);
        return;
    }
    if (isTerminating(*object) && grace >= intAt(*object, {"metadata", "deletionGracePeriodSeconds"}, 0))
        return;
    Json going = *object;
    const bool first = !isTerminating(going);
    going["metadata"]["deletionTimestamp"] = formatTimestamp(loop.now() + std::chrono::seconds(grace));
    going["metadata"]["deletionGracePeriodSeconds"] = grace;
    if (first && going["metadata"].contains("generation"))
        going["metadata"]["generation"] = going["metadata"]["generation"].get<std::int64_t>() + 1;
    if (isNamespace)
        going["status"]["phase"] = "Terminating";
    put(kind, std::move(going), object);
    if (isNamespace)
        emptyNamespace(nameOf(*object));
}

void Store::Impl::emptyNamespace(const std::string& ns) {
    post([this, ns] {
        for (Kind* kind : inOrder)
            if (kind->type.namespaced)
                for (const ObjectPtr& object : listAll(*kind, ns))
                    if (const ObjectPtr now = lookUp(*kind, ns, nameOf(*object)); now && !isTerminating(*now))
                        removeAnything(*kind, now);
        finishNamespace(ns);
    });
}

void Store::Impl::removeAnything(Kind& kind, const ObjectPtr& object) {
    if (isEvent(kind) && !kind.spaces.contains(namespaceOf(*object))) {
        if (const auto index = events.find(namespaceOf(*object), nameOf(*object)))
            events.remove(*index);
        return;
    }
    try {
        removeObject(kind, object, std::nullopt);
    } catch (const plugin::KubeError&) {
        // Refused by admission: the namespace stays Terminating, as it would.
    }
}

void Store::Impl::finishNamespace(const std::string& ns) {
    Kind& kind = kindNamed("Namespace");
    const ObjectPtr object = lookUp(kind, "", ns);
    if (!object || !isTerminating(*object) || hasFinalizers(*object))
        return;
    for (const Kind* other : inOrder)
        if (other->type.namespaced && other->spaces.contains(ns))
            return;
    erase(kind, object);
}

} // namespace rdmalab::cluster
