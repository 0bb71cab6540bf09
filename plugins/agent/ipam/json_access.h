// Loosely typed access to API objects, and lists printed as Go prints them.
#pragma once

#include <nlohmann/json.hpp>

#include <initializer_list>
#include <string>
#include <vector>

namespace rdmalab::plugin::ipam {

using Json = nlohmann::json;
using Path = std::initializer_list<const char*>;

const Json& at(const Json& object, Path path); // null when a step is missing
// The value when it has that type, else the fallback.
std::string textAt(const Json& object, Path path, const std::string& fallback = "");
bool flagAt(const Json& object, Path path, bool fallback = false);
long numberAt(const Json& object, Path path, long fallback = 0);
std::vector<std::string> textsAt(const Json& object, Path path);
bool emptyAt(const Json& object, Path path); // missing, null, or without elements
std::string nameOf(const Json& object);
bool isTerminating(const Json& object);

std::string goList(const std::vector<std::string>& items); // %v: [a b]
// k8s.io/apimachinery utilerrors.Aggregate: without repetitions; "a" for one, "[a, b]" for several.
std::string aggregate(const std::vector<std::string>& errors);

} // namespace rdmalab::plugin::ipam
