#include "plugins/agent/ipam/json_access.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace rdmalab::plugin::ipam {

const Json& at(const Json& object, Path path) {
    static const Json none;
    const Json* here = &object;
    for (const char* key : path) {
        if (!here->is_object())
            return none;
        const auto found = here->find(key);
        if (found == here->end())
            return none;
        here = &*found;
    }
    return *here;
}

std::string textAt(const Json& object, Path path, const std::string& fallback) {
    const Json& value = at(object, path);
    return value.is_string() ? value.get<std::string>() : fallback;
}

bool flagAt(const Json& object, Path path, bool fallback) {
    const Json& value = at(object, path);
    return value.is_boolean() ? value.get<bool>() : fallback;
}

long numberAt(const Json& object, Path path, long fallback) {
    const Json& value = at(object, path);
    return value.is_number() ? value.get<long>() : fallback;
}

std::vector<std::string> textsAt(const Json& object, Path path) {
    std::vector<std::string> texts;
    for (const Json& value : at(object, path))
        if (value.is_string())
            texts.push_back(value.get<std::string>());
    return texts;
}

bool emptyAt(const Json& object, Path path) {
    return at(object, path).empty();
}

std::string nameOf(const Json& object) {
    return textAt(object, {"metadata", "name"});
}

bool isTerminating(const Json& object) {
    return !at(object, {"metadata", "deletionTimestamp"}).is_null();
}

std::string goList(const std::vector<std::string>& items) {
    return fmt::format("[{}]", fmt::join(items, " "));
}

std::string aggregate(const std::vector<std::string>& errors) {
    std::vector<std::string> distinct;
    for (const auto& error : errors)
        if (std::find(distinct.begin(), distinct.end(), error) == distinct.end())
            distinct.push_back(error);
    return distinct.size() == 1 ? distinct.front() : fmt::format("[{}]", fmt::join(distinct, ", "));
}

} // namespace rdmalab::plugin::ipam
