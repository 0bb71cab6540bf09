// Texts as Go's standard library prints them, which appear in upstream's messages.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rdmalab::plugin {

// fmt's %q.
std::string goQuote(std::string_view text);

// What encoding/json says about malformed JSON ("invalid character ']' looking for beginning of value"); nullopt when well
// formed.
std::optional<std::string> goJsonSyntaxError(std::string_view json);

} // namespace rdmalab::plugin
