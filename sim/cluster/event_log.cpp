#include "sim/cluster/event_log.h"

#include "sim/cluster/object_meta.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <tuple>

namespace rdmalab::cluster {

struct EventLog::Subject {
    std::string apiVersion, kind, ns, name, uid;
    mutable std::vector<Index> events; // about it; few, so that looking through them is quick
};

std::shared_ptr<const EventLog::Subject> EventLog::subjectFor(const Json& object) {
    const std::string& uid = uidOf(object);
    const std::string key = uid.empty() ? kindOf(object) + "/" + namespaceOf(object) + "/" + nameOf(object) : uid;
    std::weak_ptr<const Subject>& known = subjects_[key];
    if (auto subject = known.lock())
        return subject;
    auto subject = std::make_shared<const Subject>(
        Subject{stringAt(object, {"apiVersion"}), kindOf(object), namespaceOf(object), nameOf(object), uid, {}});
    known = subject;
    return subject;
}

EventLog::Noted EventLog::note(const Json& object, const std::string& type, const std::string& reason, const std::string& message,
                               const std::string& component, std::chrono::nanoseconds now, std::uint64_t serial,
                               std::uint64_t version) {
    const std::string *typeText = intern(type), *reasonText = intern(reason), *messageText = intern(message),
                      *componentText = intern(component);
    const auto subject = subjectFor(object);
    for (const Index index : subject->events) {
        Record& record = records_[index];
        if (record.reason == reasonText && record.message == messageText && record.type == typeText &&
            record.component == componentText) {
            ++record.count;
            record.last = now;
            record.version = version;
            return {index, false};
        }
    }
    const Index index = records_.size();
    records_.push_back({subject, typeText, reasonText, componentText, messageText, now, now, serial, version, 1});
    subject->events.push_back(index);
    return {index, true};
}

std::string EventLog::recordName(const Record& record) {
    return fmt::format("{}.{:016x}", record.subject->name, record.serial);
}

const std::string& EventLog::spaceOf(const Record& record) {
    static const std::string forClusterObjects = "default";
    return record.subject->ns.empty() ? forClusterObjects : record.subject->ns;
}

Json EventLog::render(Index index) const {
    const Record& r = records_.at(index);
    Json involved = {{"kind", r.subject->kind}, {"name", r.subject->name}};
    if (!r.subject->apiVersion.empty())
        involved["apiVersion"] = r.subject->apiVersion;
    if (!r.subject->ns.empty())
        involved["namespace"] = r.subject->ns;
    if (!r.subject->uid.empty())
        involved["uid"] = r.subject->uid;
    return {{"apiVersion", "v1"},
            {"kind", "Event"},
            {"metadata",
             {{"name", recordName(r)},
              {"namespace", spaceOf(r)},
              {"uid", makeUid(r.serial)},
              {"creationTimestamp", formatTimestamp(r.first)},
              {"resourceVersion", std::to_string(r.version)}}},
            {"involvedObject", std::move(involved)},
            {"type", *r.type},
            {"reason", *r.reason},
            {"message", *r.message},
            {"source", {{"component", *r.component}}},
            {"reportingComponent", *r.component},
            {"count", r.count},
            {"firstTimestamp", formatTimestamp(r.first)},
            {"lastTimestamp", formatTimestamp(r.last)}};
}

std::vector<EventLog::Index> EventLog::list(const std::string& ns) const {
    std::vector<Index> found;
    for (Index i = 0; i < records_.size(); ++i)
        if (records_[i].subject && (ns.empty() || spaceOf(records_[i]) == ns))
            found.push_back(i);
    std::sort(found.begin(), found.end(), [this](Index a, Index b) {
        const Record &left = records_[a], &right = records_[b];
        return std::tie(spaceOf(left), left.subject->name, left.serial) <
               std::tie(spaceOf(right), right.subject->name, right.serial);
    });
    return found;
}

std::optional<EventLog::Index> EventLog::find(const std::string& ns, const std::string& name) const {
    // The serial at the end of the name leads to the record.
    const auto dot = name.rfind('.');
    if (dot == std::string::npos)
        return std::nullopt;
    const std::uint64_t serial = std::strtoull(name.c_str() + dot + 1, nullptr, 16);
    const auto it = std::lower_bound(records_.begin(), records_.end(), serial,
                                     [](const Record& record, std::uint64_t wanted) { return record.serial < wanted; });
    if (it == records_.end() || !it->subject || spaceOf(*it) != ns || recordName(*it) != name)
        return std::nullopt;
    return static_cast<Index>(it - records_.begin());
}

void EventLog::remove(Index index) {
    Record& record = records_.at(index);
    std::erase(record.subject->events, index);
    record.subject = nullptr;
}

} // namespace rdmalab::cluster
