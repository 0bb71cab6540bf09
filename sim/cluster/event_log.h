// The Event objects that components record, kept small: a big cluster has several per pod and nearly nobody reads them.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace rdmalab::cluster {

class EventLog {
public:
    // The position of a record; stays valid until remove().
    using Index = std::size_t;
    struct Noted {
        Index index;
        bool isNew; // false: an identical one was counted up
    };

    // Adds an event about `object`, or counts up the identical one. `serial` names a new record, `version` is its
    // resourceVersion.
    Noted note(const nlohmann::json& object, const std::string& type, const std::string& reason, const std::string& message,
               const std::string& component, std::chrono::nanoseconds now, std::uint64_t serial, std::uint64_t version);

    nlohmann::json render(Index index) const;             // as a v1 Event
    std::vector<Index> list(const std::string& ns) const; // empty = all; by namespace and name
    std::optional<Index> find(const std::string& ns, const std::string& name) const;
    void remove(Index index);

private:
    struct Subject;
    struct Record {
        std::shared_ptr<const Subject> subject; // null when removed
        const std::string *type, *reason, *component, *message;
        std::chrono::nanoseconds first, last;
        std::uint64_t serial, version;
        int count;
    };

    static std::string recordName(const Record& record);
    static const std::string& spaceOf(const Record& record);
    const std::string* intern(const std::string& text) { return &*texts_.insert(text).first; }
    std::shared_ptr<const Subject> subjectFor(const nlohmann::json& object);

    std::vector<Record> records_;                                            // by serial
    std::unordered_map<std::string, std::weak_ptr<const Subject>> subjects_; // by uid
    std::unordered_set<std::string> texts_;
};

} // namespace rdmalab::cluster
