// Base64 as Go writes byte slices in JSON (RFC 4648, padded).
#pragma once

#include <string>

namespace rdmalab::plugin {

std::string base64Encode(const std::string& bytes);
std::string base64Decode(const std::string& text); // throws std::runtime_error

} // namespace rdmalab::plugin
