// Reading and writing the metadata that every API object has.
#pragma once

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace rdmalab::cluster {

using Json = nlohmann::json;

// The value at a path of object keys, or a null value when any step is missing.
const Json& at(const Json& object, std::initializer_list<std::string_view> path);
// The same as a string / number / flag; the default when missing or of another type.
std::string stringAt(const Json& object, std::initializer_list<std::string_view> path, std::string_view otherwise = {});
std::int64_t intAt(const Json& object, std::initializer_list<std::string_view> path, std::int64_t otherwise = 0);
bool boolAt(const Json& object, std::initializer_list<std::string_view> path, bool otherwise = false);

const std::string& kindOf(const Json& object); // the empty string when missing, as for all of these
const std::string& nameOf(const Json& object);
const std::string& namespaceOf(const Json& object);
const std::string& uidOf(const Json& object);
std::optional<std::string> annotationOf(const Json& object, std::string_view key);
std::optional<std::string> labelOf(const Json& object, std::string_view key);
bool isTerminating(const Json& object); // deletionTimestamp is set
bool hasFinalizers(const Json& object); // any
bool hasFinalizer(const Json& object, std::string_view finalizer);
bool addFinalizer(Json& object, std::string_view finalizer);    // false when it was there
bool removeFinalizer(Json& object, std::string_view finalizer); // false when it was not

// "group" of an apiVersion: "apps" of "apps/v1", empty of "v1".
std::string apiGroup(std::string_view apiVersion);

// An ownerReferences element with controller and blockOwnerDeletion set.
Json controllerReference(const Json& owner);
// The ownerReferences element with controller: true, or null.
const Json& controllerOf(const Json& object);

// "2024-01-01T00:00:00Z" for 0; whole seconds (metav1.Time).
std::string formatTimestamp(std::chrono::nanoseconds sinceLoopStart);
// Inverse of formatTimestamp; nullopt when the text is no such timestamp.
std::optional<std::chrono::nanoseconds> parseTimestamp(std::string_view text);

// A version 4 shaped UUID that depends only on `serial`.
std::string makeUid(std::uint64_t serial);
// `length` letters of the alphabet that Kubernetes uses for generated names, depending only on `serial`.
std::string makeSuffix(std::uint64_t serial, std::size_t length = 5);

} // namespace rdmalab::cluster
