// An exclusive flock(2) on a file, as other programs take it too.
#pragma once

#include "util/unique_fd.h"

#include <chrono>
#include <optional>
#include <string>

namespace rdmalab::plugin {

// Released with the object, and by the kernel when the process ends.
class FileLock {
public:
    // The file is made with `mode` when it is not there. Nothing when somebody else held the lock for all of `patience`.
    // Throws SystemError when the file cannot be opened.
    static std::optional<FileLock> acquire(const std::string& path, unsigned mode, std::chrono::milliseconds patience);

private:
    explicit FileLock(UniqueFd fd) : fd_(std::move(fd)) {}
    UniqueFd fd_;
};

} // namespace rdmalab::plugin
