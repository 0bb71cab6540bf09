// JSON in the shape that Go's encoding/json gives it, and access to loosely typed objects.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace rdmalab::plugin {

// `indent` < 0: compact. <, > and & come out as \u003c, \u003e, \u0026.
std::string goJson(const nlohmann::json& value, int indent = -1);
std::string goJson(const nlohmann::ordered_json& value, int indent = -1);

// Throws std::runtime_error with (approximately) the text of Go's decoder.
nlohmann::json parseJson(const std::string& text);

// Go's %q of a string and of a list: "a", ["a" "b"]. %v of a list: [a b].
std::string goQuote(const std::string& text);
std::string goQuoteList(const std::vector<std::string>& items);
std::string goList(const std::vector<std::string>& items);

// The member when it has that type, else the fallback; anything but an object has no members.
std::string stringOf(const nlohmann::json& object, const char* key, const std::string& fallback = "");
bool boolOf(const nlohmann::json& object, const char* key, bool fallback = false);
long intOf(const nlohmann::json& object, const char* key, long fallback = 0);
std::vector<std::string> stringsOf(const nlohmann::json& object, const char* key);
const nlohmann::json& memberOf(const nlohmann::json& object, const char* key); // null when absent

} // namespace rdmalab::plugin
