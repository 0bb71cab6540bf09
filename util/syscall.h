// Every system call of the project goes through checked(): no silent failure, and the error names what was attempted.
#pragma once

#include <cerrno>
#include <stdexcept>
#include <string>
#include <string_view>

namespace rdmalab {

// A failed system call: what was attempted, and errno.
class SystemError : public std::runtime_error {
public:
    SystemError(std::string_view attempted, int code);
    int code() const noexcept { return code_; }

private:
    int code_;
};

// Returns `result` unless it is -1, in which case SystemError(attempted, errno) is thrown.
template <typename Result>
Result checked(std::string_view attempted, Result result) {
    if (result == static_cast<Result>(-1))
        throw SystemError(attempted, errno);
    return result;
}

// The text that Go's syscall package prints for an errno ("no such file or directory"), which CNI error messages carry.
std::string goErrnoText(int code);

} // namespace rdmalab
