#include "sim/cluster/object_meta.h"

#include <fmt/format.h>

#include <cstdio>

namespace rdmalab::cluster {
namespace {

const Json nullJson;
const std::string emptyString;

const Json* member(const Json& object, std::string_view key) {
    if (!object.is_object())
        return nullptr;
    const auto it = object.find(key);
    return it == object.end() ? nullptr : &*it;
}

const std::string& metadataString(const Json& object, std::string_view key) {
    const Json* meta = member(object, "metadata");
    const Json* value = meta ? member(*meta, key) : nullptr;
    return value && value->is_string() ? value->get_ref<const std::string&>() : emptyString;
}

std::optional<std::string> entryOf(const Json& object, std::string_view map, std::string_view key) {
    const Json& value = at(object, {"metadata", map, key});
    return value.is_string() ? std::optional(value.get<std::string>()) : std::nullopt;
}

// Spreads a counter over 64 bits so that neighbouring serials look unrelated (splitmix64's finaliser).
std::uint64_t scramble(std::uint64_t x) {
    x += 0x9e3779b97f4a7c15U;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

constexpr std::chrono::sys_days epochOfTheLoop{std::chrono::year{2024} / 1 / 1};

} // namespace

const Json& at(const Json& object, std::initializer_list<std::string_view> path) {
    const Json* value = &object;
    for (const std::string_view key : path) {
        value = member(*value, key);
        if (!value)
            return nullJson;
    }
    return *value;
}

std::string stringAt(const Json& object, std::initializer_list<std::string_view> path, std::string_view otherwise) {
    const Json& value = at(object, path);
    return value.is_string() ? value.get<std::string>() : std::string(otherwise);
}

std::int64_t intAt(const Json& object, std::initializer_list<std::string_view> path, std::int64_t otherwise) {
    const Json& value = at(object, path);
    return value.is_number_integer() ? value.get<std::int64_t>() : otherwise;
}

bool boolAt(const Json& object, std::initializer_list<std::string_view> path, bool otherwise) {
    const Json& value = at(object, path);
    return value.is_boolean() ? value.get<bool>() : otherwise;
}

const std::string& kindOf(const Json& object) {
    const Json* kind = member(object, "kind");
    return kind && kind->is_string() ? kind->get_ref<const std::string&>() : emptyString;
}

const std::string& nameOf(const Json& object) {
    return metadataString(object, "name");
}
const std::string& namespaceOf(const Json& object) {
    return metadataString(object, "namespace");
}
const std::string& uidOf(const Json& object) {
    return metadataString(object, "uid");
}

std::optional<std::string> annotationOf(const Json& object, std::string_view key) {
    return entryOf(object, "annotations", key);
}
std::optional<std::string> labelOf(const Json& object, std::string_view key) {
    return entryOf(object, "labels", key);
}

bool isTerminating(const Json& object) {
    return !metadataString(object, "deletionTimestamp").empty();
}

bool hasFinalizers(const Json& object) {
    const Json& list = at(object, {"metadata", "finalizers"});
    return list.is_array() && !list.empty();
}

bool hasFinalizer(const Json& object, std::string_view finalizer) {
    for (const Json& f : at(object, {"metadata", "finalizers"}))
        if (f == finalizer)
            return true;
    return false;
}

bool addFinalizer(Json& object, std::string_view finalizer) {
    if (hasFinalizer(object, finalizer))
        return false;
    Json& list = object["metadata"]["finalizers"];
    if (!list.is_array())
        list = Json::array();
    list.push_back(finalizer);
    return true;
}

bool removeFinalizer(Json& object, std::string_view finalizer) {
    if (!hasFinalizer(object, finalizer))
        return false;
    Json& meta = object["metadata"];
    Json kept = Json::array();
    for (const Json& f : meta["finalizers"])
        if (f != finalizer)
            kept.push_back(f);
    if (kept.empty())
        meta.erase("finalizers");
    else
        meta["finalizers"] = std::move(kept);
    return true;
}

std::string apiGroup(std::string_view apiVersion) {
    const auto slash = apiVersion.find('/');
    return slash == std::string_view::npos ? std::string() : std::string(apiVersion.substr(0, slash));
}

Json controllerReference(const Json& owner) {
    return {{"apiVersion", stringAt(owner, {"apiVersion"})},
            {"kind", kindOf(owner)},
            {"name", nameOf(owner)},
            {"uid", uidOf(owner)},
            {"controller", true},
            {"blockOwnerDeletion", true}};
}

const Json& controllerOf(const Json& object) {
    for (const Json& reference : at(object, {"metadata", "ownerReferences"}))
        if (boolAt(reference, {"controller"}))
            return reference;
    return nullJson;
}

std::string formatTimestamp(std::chrono::nanoseconds sinceLoopStart) {
    using namespace std::chrono;
    const sys_seconds when = epochOfTheLoop + floor<seconds>(sinceLoopStart);
    const auto day = floor<days>(when);
    const year_month_day date{day};
    const hh_mm_ss time{when - day};
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                       static_cast<unsigned>(date.day()), time.hours().count(), time.minutes().count(), time.seconds().count());
}

std::optional<std::chrono::nanoseconds> parseTimestamp(std::string_view text) {
    using namespace std::chrono;
    int y = 0;
    unsigned mo = 0, d = 0;
    int h = 0, mi = 0, s = 0;
    char zone = 0;
    if (std::sscanf(std::string(text).c_str(), "%4d-%2u-%2uT%2d:%2d:%2d%c", &y, &mo, &d, &h, &mi, &s, &zone) != 7 || zone != 'Z')
        return std::nullopt;
    const sys_seconds when = sys_days{year{y} / month{mo} / day{d}} + hours{h} + minutes{mi} + seconds{s};
    return nanoseconds{when - epochOfTheLoop};
}

std::string makeUid(std::uint64_t serial) {
    const std::uint64_t high = scramble(serial * 2), low = scramble(serial * 2 + 1);
    return fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}", high >> 32, (high >> 16) & 0xffff, high & 0xfff,
                       0x8000U | (low >> 48 & 0x3fff), low & 0xffffffffffffU);
}

std::string makeSuffix(std::uint64_t serial, std::size_t length) {
    static constexpr std::string_view alphabet = "bcdfghjklmnpqrstvwxz2456789";
    std::string suffix;
    // Another stream than makeUid's, so that names and uids do not resemble each other.
    std::uint64_t bits = scramble(serial ^ 0x5bd1e995a5a5a5a5U);
    for (std::size_t i = 0; i < length; ++i) {
        suffix += alphabet[bits % alphabet.size()];
        bits = (i + 1) % 8 == 0 ? scramble(bits) : bits / alphabet.size();
    }
    return suffix;
}

} // namespace rdmalab::cluster
