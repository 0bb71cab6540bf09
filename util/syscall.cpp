#include "util/syscall.h"

#include <cctype>
#include <cstring>

namespace rdmalab {

namespace {
std::string errnoText(int code) {
    char buffer[128];
    return strerror_r(code, buffer, sizeof buffer);
}
} // namespace

SystemError::SystemError(std::string_view attempted, int code)
    : std::runtime_error(std::string(attempted) + ": " + errnoText(code)), code_(code) {}

std::string goErrnoText(int code) {
    // Go keeps its own table (syscall/zerrors_linux_amd64.go): glibc's text with a lower-case first letter, with these
    // exceptions.
    switch (code) {
    case EIO:
        return "input/output error";
    case ENOTSUP:
        return "operation not supported";
    case EDEADLK:
        return "resource deadlock avoided";
    default:
        break;
    }
    std::string text = errnoText(code);
    // An abbreviation such as "RPC ..." keeps its capitals.
    if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])))
        text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    return text;
}

} // namespace rdmalab
