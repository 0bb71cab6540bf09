// A CNI error: the code and texts of the error object that a plugin prints (CNI SPEC "Error", pkg/types/types.go).
#pragma once

#include <stdexcept>
#include <string>

namespace rdmalab::plugin {

namespace cni_code {
inline constexpr int unknown = 0, incompatibleVersion = 1, unsupportedField = 2, unknownContainer = 3, invalidEnvironment = 4,
                     ioFailure = 5, decodingFailure = 6, invalidConfig = 7, invalidNetns = 8, tryAgainLater = 11,
                     notAvailable = 50, limitedConnectivity = 51, internal = 999;
}

class CniError : public std::runtime_error {
public:
    CniError(int code, const std::string& message, const std::string& details = "");

    int code() const noexcept { return code_; }
    const std::string& message() const noexcept { return message_; }
    const std::string& details() const noexcept { return details_; }
    // what(): "message" or "message; details", as Go's Error() prints it.

    // What a plugin writes to standard output: 4 spaces, Go's HTML escapes, no final newline.
    std::string json() const;

private:
    int code_;
    std::string message_, details_;
};

} // namespace rdmalab::plugin
