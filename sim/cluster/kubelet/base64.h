#pragma once

#include <string>
#include <string_view>

namespace rdmalab::cluster {

std::string encodeBase64(std::string_view bytes);
std::string decodeBase64(std::string_view text); // throws std::runtime_error

} // namespace rdmalab::cluster
