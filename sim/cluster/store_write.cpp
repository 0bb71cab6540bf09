#include "sim/cluster/store_impl.h"

#include "sim/clock/event_loop.h"
#include "sim/cluster/api_errors.h"
#include "sim/cluster/object_meta.h"

namespace rdmalab::cluster {
namespace {

// What only the server writes in metadata; an update cannot change it.
constexpr const char* serverFields[] = {"uid",        "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
                                        "generation", "generateName"};

// Whether anything but metadata (and, when it is written apart, status) differs.
bool sameDesiredState(const Json& a, const Json& b, bool statusApart) {
    const auto skipped = [&](const std::string& key) { return key == "metadata" || (statusApart && key == "status"); };
    for (const auto& [key, value] : a.items())
        if (!skipped(key)) {
            const auto other = b.find(key);
            if (other == b.end() || *other != value)
                return false;
        }
    for (const auto& [key, value] : b.items())
        if (!skipped(key) && !a.contains(key))
            return false;
    return true;
}

} // namespace

void Store::Impl::admit(const std::vector<Admission>& steps, Operation operation, Json& object, const Json* old) const {
    AdmissionRequest request{operation, object, old};
    for (const Admission& step : steps)
        step(request);
}

Store::Impl::Where Store::Impl::whereIs(Kind& kind, const Json& object) const {
    return {&kind, std::string(spaceOf(kind, namespaceOf(object))), nameOf(object)};
}

void Store::Impl::index(Kind& kind, const Json& object, const Json* old) {
    static const Json none;
    const Json& before = old ? at(*old, {"metadata", "ownerReferences"}) : none;
    const Json& now = at(object, {"metadata", "ownerReferences"});
    if (before == now)
        return;
    for (const Json& reference : before)
        dropDependent(stringAt(reference, {"uid"}), whereIs(kind, object));
    for (const Json& reference : now) {
        const std::string uid = stringAt(reference, {"uid"});
        dependents[uid].insert(whereIs(kind, object));
        // An owner that is already gone: the collector finds out and follows it.
        if (!live.contains(uid))
            post([this, uid] { collect(uid); });
    }
}

void Store::Impl::dropDependent(const std::string& ownerUid, const Where& where) {
    const auto it = dependents.find(ownerUid);
    if (it == dependents.end())
        return;
    it->second.erase(where);
    if (it->second.empty())
        dependents.erase(it);
}

ObjectPtr Store::Impl::put(Kind& kind, Json object, const ObjectPtr& old) {
    object["metadata"]["resourceVersion"] = std::to_string(++version);
    auto stored = std::make_shared<const Json>(std::move(object));
    const std::string_view ns = spaceOf(kind, namespaceOf(*stored));
    auto space = kind.spaces.find(ns);
    if (space == kind.spaces.end())
        space = kind.spaces.emplace(std::string(ns), Space()).first;
    space->second[nameOf(*stored)] = stored;
    if (!old)
        live.emplace(uidOf(*stored), whereIs(kind, *stored));
    index(kind, *stored, old.get());
    announce(kind, {old ? WatchEvent::Type::modified : WatchEvent::Type::added, stored, old}, version);
    return stored;
}

void Store::Impl::erase(Kind& kind, const ObjectPtr& object) {
    const Where where = whereIs(kind, *object);
    const auto space = kind.spaces.find(where.ns);
    space->second.erase(where.name);
    if (space->second.empty())
        kind.spaces.erase(space);
    ++version;
    const std::string uid = uidOf(*object);
    live.erase(uid);
    for (const Json& reference : at(*object, {"metadata", "ownerReferences"}))
        dropDependent(stringAt(reference, {"uid"}), where);
    if (dependents.contains(uid))
        post([this, uid] { collect(uid); });
    announce(kind, {WatchEvent::Type::removed, object, object}, version);
    if (kind.type.namespaced)
        finishNamespace(where.ns);
}

void Store::Impl::collect(const std::string& uid) {
    const auto it = dependents.find(uid);
    if (it == dependents.end() || live.contains(uid))
        return;
    const std::vector<Where> orphans(it->second.begin(), it->second.end());
    for (const Where& where : orphans) {
        const ObjectPtr object = lookUp(*where.kind, where.ns, where.name);
        if (!object || isTerminating(*object))
            continue;
        Json kept = Json::array();
        bool otherOwner = false;
        for (const Json& reference : at(*object, {"metadata", "ownerReferences"})) {
            const std::string owner = stringAt(reference, {"uid"});
            if (owner == uid)
                continue;
            kept.push_back(reference);
            otherOwner = otherOwner || live.contains(owner);
        }
        if (otherOwner) {
            Json changed = *object;
            changed["metadata"]["ownerReferences"] = std::move(kept);
            put(*where.kind, std::move(changed), object);
            continue;
        }
        try {
            removeObject(*where.kind, object, std::nullopt);
        } catch (const plugin::KubeError&) {
            // Admission refused; the real collector retries for ever, with the same answer.
        }
    }
}

ObjectPtr Store::Impl::write(Kind& kind, const ObjectPtr& old, Json object, bool statusOnly) {
    Json& meta = object["metadata"];
    const Json& oldMeta = at(*old, {"metadata"});
    if (const std::string given = stringAt(meta, {"resourceVersion"});
        !given.empty() && given != stringAt(oldMeta, {"resourceVersion"}))
        throw modifiedConflict(kind.type, nameOf(*old));
    if (const std::string given = stringAt(meta, {"uid"}); !given.empty() && given != uidOf(*old))
        throw conflict(kind.type, nameOf(*old),
                       "Precondition failed: UID in precondition: " + given + ", UID in object meta: " + uidOf(*old));
    meta["resourceVersion"] = at(oldMeta, {"resourceVersion"});
    for (const char* field : serverFields) {
        if (const auto it = oldMeta.find(field); it != oldMeta.end())
            meta[field] = *it;
        else
            meta.erase(field);
    }
    if (kind.type.namespaced)
        meta["namespace"] = at(oldMeta, {"namespace"});
    if (isTerminating(*old))
        for (const Json& finalizer : at(object, {"metadata", "finalizers"}))
            if (finalizer.is_string() && !hasFinalizer(*old, finalizer.get_ref<const std::string&>()))
                throw invalid(
                    kind.type.apiVersion, kind.type.kind, nameOf(*old),
                    {FieldError::forbidden(
                        "metadata.finalizers",
                        "no new finalizers can be added if the object is being deleted, found new finalizers []string{" +
                            finalizer.dump() + "}")});
    if (statusOnly) {
        Json kept = *old;
        kept["metadata"] = std::move(meta);
        if (const auto status = object.find("status"); status != object.end())
            kept["status"] = std::move(*status);
        else
            kept.erase("status");
        object = std::move(kept);
    } else {
        if (kind.statusSubresource) {
            if (const auto status = old->find("status"); status != old->end())
                object["status"] = *status;
            else
                object.erase("status");
        }
        admit(kind.mutations, Operation::update, object, old.get());
        if (!sameDesiredState(object, *old, kind.statusSubresource))
            object["metadata"]["generation"] = intAt(*old, {"metadata", "generation"}, 1) + 1;
        admit(kind.validations, Operation::update, object, old.get());
    }
    if (object == *old)
        return old;
    ObjectPtr stored = put(kind, std::move(object), old);
    if (isTerminating(*stored) && !hasFinalizers(*stored) && intAt(*stored, {"metadata", "deletionGracePeriodSeconds"}, 0) == 0)
        erase(kind, stored);
    return stored;
}

} // namespace rdmalab::cluster
